"""Promises of `confgen.stiffness`."""

from __future__ import annotations

import numpy as np
import pytest

from confgen.calculators import atoms_of
from confgen.embed import embed
from confgen.molecule import read_molecule
from confgen.stiffness import BEND, SOFTEST, STIFF_TORSION, STRETCH, TORSION, Springs

STEP = 1e-4  # angstrom


def test_every_bond_angle_and_torsion_is_there_once() -> None:
    springs = Springs(read_molecule("CC=CC"))
    assert len(springs.bonds) == 11
    assert len(springs.angles) == 2 * 6 + 2 * 3
    assert len(springs.torsions) == 2 * 3 * 2 + 2 * 2
    for atoms in (springs.bonds, springs.angles, springs.torsions):
        assert len({min(tuple(own), tuple(own[::-1])) for own in atoms.tolist()}) == len(atoms)


def test_a_motion_costs_what_its_bonds_angles_and_torsions_cost() -> None:
    mol = read_molecule("CC=CC")
    springs = Springs(mol)
    [pos] = embed(mol, [7])
    assert pos is not None
    way = np.random.default_rng(5).normal(size=pos.shape)
    ends = []
    for sign in (1, -1):
        atoms = atoms_of(mol, pos + sign * STEP * way)
        bonds = [atoms.get_distance(*bond) for bond in springs.bonds]
        angles = [atoms.get_angle(*angle) for angle in springs.angles]
        torsions = [atoms.get_dihedral(*torsion) for torsion in springs.torsions]
        ends.append(np.concatenate((bonds, np.radians(angles + torsions))))
    change = ((ends[0] - ends[1] + np.pi) % (2 * np.pi) - np.pi) / (2 * STEP)  # torsions may pass 360 degrees
    double = [mol.GetBondBetweenAtoms(int(j), int(k)).GetBondTypeAsDouble() == 2 for _, j, k, _ in springs.torsions]
    constants = [STRETCH] * len(springs.bonds) + [BEND] * len(springs.angles)
    constants += [STIFF_TORSION if own else TORSION for own in double]
    cost = float((constants * change**2).sum() + SOFTEST * (way**2).sum())
    assert way.ravel() @ springs.hessian(pos) @ way.ravel() == pytest.approx(cost, rel=1e-4)


@pytest.mark.parametrize("smiles", ["[H][H]", "[Na+]", "C#CC#C", "C1CC1", "O=C=O"])
def test_the_matrix_is_positive_whatever_the_shape(smiles: str) -> None:
    mol = read_molecule(smiles)
    for pos in (np.zeros((mol.GetNumAtoms(), 3)), np.arange(mol.GetNumAtoms())[:, None] * np.array([[1.2, 0, 0]])):
        hessian = Springs(mol).hessian(pos).toarray()
        np.testing.assert_allclose(hessian, hessian.T)
        assert np.linalg.eigvalsh(hessian).min() > 0.9 * SOFTEST


@pytest.mark.parametrize("smiles", ["CC=CC", "c1ccccc1[C@H](N)C(=O)O", "[Na+].CC([O-])=O", "[Na+]"])
def test_the_diagonals_are_those_of_the_matrix_and_few(smiles: str) -> None:
    mol = read_molecule(smiles)
    springs = Springs(mol)
    pos = np.random.default_rng(5).normal(size=(mol.GetNumAtoms(), 3))
    matrix = springs.hessian(pos).toarray()[springs.order][:, springs.order]
    bands = springs.bands(pos)
    for below, diagonal in enumerate(bands):
        np.testing.assert_allclose(diagonal[: len(matrix) - below], np.diagonal(matrix, -below))
    assert not np.tril(matrix, -len(bands)).any()
    assert mol.GetNumAtoms() < 12 or len(bands) < 0.75 * len(matrix)
