"""Fragments of a salt or a mixture, each with its own conformers, put beside each other without overlap."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

ION_GAP = 0.2  # angstrom between the covalent spheres of opposite charges: Na and O are 2.3 to 2.5 apart in salts
DIRECTIONS = 64


def assemble(mol: Chem.Mol, atoms: list[np.ndarray], fragments: list[np.ndarray]) -> np.ndarray:
    """Positions (K, N, 3) of the whole molecule.

    atoms:      indices of each fragment.     fragments: its positions, (K, n, 3), for every conformer.
    The largest stays in the middle. Each of the others comes from outside, along the direction (of 64, even over the
    sphere) that gives the lowest Coulomb energy of formal charges at contact, or the closest contact where there are
    no charges; it stops where van der Waals surfaces touch; covalent radii serve for bare ions and opposite charges.
    """
    if len(atoms) == 1:
        return fragments[0]
    table = Chem.GetPeriodicTable()
    charge = np.array([atom.GetFormalCharge() for atom in mol.GetAtoms()], float)
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    surface, core = (np.array([radius(z) for z in numbers]) for radius in (table.GetRvdw, table.GetRcovalent))
    for own in atoms:
        if len(own) == 1 and charge[own[0]] != 0:
            surface[own] = core[own]  # a bare ion is smaller than the atom
    coulomb = charge[:, None] * charge
    contact = np.where(coulomb < 0, core[:, None] + core + ION_GAP, surface[:, None] + surface)
    pos = np.zeros((len(fragments[0]), mol.GetNumAtoms(), 3))
    order = sorted(range(len(atoms)), key=lambda f: -len(atoms[f]))
    for k in range(len(pos)):
        placed = atoms[order[0]]
        pos[k, placed] = fragments[order[0]][k] - fragments[order[0]][k].mean(0)
        for f in order[1:]:
            own = atoms[f]
            body = fragments[f][k] - fragments[f][k].mean(0)
            between = np.ix_(placed, own)
            pos[k, own] = body + _dock(pos[k, placed], body, contact[between], coulomb[between])
            placed = np.concatenate((placed, own))
    return pos


def _dock(fixed: np.ndarray, body: np.ndarray, contact: np.ndarray, coulomb: np.ndarray) -> np.ndarray:
    """The shift (3,) that brings the body (m, 3) to contact with the fixed atoms (n, 3) along the best direction.

    contact, coulomb: (n, m) smallest distances, angstrom, and products of charges.
    """
    best, best_score = np.zeros(3), np.inf
    for direction in _sphere(DIRECTIONS):
        shift = direction * _distance(fixed, body, direction, contact)
        distance = np.linalg.norm(fixed[:, None] - (body + shift), axis=-1)
        score = float((coulomb / distance).sum()) + 1e-3 * float(distance.mean())
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
