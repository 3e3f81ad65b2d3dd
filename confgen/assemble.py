"""Fragments of a salt or a mixture, each with its own conformers, put beside each other without overlap."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

GAP = 0.6  # angstrom between van der Waals surfaces, so that ions touch and nothing clashes
DIRECTIONS = 64


def assemble(mol: Chem.Mol, atoms: list[np.ndarray], fragments: list[np.ndarray]) -> np.ndarray:
    """Positions (K, N, 3) of the whole molecule.

    atoms:      indices of each fragment.     fragments: its positions, (K, n, 3), for every conformer.
    The largest stays in the middle. Each of the others comes from outside, along the direction (of 64, even over the
    sphere) that gives the lowest Coulomb energy of formal charges at contact, or the closest contact where there are
    no charges; it stops where the van der Waals surfaces are 0.6 angstrom apart.
    """
    if len(atoms) == 1:
        return fragments[0]
    table = Chem.GetPeriodicTable()
    radius = np.array([table.GetRvdw(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    charge = np.array([atom.GetFormalCharge() for atom in mol.GetAtoms()], float)
    pos = np.zeros((len(fragments[0]), mol.GetNumAtoms(), 3))
    order = sorted(range(len(atoms)), key=lambda f: -len(atoms[f]))
    for k in range(len(pos)):
        placed = atoms[order[0]]
        pos[k, placed] = fragments[order[0]][k] - fragments[order[0]][k].mean(0)
        for f in order[1:]:
            own = atoms[f]
            body = fragments[f][k] - fragments[f][k].mean(0)
            pos[k, own] = body + _dock(pos[k, placed], body, radius[placed], radius[own], charge[placed], charge[own])
            placed = np.concatenate((placed, own))
    return pos


def _dock(
    fixed: np.ndarray,
    body: np.ndarray,
    r_fixed: np.ndarray,
    r_body: np.ndarray,
    q_fixed: np.ndarray,
    q_body: np.ndarray,
) -> np.ndarray:
    """The shift (3,) that brings the body to contact along the best direction."""
    contact = (r_fixed[:, None] + r_body) + GAP
    best, best_score = np.zeros(3), np.inf
    for direction in _sphere(DIRECTIONS):
        shift = direction * _distance(fixed, body, direction, contact)
        distance = np.linalg.norm(fixed[:, None] - (body + shift), axis=-1)
        coulomb = float((q_fixed[:, None] * q_body / distance).sum())
        score = coulomb + 1e-3 * float(distance.mean())
        if score < best_score:
            best, best_score = shift, score
    return best


def _distance(fixed: np.ndarray, body: np.ndarray, direction: np.ndarray, contact: np.ndarray) -> float:
    """The smallest shift along the direction beyond which no pair is nearer than its contact distance."""
    offset = (body[None] - fixed[:, None]).reshape(-1, 3)
    along = offset @ direction
    across2 = (offset**2).sum(1) - along**2
    reach2 = contact.reshape(-1) ** 2 - across2
    touching = reach2 > 0
    return float(np.max(np.sqrt(reach2[touching]) - along[touching], initial=0.0))


def _sphere(count: int) -> np.ndarray:
    """Unit vectors (count, 3) spread evenly, on a Fibonacci spiral."""
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    return np.stack((np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)), axis=1)
