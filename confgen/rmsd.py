"""Heavy-atom RMSD between two ensembles over graph symmetry and rotation, and the COV/AMR scores made from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit.Chem import Mol

from confgen.superpose import best_rmsd, overlaps, rotations, superposed_rmsd
from confgen.symmetry import MAX_MATCHES, Symmetry, heavy_skeleton, isomorphisms

PAIRS = 2_000  # pairs of geometries worked on at once where end atoms are assigned
STARTS = 4  # skeleton matches that are followed up for each pair
ROUNDS = 4  # of turning, then assigning


@dataclass(frozen=True)
class Scores:
    """Coverage (share, 0-1) and mean smallest RMSD (angstrom) of references (recall) and of generated (precision)."""

    cov_r: float
    amr_r: float
    cov_p: float
    amr_p: float


def ensemble_scores(matrix: np.ndarray, threshold: float) -> Scores:
    """Scores of a (P generated, R reference) RMSD matrix; covered means strictly below the threshold (angstrom).

    An empty generated ensemble covers nothing: its coverages are 0 and its AMRs infinite.
    Source: Ganea et al., GeoMol, arXiv:2106.07802.
    Raises:  ValueError without references.
    """
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"need a (P, R) matrix with at least one reference, not {matrix.shape}")
    if matrix.shape[0] == 0:
        return Scores(cov_r=0.0, amr_r=float("inf"), cov_p=0.0, amr_p=float("inf"))
    recall, precision = matrix.min(axis=0), matrix.min(axis=1)
    return Scores(
        cov_r=float((recall < threshold).mean()),
        amr_r=float(recall.mean()),
        cov_p=float((precision < threshold).mean()),
        amr_p=float(precision.mean()),
    )


def rmsd_heavy_matrix(probe: Mol, reference: Mol, max_matches: int = MAX_MATCHES) -> np.ndarray:
    """Smallest heavy-atom RMSD of every probe conformer to every reference conformer, (P, R) angstrom.

    Over all rotations without reflection and all graph isomorphisms of the heavy atoms; equal to RDKit's GetBestRMS on
    molecules without hydrogens. Where the graph has more than `max_matches` isomorphisms the value is an upper bound
    (see `rmsd_matrix`). A molecule without heavy atoms (H2) is compared on all its atoms.

    Raises:  MoleculeError if the two are not the same heavy-atom graph.
    """
    (probe_heavy, _), (reference_heavy, _) = heavy_skeleton(probe), heavy_skeleton(reference)
    symmetry = isomorphisms(probe_heavy, reference_heavy, max_matches)
    return rmsd_matrix(centred_positions(probe_heavy), centred_positions(reference_heavy), symmetry)


def rmsd_matrix(first: np.ndarray, second: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Smallest RMSD of every pair of centred geometries (P, N, 3) and (R, N, 3) over a symmetry, (P, R) angstrom.

    Exact if the symmetry has no groups. With them an upper bound: the skeleton matches that fit best with every group
    at its centroid are followed up by turns of superposing and of assigning the end atoms of each group.
    """
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    if not symmetry.groups:
        return best_rmsd(first, second, symmetry.matches)[0]
    rows = max(1, PAIRS // len(second))
    blocks = [first[start : start + rows] for start in range(0, len(first), rows)]
    return np.concatenate([_assigned(block, second, symmetry)[0] for block in blocks])


def best_match(first: np.ndarray, second: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """The match (N,) with the smallest RMSD between two centred geometries (N, 3)."""
    if symmetry.groups:
        match: np.ndarray = _assigned(first[None], second[None], symmetry)[1][0, 0]
        return match
    _, winner = best_rmsd(first[None], second[None], symmetry.matches)
    chosen: np.ndarray = symmetry.matches[winner[0, 0]]
    return chosen


def centred_positions(mol: Mol) -> np.ndarray:
    """Positions of all conformers about their centroids, (K, N, 3)."""
    pos = np.array([conformer.GetPositions() for conformer in mol.GetConformers()]).reshape(-1, mol.GetNumAtoms(), 3)
    centred: np.ndarray = pos - pos.mean(axis=1, keepdims=True)
    return centred


def _assigned(first: np.ndarray, second: np.ndarray, symmetry: Symmetry) -> tuple[np.ndarray, np.ndarray]:
    """RMSDs (P, R) with the end atoms of the groups assigned, and the matches that give them, (P, R, N)."""
    shape = (len(first), len(second))
    p, r = np.indices(shape).reshape(2, -1)
    x, y = np.nan_to_num(first, posinf=0.0, neginf=0.0)[p], np.nan_to_num(second, posinf=0.0, neginf=0.0)[r]
    smooth = smoothed(x, symmetry.groups)
    best, chosen = np.full(len(p), np.inf), np.tile(symmetry.matches[0], (len(p), 1))
    for start in _promising(first, second, symmetry).reshape(len(p), -1).T:
        match = symmetry.matches[start]
        moved = np.take_along_axis(y, match[..., None], axis=1)
        turn = rotations(smooth, smoothed(moved, symmetry.groups))
        for _ in range(ROUNDS):
            _assign(x, moved @ turn, match, symmetry)
            moved = np.take_along_axis(y, match[..., None], axis=1)
            turn = rotations(x, moved)
        rmsd = superposed_rmsd(x, moved)
        better = rmsd < best
        best, chosen = np.where(better, rmsd, best), np.where(better[:, None], match, chosen)
    finite = np.isfinite(first).all(axis=(1, 2))[:, None] & np.isfinite(second).all(axis=(1, 2))
    return np.where(finite, best.reshape(shape), np.inf), chosen.reshape(*shape, -1)


def _promising(first: np.ndarray, second: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Numbers of the STARTS matches that superpose each pair best with every group at its centroid, (P, R, starts)."""
    images = [symmetry.matches[0, list(group)] for group in symmetry.groups]
    one, other = (np.nan_to_num(pos, posinf=0.0, neginf=0.0) for pos in (first, second))
    one, other = smoothed(one, symmetry.groups), smoothed(other, images)
    starts = min(STARTS, len(symmetry.matches))
    overlap = overlaps(one, other, symmetry.matches)  # (P, M, R)
    return np.argpartition(-overlap, starts - 1, axis=1)[:, :starts].transpose(0, 2, 1)


def smoothed(pos: np.ndarray, groups: Iterable[Sequence[int] | np.ndarray]) -> np.ndarray:
    """Positions with the atoms of every group at its centroid."""
    smooth = pos.copy()
    for group in groups:
        smooth[:, group] = pos[:, group].mean(axis=1, keepdims=True)
    return smooth


def _assign(first: np.ndarray, turned: np.ndarray, match: np.ndarray, symmetry: Symmetry) -> None:
    """Orders the images of every group, in `match` (L, N), as they lie nearest to its atoms."""
    for group in symmetry.groups:
        atoms = np.array(group)
        orders = np.array(list(itertools.permutations(range(len(group)))))  # (O, g)
        products = np.einsum("lax,lbx->lab", first[:, atoms], turned[:, atoms])
        fit = products[:, np.arange(len(group)), orders].sum(axis=-1)  # (L, O)
        order = orders[fit.argmax(axis=1)]
        match[:, atoms] = np.take_along_axis(match[:, atoms], order, axis=1)
