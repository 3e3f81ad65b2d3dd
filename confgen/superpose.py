"""Best superposition of point sets by rotation, for all pairs of two lists and all ways to match their points.

All positions are centred: (P, N, 3) and (R, N, 3) angstrom. A match (N,) gives for point i of the first the point of
the second that it falls on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK = 40_000  # superpositions worked on at once: more do not stay in a core's cache
ROWS = 16  # of the first list in a block, if it has so many: the second list is rearranged once for all of them
TINY = 1e-300  # keeps 0 / 0 at 0
SMALL = 0.1  # angstrom; below, a mean square is the difference of two large numbers and is computed from positions
NOTHING = 1e-6  # angstrom; RMSDs below are 0: positions in files have 4 decimals


def best_rmsd(first: np.ndarray, second: np.ndarray, matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest RMSD over rotations and matches (M, N) of every pair, (P, R), and the match that gives it, (P, R).

    No reflection. Infinite where a position is not finite.
    """
    finite = np.isfinite(first).all(axis=(1, 2))[:, None] & np.isfinite(second).all(axis=(1, 2))
    first, second = np.nan_to_num(first, posinf=0.0, neginf=0.0), np.nan_to_num(second, posinf=0.0, neginf=0.0)
    inner = 0.5 * ((first**2).sum(axis=(1, 2))[:, None] + (second**2).sum(axis=(1, 2)))
    overlap, winner = largest_overlap(first, second, matches)
    rmsd = np.sqrt(np.maximum(2.0 * (inner - overlap) / max(1, first.shape[1]), 0.0))
    near = np.argwhere((rmsd < SMALL) & finite)
    for start in range(0, len(near), BLOCK):
        p, r = near[start : start + BLOCK].T
        matched = np.take_along_axis(second[r], matches[winner[p, r]][..., None], axis=1)
        rmsd[p, r] = superposed_rmsd(first[p], matched)
    return np.where(finite, rmsd, np.inf), winner


def largest_overlap(first: np.ndarray, second: np.ndarray, matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest sum x_i . R y_i over rotations R and matches (M, N), (P, R) angstrom^2, and that match, (P, R)."""
    num_first, num_second = len(first), len(second)
    best = np.full((num_first, num_second), -np.inf)
    winner = np.zeros((num_first, num_second), dtype=np.int64)
    at_once = max(1, BLOCK // (ROWS * max(1, num_second)))
    for start in range(0, len(matches), at_once):
        tried = matches[start : start + at_once]
        rows = max(ROWS, BLOCK // max(1, len(tried) * num_second))
        for some, overlap in _overlaps(first, second, tried, rows):
            which = overlap.argmax(axis=1)
            value = np.take_along_axis(overlap, which[:, None], axis=1)[:, 0]
            better = value > best[some]
            winner[some] = np.where(better, which + start, winner[some])
            best[some] = np.maximum(value, best[some])
    return best, winner


def overlaps(first: np.ndarray, second: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Largest sum x_i . R y_i over rotations R for every match, (P, M, R) angstrom^2."""
    rows = max(1, BLOCK // max(1, len(matches) * len(second)))
    return np.concatenate([overlap for _, overlap in _overlaps(first, second, matches, rows)])


def _overlaps(
    first: np.ndarray, second: np.ndarray, matches: np.ndarray, rows: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """`overlaps` for so many rows of `first` at a time, and which rows they are."""
    moved = second[:, matches].transpose(2, 3, 1, 0).reshape(first.shape[1], -1)  # (N, 3 M R)
    for low in range(0, len(first), rows):
        some = first[low : low + rows]
        turned = some.transpose(2, 0, 1).reshape(-1, first.shape[1])  # (3 P, N)
        covariance = (turned @ moved).reshape(3, len(some), 3, -1)
        yield slice(low, low + rows), _singular_sum(covariance).reshape(len(some), len(matches), len(second))


def _singular_sum(covariance: np.ndarray) -> np.ndarray:
    """Sum of the singular values of each covariance, the last one with the sign of its determinant, (P, K).

    That is the largest overlap by a proper rotation. covariance: (3, P, 3, K). The largest value s1 comes in closed
    form from the eigenvalues of covariance times transpose; then (s2 + s3)^2 = s2^2 + s3^2 + 2 det / s1.
    Source: Kabsch, Acta Cryst. A 1976, 32, 922; Smith, Commun. ACM 1961, 4, 168 for the eigenvalues.
    """
    (a, b, c), (d, e, f), (g, h, i) = ((row[:, 0], row[:, 1], row[:, 2]) for row in covariance)
    mean = (a * a + b * b + c * c + d * d + e * e + f * f + g * g + h * h + i * i) / 3.0
    ss, tt, uu = a * a + b * b + c * c - mean, d * d + e * e + f * f - mean, g * g + h * h + i * i - mean
    st, su, tu = a * d + b * e + c * f, a * g + b * h + c * i, d * g + e * h + f * i
    off_diagonal = st * st + su * su + tu * tu
    spread = np.sqrt((ss * ss + tt * tt + uu * uu + 2.0 * off_diagonal) / 6.0)
    half_det = 0.5 * (ss * (tt * uu - tu * tu) - st * (st * uu - tu * su) + su * (st * tu - tt * su))
    angle = np.arccos(np.clip(half_det / np.maximum(spread**3, TINY), -1.0, 1.0)) / 3.0
    squared = mean + 2.0 * spread * np.cos(angle)
    first_value = np.sqrt(squared)
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    other_two = 3.0 * mean - squared + 2.0 * det / np.maximum(first_value, TINY)
    singular_sum: np.ndarray = first_value + np.sqrt(np.maximum(other_two, 0.0))
    return singular_sum


def rotations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotations (L, 3, 3) that bring each of `second` (L, N, 3) onto its partner in `first`: `second @ rotation`.

    Source: Kabsch, Acta Cryst. A 1976, 32, 922.
    """
    left, _, right = np.linalg.svd(np.einsum("lni,lnj->lij", second, first))
    left[:, :, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[:, None]
    turned: np.ndarray = left @ right
    return turned


def superposed_rmsd(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """RMSD of each pair after the best rotation, (L,), from (L, N, 3) positions; exact also near 0."""
    apart = ((first - second @ rotations(first, second)) ** 2).sum(axis=(1, 2))
    rmsd: np.ndarray = np.sqrt(apart / max(1, first.shape[1]))
    return np.where(rmsd < NOTHING, 0.0, rmsd)
