"""How stiff a molecule is against every motion of its atoms, by one constant for each kind of internal coordinate.

A force field's valleys are narrow along bonds and wide about them, by two or three orders of magnitude; a descent that
knows this beforehand has not to find it out. Source: the idea is that of Schlegel, Theor. Chim. Acta 1984, 66, 333.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from rdkit import Chem
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

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
        slopes = self._slopes(pos)
        sizes = np.concatenate([np.full(len(own), own.shape[1]) for own in slopes])
        columns = np.concatenate([_coordinates(atoms).ravel() for atoms in self._groups])
        starts = np.concatenate(([0], np.cumsum(sizes)))
        values = np.concatenate([own.ravel() for own in slopes])
        rows = sparse.csr_array((values, columns, starts), shape=(len(sizes), 3 * self.num_atoms))
        return sparse.csr_array(rows.T @ rows + softest * sparse.eye_array(3 * self.num_atoms))

    def bands(self, pos: np.ndarray) -> np.ndarray:
        """The diagonals of that Hessian from the main one downwards, (D, 3N), with its coordinates in `order`."""
        products = [np.multiply(*_pairs(own)).ravel() for own in self._slopes(pos)]
        diagonals, places = self._places
        size = len(self.order)
        values = np.concatenate([*products, np.full(size, SOFTEST)])
        return np.bincount(places, values, diagonals * size).reshape(diagonals, size)

    @cached_property
    def order(self) -> np.ndarray:
        """The coordinates, (3N,), in an order in which those of a spring are near each other: there are few diagonals.

        Source: Cuthill and McKee, Proc. 24th ACM Natl. Conf. 1969, 157.
        """
        row, column = np.concatenate([_pairs(atoms).reshape(2, -1) for atoms in self._groups], axis=1)
        linked = sparse.coo_array((np.ones(len(row)), (row, column)), shape=(self.num_atoms, self.num_atoms))
        return _coordinates(reverse_cuthill_mckee(sparse.csr_array(linked + linked.T), symmetric_mode=True))

    @cached_property
    def _places(self) -> tuple[int, np.ndarray]:
        """How many diagonals there are, and where in them belong each product of two slopes and each SOFTEST."""
        rank = self.order.argsort()
        pairs = [_pairs(rank[_coordinates(atoms)]).reshape(2, -1) for atoms in self._groups]
        row, column = np.concatenate([*pairs, np.tile(np.arange(len(rank)), (2, 1))], axis=1)
        diagonal = np.abs(row - column)
        return int(diagonal.max()) + 1, diagonal * len(rank) + np.minimum(row, column)

    @property
    def _groups(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.bonds, self.angles, self.torsions

    def _slopes(self, pos: np.ndarray) -> list[np.ndarray]:
        """By how much each spring gives with each coordinate of its n atoms, (S, 3n), for bonds, angles and torsions.

        Times the root of its constant.
        """
        found = (_stretching(pos[self.bonds]), _bending(pos[self.angles]), _twisting(pos[self.torsions]))
        ends = np.cumsum([len(own) for own in found])[:-1]
        roots = np.split(self._roots, ends)
        return [own.reshape(len(own), 3 * own.shape[1]) * root[:, None] for own, root in zip(found, roots, strict=True)]


def _pairs(rows: np.ndarray) -> np.ndarray:
    """Every two entries of each row (S, n), and each entry with itself, (2, S, n (n + 1) / 2)."""
    return np.moveaxis(rows[:, np.triu_indices(rows.shape[1])], 1, 0)


def _coordinates(atoms: np.ndarray) -> np.ndarray:
    """The numbers of the three coordinates of each of the atoms, in its place."""
    return (3 * atoms[..., None] + np.arange(3)).reshape(*atoms.shape[:-1], 3 * atoms.shape[-1])


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
