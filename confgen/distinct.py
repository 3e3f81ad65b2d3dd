"""Conformers of one molecule compared with each other: which are the same, and how far apart they are.

Symmetric molecules make a heavy-atom RMSD dear: C60 has 120 ways to fall on itself, a molecule with ten t-butyl groups
millions. To know whether it is below a limit, two bounds often do; the RMSD is worked out where they leave it open.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from confgen.rmsd import centred_positions, rmsd_matrix, smoothed
from confgen.superpose import best_rmsd
from confgen.symmetry import Symmetry, heavy_skeleton, isomorphisms

MAX_MATCHES = 1_000  # isomorphisms tried where two conformers may be the same
FEW_MATCHES = 100  # and for a distance, where a match that is missed does little harm
WORTHWHILE = 4  # matches; with fewer, the RMSD itself costs no more than its bound
ROUNDING = 1e-5  # angstrom, of a bound
ROWS = 50  # of a matrix at a time, for memory


def distinct(mol: Chem.Mol, order: Sequence[int], rms: float) -> list[int]:
    """The conformers of `order`, taken in that order, that are not closer than `rms` to one taken before them.

    rms: heavy-atom RMSD in angstrom, without reflection. An RMSD that `confgen.rmsd` knows as an upper bound only
    (more than MAX_MATCHES isomorphisms) may let a duplicate pass; two that differ are never taken for the same.
    """
    heavy, _ = heavy_skeleton(mol)
    symmetry = isomorphisms(heavy, heavy, MAX_MATCHES)
    pos = centred_positions(heavy)
    dear = len(order) > 1 and (len(symmetry.matches) >= WORTHWHILE or bool(symmetry.groups))
    lengths = _sorted_lengths(pos, symmetry, Chem.GetDistanceMatrix(heavy)) if dear else pos[:, :0, 0]
    squares = (lengths**2).sum(axis=1)
    kept, left = [], np.asarray(order, dtype=np.int64)
    while len(left):
        first, left = int(left[0]), left[1:]
        kept.append(first)
        apart = squares[first] + squares[left] - 2.0 * lengths[left] @ lengths[first]
        same = np.sqrt(np.maximum(apart, 0.0)) / max(1, pos.shape[1]) - ROUNDING < rms
        same[same] = _closer(pos[first], pos[left[same]], symmetry, rms)
        left = left[~same]
    return kept


def distances(mol: Chem.Mol, chosen: Sequence[int] | None = None) -> np.ndarray:
    """Heavy-atom RMSD of every pair of the chosen conformers, (M, M) angstrom, to find out which stand for all.

    Of at most FEW_MATCHES isomorphisms. Where groups like t-butyl multiply these, each group counts at its centroid:
    how it is turned is of no interest, and the time stays within bounds.
    """
    heavy, _ = heavy_skeleton(mol)
    symmetry = isomorphisms(heavy, heavy, FEW_MATCHES)
    pos = centred_positions(heavy)
    pos = pos if chosen is None else pos[list(chosen)]
    if symmetry.groups:
        pos = smoothed(pos, symmetry.groups)
    matrix = np.zeros((len(pos), len(pos)))
    for low in range(0, len(pos), ROWS):
        rows = slice(low, low + ROWS)
        matrix[rows, low:] = best_rmsd(pos[rows], pos[low:], symmetry.matches)[0]
    upper = np.triu(matrix, 1)
    symmetric: np.ndarray = upper + upper.T
    return symmetric


def _sorted_lengths(pos: np.ndarray, symmetry: Symmetry, hops: np.ndarray) -> np.ndarray:
    """Interatomic distances, (K, pairs) angstrom, in such an order that two rows bound the RMSD of their conformers.

    Their difference, as a vector, is no longer than N times the RMSD, so that it is a lower bound of that:

    With d = x - Ry for the best match and rotation R, sum_ij (|x_ij| - |y_ij|)^2 <= sum_ij |d_i - d_j|^2 =
    N sum_i |d_i|^2 over pairs i < j of centred positions. Which pair falls on which need not be known: sorting the
    distances of either side, within each class of pairs that a match may exchange, only makes the left side smaller.
    pos: (K, N, 3) angstrom, centred.     hops: (N, N) bonds between atoms, which no match changes.
    """
    kind, (i, j) = _orbits(symmetry), np.triu_indices(pos.shape[1], 1)
    pairs = np.stack((np.minimum(kind[i], kind[j]), np.maximum(kind[i], kind[j]), hops[i, j].astype(np.int64)))
    _, exchanged = np.unique(pairs, axis=1, return_inverse=True)
    sorted_lengths = np.empty((len(pos), len(i)))
    for row, own in zip(sorted_lengths, pos, strict=True):
        length = np.linalg.norm(own[i] - own[j], axis=-1)
        row[:] = length[np.lexsort((length, exchanged.ravel()))]
    sorted_lengths -= sorted_lengths.mean(axis=0)  # keeps the difference of squares exact
    return sorted_lengths


def _orbits(symmetry: Symmetry) -> np.ndarray:
    """The smallest atom that each atom can be exchanged with, (N,): by a match, within a group, or step by step."""
    kind = np.arange(symmetry.matches.shape[1])
    partners = [symmetry.matches, *(np.tile(kind, (len(group), 1)) for group in symmetry.groups)]
    for group, rows in zip(symmetry.groups, partners[1:], strict=True):
        for shift, row in enumerate(rows):
            row[list(group)] = np.roll(group, shift)
    exchanges = np.concatenate(partners)
    while True:
        lowest = kind.copy()
        for image in exchanges:
            np.minimum.at(lowest, image, lowest)
            lowest = np.minimum(lowest, lowest[image])
        if (lowest == kind).all():
            return kind
        kind = lowest


def _closer(pos: np.ndarray, others: np.ndarray, symmetry: Symmetry, rms: float) -> np.ndarray:
    """Whether each of the others (L, N, 3) lies closer than `rms`; atom on its own first, then all matches."""
    own = np.arange(pos.shape[0])[None]
    closer: np.ndarray = best_rmsd(pos[None], others, own)[0][0] < rms
    if len(symmetry.matches) > 1 or symmetry.groups:
        closer[~closer] = rmsd_matrix(pos[None], others[~closer], symmetry)[0] < rms
    return closer
