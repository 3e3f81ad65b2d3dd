"""Promises of `confgen.squashed`: bonds and angles between two places are found, and ordinary ones pass."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from confgen.conformers import positions, with_positions
from confgen.molecule import read_molecule
from confgen.squashed import squashed
from confgen.starts import StartSettings, starts_of


def minimum(smiles: str) -> Chem.Mol:
    """One conformer, relaxed by MMFF94s."""
    mol = read_molecule(smiles)
    return with_positions(mol, np.array(starts_of(mol, [1], StartSettings("mmff94s"))))


@pytest.mark.parametrize(("smiles", "atoms", "length", "wrong"), [
    ("CC=O", (1, 2), 1.13, True), ("CC=O", (1, 2), 1.19, False),
    ("CN/C(=N\\C#N)NC", (0, 1), 1.33, True), ("CN/C(=N\\C#N)NC", (0, 1), 1.41, False),
    ("COC(=S)SC", (4, 5), 1.65, True), ("COC(=S)SC", (4, 5), 1.76, False),
    ("CCC#CC", (2, 3), 1.14, True), ("CCC#CC", (2, 3), 1.19, False), ("CC#N", (1, 2), 1.10, True),
    ("CN=S=O", (2, 3), 1.28, True), ("CS(C)(=O)=O", (1, 3), 1.43, False), ("C[Si](C)(C)C", (0, 1), 1.45, True),
])  # fmt: skip
def test_short_bonds_are_found(smiles: str, atoms: tuple[int, int], length: float, wrong: bool) -> None:
    mol = minimum(smiles)
    rdMolTransforms.SetBondLength(mol.GetConformer(), *atoms, length)
    assert squashed(mol, positions(mol)).tolist() == [wrong]


@pytest.mark.parametrize(("smiles", "atoms", "degrees", "wrong"), [
    ("CN=[N+]=[N-]", (0, 1, 2), 140.0, True), ("CN=[N+]=[N-]", (0, 1, 2), 122.0, False),
    ("CC(=O)C", (0, 1, 2), 148.0, True), ("CC(=O)C", (0, 1, 2), 136.0, False),
    ("CC(C)OC", (0, 1, 2), 121.0, True), ("CC(C)OC", (0, 1, 2), 115.0, False), ("CC(C)OC", (0, 1, 3), 121.0, False),
    ("CN/C(=N\\C#N)NC", (0, 1, 2), 150.0, True), ("COC(=S)SC", (0, 1, 2), 150.0, True),
    ("C[Si](C)(C)O[Si](C)(C)C", (1, 4, 5), 170.0, False), ("CSC", (0, 1, 2), 125.0, True),
])  # fmt: skip
def test_open_angles_are_found(smiles: str, atoms: tuple[int, int, int], degrees: float, wrong: bool) -> None:
    mol = minimum(smiles)
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), *atoms, degrees)
    assert squashed(mol, positions(mol)).tolist() == [wrong]


@pytest.mark.parametrize("smiles", ["C1CCCCCC1", "C1CCCCCCC1"])
def test_squashed_atoms_of_rings_are_found(smiles: str) -> None:
    mol = minimum(smiles)
    pos = positions(mol)
    inward = (pos[:, 1] + pos[:, mol.GetNumHeavyAtoms() - 1]) / 2 - pos[:, 0]
    pos[:, 0] += 0.4 * inward
    assert squashed(mol, pos).tolist() == [True]


@pytest.mark.parametrize("smiles", [
    "CC(C)(C)C(C(C)(C)C)C(C)(C)C", "CN=C=O", "[N-]=[N+]=NC", "C[N+](C)(C)C", "CC(C)(C)c1ccccc1C(C)(C)C",
    "C1CC1C1CC1", "C1CCCCCC1", "C1CCCCCCC1", "C1CC2CCC1CC2", "C1CC2CCCC1CC2", "C1=CC[C@@H]2O[C@@H]2CC1",
    "CP(C)(C)=O", "FC(F)(F)S(=O)(=O)NC", "O=C1CCC1", "CSSC", "[O-]S(=O)(=O)c1ccccc1",
])  # fmt: skip
def test_minima_pass(smiles: str) -> None:
    mol = minimum(smiles)
    assert squashed(mol, positions(mol)).tolist() == [False]
