"""Promises of counting what moves in a molecule, and of how many conformers are asked for."""

from __future__ import annotations

import pytest
from rdkit import Chem

from confgen.flexibility import flexible_parts, num_confs_auto


@pytest.mark.parametrize(
    ("smiles", "bonds"),
    [
        ("CC", 0),
        ("CCO", 0),
        ("CCCC", 1),
        ("c1ccccc1-c1ccccc1", 1),
        ("CC(=O)NC", 0),
        ("CC(=O)OC", 0),
        ("CC(C)(C)c1ccccc1", 0),
        ("CC(C)c1ccccc1", 1),
        ("FC(F)(F)CC", 0),
        ("FC(F)CC", 1),
        ("C[N+](=O)[O-]", 0),
        ("CCC(=O)[O-]", 0),
        ("CCC(=O)O", 1),
        ("CC#CCC", 0),
        ("NCC(=O)NCC(=O)O", 3),
        ("CCC.CCCC", 1),
        ("[Na+].[Cl-]", 0),
        ("[H][H]", 0),
    ],
)
def test_bonds_turn_where_a_chemist_would_turn_them(smiles: str, bonds: int) -> None:
    assert flexible_parts(Chem.MolFromSmiles(smiles)).rotatable_bonds == bonds


@pytest.mark.parametrize(
    ("smiles", "rings"),
    [
        ("c1ccccc1", 0),
        ("C1CCCCC1", 1),
        ("C1CCCC1", 1),
        ("C1CCC2CCCCC2C1", 1),  # decalin flips as a whole
        ("C1CC2CCC1C2", 0),  # norbornane
        ("C1C2CC3CC1CC(C2)C3", 0),  # adamantane
        ("C12C3C4C1C5C2C3C45", 0),  # cubane
        ("c1ccc2c(c1)CCCC2", 1),
        ("C1CCNCC1CC1CCNCC1", 2),
    ],
)
def test_rings_flip_where_a_chemist_would_flip_them(smiles: str, rings: int) -> None:
    assert flexible_parts(Chem.MolFromSmiles(smiles)).flippable_rings == rings


def test_bonds_of_large_rings_are_counted_apart_and_amides_not_at_all() -> None:
    parts = flexible_parts(Chem.MolFromSmiles("O=C1CCCCCCCCCCN1"))
    assert (parts.rotatable_bonds, parts.flippable_rings, parts.macrocycle_bonds) == (0, 0, 11)


@pytest.mark.parametrize("smiles", ["CC(C)Cc1ccc(cc1)C(C)C(=O)O", "FC(F)(F)CN1CCCC1C(=O)NC", "CC[N+](C)(C)C"])
def test_hydrogens_as_atoms_make_no_difference(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    assert flexible_parts(Chem.AddHs(mol)) == flexible_parts(mol)


@pytest.mark.parametrize(
    ("smiles", "low", "high"),
    [
        ("c1ccccc1", 1, 1),
        ("C12C3C4C1C5C2C3C45", 1, 1),
        ("CCCC", 3, 10),
        ("CC(C)Cc1ccc(cc1)C(C)C(=O)O", 20, 100),
        ("COCCc1ccc(OCC(O)CNC(C)C)cc1", 100, 300),
        ("NCC(=O)NC(CO)C(=O)NC(Cc1ccccc1)C(=O)NC(CC(C)C)C(=O)NC(CCCCN)C(=O)O", 300, 300),
    ],
)
def test_few_conformers_are_asked_of_rigid_molecules_and_never_too_many(smiles: str, low: int, high: int) -> None:
    assert low <= num_confs_auto(Chem.MolFromSmiles(smiles)) <= high
