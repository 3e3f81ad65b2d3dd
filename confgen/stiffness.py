"""How stiff a molecule is against every motion of its atoms, by one constant for each kind of internal coordinate.

A force field's valleys are narrow along bonds and wide about them, by two or three orders of magnitude; a descent that
knows this beforehand has not to find it out. Source: the idea is that of Schlegel, Theor. Chim. Acta 1984, 66, 333.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from scipy import sparse

STRETCH = 700.0  # kcal/mol/angstrom^2, any bond
BEND = 110.0  # kcal/mol/rad^2, any angle
TORSION, STIFF_TORSION = 3.0, 20.0  # kcal/mol/rad^2, of any four atoms about a single bond, and about another
SOFTEST = 2.5  # kcal/mol/angstrom^2, of what changes none of these
NEAREST = 0.3  # angstrom, no nearer are atoms taken to be
LEAST_SINE = 0.1  # and no straighter angles


class Springs:
    """The bonds, angles and torsions of a bond graph of N atoms, each with its constant."""

    def __init__(self, mol: Chem.Mol) -> None:
        self.num_atoms = mol.GetNumAtoms()
        near = [[atom.GetIdx() for atom in atom.GetNeighbors()] for atom in mol.GetAtoms()]
        ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
        single = [bond.GetBondType() == Chem.BondType.SINGLE for bond in mol.GetBonds()]
        angles = [(i, j, k) for j, around in enumerate(near) for n, i in enumerate(around) for k in around[:n]]
        torsions = [
            (i, j, k, m, TORSION if alone else STIFF_TORSION)
            for (j, k), alone in zip(ends, single, strict=True)
            for i in near[j]
            for m in near[k]
            if len({i, j, k, m}) == 4
        ]
        self.bonds = np.array(ends, dtype=int).reshape(-1, 2)
        self.angles = np.array(angles, dtype=int).reshape(-1, 3)
        self.torsions = np.array([torsion[:4] for torsion in torsions], dtype=int).reshape(-1, 4)
        constants = [STRETCH] * len(ends) + [BEND] * len(angles) + [torsion[4] for torsion in torsions]
        self._roots = np.sqrt(constants)

    def hessian(self, pos: np.ndarray, softest: float = SOFTEST) -> sparse.csr_array:
        """Second derivatives at positions (N, 3) angstrom, were every coordinate at rest there, (3N, 3N).

        In kcal/mol/angstrom^2; positive definite, by `softest` on the diagonal.
        """
        groups = (
            (self.bonds, _stretching(pos[self.bonds])),
            (self.angles, _bending(pos[self.angles])),
            (self.torsions, _twisting(pos[self.torsions])),
        )
        sizes = np.concatenate([np.full(len(atoms), 3 * atoms.shape[1]) for atoms, _ in groups])
        columns = np.concatenate([(3 * atoms[..., None] + np.arange(3)).ravel() for atoms, _ in groups])
        slopes = np.concatenate([along.ravel() for _, along in groups]) * np.repeat(self._roots, sizes)
        starts = np.concatenate(([0], np.cumsum(sizes)))
        rows = sparse.csr_array((slopes, columns, starts), shape=(len(sizes), 3 * self.num_atoms))
        return sparse.csr_array(rows.T @ rows + softest * sparse.eye_array(3 * self.num_atoms))


def _stretching(corners: np.ndarray) -> np.ndarray:
    """By how much a bond between corners (B, 2, 3) grows with each of their coordinates, in the same shape."""
    along, _ = _unit(corners[:, 0] - corners[:, 1])
    return np.stack((along, -along), axis=1)


def _bending(corners: np.ndarray) -> np.ndarray:
    """By how much the angle at the second of corners (A, 3, 3) grows with each of their coordinates, 1/angstrom."""
    first, to_first = _unit(corners[:, 0] - corners[:, 1])
    last, to_last = _unit(corners[:, 2] - corners[:, 1])
    cosine = (first * last).sum(axis=1, keepdims=True)
    sine = np.sqrt(np.maximum(1 - cosine**2, LEAST_SINE**2))
    at_first = (cosine * first - last) / (sine * to_first)
    at_last = (cosine * last - first) / (sine * to_last)
    return np.stack((at_first, -at_first - at_last, at_last), axis=1)


def _twisting(corners: np.ndarray) -> np.ndarray:
    """By how much a torsion of four corners (T, 4, 3) grows with each of their coordinates, 1/angstrom.

    Source: Blondel and Karplus, J. Comput. Chem. 1996, 17, 1132.
    """
    before, bond, after = np.moveaxis(np.diff(corners, axis=1), 1, 0)
    axis, length = _unit(bond)
    least = LEAST_SINE**2 * length**2  # of squared areas: where three atoms are in line, there is no torsion
    left, right = np.cross(before, bond), np.cross(bond, after)
    at_first = -length * left / np.maximum((left**2).sum(axis=1, keepdims=True), least)
    at_last = length * right / np.maximum((right**2).sum(axis=1, keepdims=True), least)
    back = (before * axis).sum(axis=1, keepdims=True) / length
    on = (after * axis).sum(axis=1, keepdims=True) / length
    at_second = -at_first * (1 + back) + at_last * on
    return np.stack((at_first, at_second, -at_first - at_second - at_last, at_last), axis=1)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (V, 3) of length 1, and how long they were, (V, 1) angstrom and at least NEAREST."""
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), NEAREST)
    return vectors / length, length
