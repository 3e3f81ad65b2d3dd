"""Heavy-atom RMSD between two ensembles over graph symmetry and rotation, and the COV/AMR scores made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.errors import MoleculeError

MAX_MATCHES = 10_000
CHUNK = 200_000  # superpositions held in memory at once
NEWTON_STEPS = 50

# Terminal O and N that share a charge or a double bond (carboxylate, nitro, amidine) count as equal, as in RDKit's
# GetBestRMS with symmetrizeConjugatedTerminalGroups.
CONJUGATED_TERMINAL = Chem.MolFromSmarts("[O,N;D1;$([O,N;D1]-[*]=[O,N;D1]),$([O,N;D1]=[*]-[O,N;D1])]~[*]")
SINGLE_OR_DOUBLE = Chem.MolFromSmarts("*-,=*").GetBondWithIdx(0)


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
    molecules without hydrogens. Where the graph has more than `max_matches` isomorphisms only that many are tried, and
    the value is an upper bound. A molecule without heavy atoms (H2) is compared on all its atoms.

    Source:  quaternion characteristic polynomial, Theobald, Acta Cryst. A 2005, 61, 478, to find the best
             isomorphism; the value itself from singular values (Kabsch), exact also near zero and for linear molecules.
    Raises:  MoleculeError if the two are not the same heavy-atom graph.
    """
    probe_heavy, reference_heavy = _heavy(probe), _heavy(reference)
    matches = heavy_matches(probe_heavy, reference_heavy, max_matches)
    probe_pos, reference_pos = _centred(probe_heavy), _centred(reference_heavy)
    num_probe, num_reference, num_atoms = len(probe_pos), len(reference_pos), probe_pos.shape[1]
    if not num_probe or not num_reference:
        return np.zeros((num_probe, num_reference))
    inner = 0.5 * ((probe_pos**2).sum(axis=(1, 2))[:, None] + (reference_pos**2).sum(axis=(1, 2)))
    best = np.full((num_probe, num_reference), -np.inf)
    covariance = np.zeros((num_probe, num_reference, 3, 3))
    flat_probe = probe_pos.transpose(0, 2, 1).reshape(-1, num_atoms)  # (3 P, N)
    chunk = max(1, CHUNK // (num_probe * num_reference))
    for start in range(0, len(matches), chunk):
        moved = reference_pos[:, matches[start : start + chunk]]  # (R, M, N, 3)
        moved = moved.transpose(2, 1, 0, 3).reshape(num_atoms, -1)
        trial = (flat_probe @ moved).reshape(num_probe, 3, -1, num_reference, 3).transpose(2, 0, 3, 1, 4)
        if len(matches) == 1:
            covariance = trial[0]
            break
        overlap = _largest_overlap(trial, inner)  # (M, P, R)
        winner = overlap.argmax(axis=0)[None]
        value = np.take_along_axis(overlap, winner, axis=0)[0]
        won = np.take_along_axis(trial, winner[..., None, None], axis=0)[0]
        covariance = np.where((value > best)[..., None, None], won, covariance)
        best = np.maximum(value, best)
    return _superposed_rmsd(covariance, inner, num_atoms)


def _superposed_rmsd(covariance: np.ndarray, inner: np.ndarray, num_atoms: int) -> np.ndarray:
    """RMSD after the best rotation, (P, R), from (P, R, 3, 3) covariances; infinite where a position is not finite."""
    finite = np.isfinite(inner) & np.isfinite(covariance).all(axis=(2, 3))
    covariance = np.where(finite[..., None, None], covariance, 0.0)
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[..., 2] *= np.where(np.linalg.det(covariance) < 0, -1.0, 1.0)
    squared = 2.0 * (inner - singular.sum(axis=-1)) / num_atoms
    return np.where(finite, np.sqrt(np.maximum(squared, 0.0)), np.inf)


def heavy_matches(probe_heavy: Mol, reference_heavy: Mol, max_matches: int = MAX_MATCHES) -> np.ndarray:
    """Graph isomorphisms, (M, N): entry [m, i] is the reference atom that probe atom i falls on in match m."""
    query = Chem.RWMol(probe_heavy)
    for terminal, centre in query.GetSubstructMatches(CONJUGATED_TERMINAL):
        query.GetAtomWithIdx(terminal).SetFormalCharge(0)
        query.ReplaceBond(query.GetBondBetweenAtoms(terminal, centre).GetIdx(), SINGLE_OR_DOUBLE)
    matches = reference_heavy.GetSubstructMatches(query, uniquify=False, maxMatches=max_matches)
    if not matches or query.GetNumAtoms() != reference_heavy.GetNumAtoms():
        names = [Chem.MolToSmiles(m) for m in (probe_heavy, reference_heavy)]
        raise MoleculeError(f"'{names[0]}' and '{names[1]}' are not the same molecule; compare equal molecules only")
    return np.array(matches, dtype=np.int64)


def _heavy(mol: Mol) -> Mol:
    """A copy without hydrogens of any kind; untouched if nothing would be left."""
    hydrogens = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() == 1]
    if len(hydrogens) == mol.GetNumAtoms():
        return mol
    heavy = Chem.RWMol(mol)
    heavy.BeginBatchEdit()
    for index in hydrogens:
        heavy.RemoveAtom(index)
    heavy.CommitBatchEdit()
    return heavy.GetMol()


def _centred(mol: Mol) -> np.ndarray:
    """Positions of all conformers about their centroids, (K, N, 3)."""
    pos = np.array([conformer.GetPositions() for conformer in mol.GetConformers()]).reshape(-1, mol.GetNumAtoms(), 3)
    centred: np.ndarray = pos - pos.mean(axis=1, keepdims=True)
    return centred


def _largest_overlap(covariance: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Largest sum x_i . R y_i over rotations, for (M, P, R, 3, 3) covariances; (M, P, R), angstrom^2.

    The largest root of lambda^4 + c2 lambda^2 + c1 lambda + c0 by Newton's method from the upper bound `inner` (P, R).
    """
    squares = np.einsum("...ij,...kj->...ik", covariance, covariance)
    trace = np.trace(squares, axis1=-2, axis2=-1)
    det = (np.cross(covariance[..., 0, :], covariance[..., 1, :]) * covariance[..., 2, :]).sum(axis=-1)
    c2, c1 = -2.0 * trace, -8.0 * det
    # c0 = det of the 4x4 key matrix = |S|^4 - 4 * (sum of squared 2x2 minors), in the invariants of S S^T
    c0 = 2.0 * (squares**2).sum(axis=(-2, -1)) - trace**2
    root = np.broadcast_to(inner, trace.shape).copy()
    for _ in range(NEWTON_STEPS):
        value = ((root**2 + c2) * root + c1) * root + c0
        slope = (4.0 * root**2 + 2.0 * c2) * root + c1
        step = np.where(slope > 0, value / np.where(slope > 0, slope, 1.0), 0.0)
        root = root - step
        if np.abs(step).max() < 1e-9 * max(1.0, float(np.abs(root).max())):
            break
    return root
