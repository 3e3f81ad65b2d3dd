"""Promises of confgen/reflect.py: wrong elements are put right, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import positions
from confgen.molecule import read_molecule
from confgen.reflect import reflected
from confgen.stereo import elements, mismatches_at

Embed = Callable[..., Chem.Mol]

# The isomer asked for, and the one whose shape is given.
TURNABLE = {
    "chain": ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
    "ring atom": ("O[C@H]1CC[C@@H](C)CC1", "O[C@@H]1CC[C@@H](C)CC1"),
    "spiro": ("C[C@H]1CC[C@@]2(C1)OCC[C@@H](C)O2", "C[C@H]1CC[C@]2(C1)OCC[C@@H](C)O2"),
    "lone pair": ("C[S@](=O)CC", "C[S@@](=O)CC"),
    "lone pair in a ring": ("O=[S@]1CCC[C@H]1C", "O=[S@@]1CCC[C@H]1C"),
    "double bond": ("C/C=C/CCO", "C/C=C\\CCO"),
    "imine": ("C/C(=N\\O)CC", "C/C(=N/O)CC"),
    "several": ("C[C@H](O)/C=C/[C@@H](F)CC", "C[C@@H](O)/C=C\\[C@H](F)CC"),
    "fused rings": ("C1CC[C@H]2CCCC[C@@H]2C1", "C1CC[C@H]2CCCC[C@H]2C1"),
    "salt": ("[Cl-].C[C@H]([NH3+])C(=O)O", "[Cl-].C[C@@H]([NH3+])C(=O)O"),
}
TIED = {
    "cage": ("CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2", "CC1(C)[C@H]2CC[C@]1(C)C(=O)C2"),
    "double bond in a ring": ("O[C@H]1CCC/C=C/CCC1", "O[C@H]1CCC/C=C\\CCC1"),
}


def given(pair: tuple[str, str], embed_mol: Embed) -> tuple[Chem.Mol, np.ndarray, list[list[str]]]:
    """The molecule asked for, conformers of the other isomer, and what is wrong with them."""
    asked, shape = read_molecule(pair[0]), embed_mol(read_molecule(pair[1]), 3)
    names = mismatches_at(asked, positions(shape))
    assert all(names)
    return asked, positions(shape), names


def bond_lengths(mol: Chem.Mol, pos: np.ndarray) -> np.ndarray:
    begin, end = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]).T
    return np.linalg.norm(pos[:, begin] - pos[:, end], axis=2)


@pytest.mark.parametrize("pair", TURNABLE.values(), ids=TURNABLE)
def test_the_isomer_is_right_and_its_bonds_as_long_as_they_were(pair: tuple[str, str], embed_mol: Embed) -> None:
    mol, pos, names = given(pair, embed_mol)
    turned, done = reflected(mol, pos, names)
    assert done.all()
    assert mismatches_at(mol, turned) == [[]] * 3
    np.testing.assert_allclose(bond_lengths(mol, turned), bond_lengths(mol, pos), atol=1e-6)


@pytest.mark.parametrize("pair", TIED.values(), ids=TIED)
def test_what_rings_tie_is_left_as_it_is(pair: tuple[str, str], embed_mol: Embed) -> None:
    mol, pos, names = given(pair, embed_mol)
    turned, done = reflected(mol, pos, names)
    assert not done.any()
    np.testing.assert_array_equal(turned, pos)


def test_the_smaller_part_turns_and_stays_rigid(embed_mol: Embed) -> None:
    mol, pos, names = given(("CCCCC[C@H](F)CO", "CCCCC[C@@H](F)CO"), embed_mol)
    turned, _ = reflected(mol, pos, names)
    moved = np.flatnonzero(np.abs(turned - pos).max(axis=(0, 2)) > 1e-6)
    carbon = mol.GetAtomWithIdx(5)
    assert moved.tolist() == [n.GetIdx() for n in carbon.GetNeighbors() if n.GetSymbol() in "FH"]


def test_only_the_conformers_that_are_wrong_are_turned(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("C[C@H](N)C(=O)O"), 2)
    pos = positions(mol) * np.array([1.0, -1.0]).reshape(-1, 1, 1)
    turned, done = reflected(mol, pos, mismatches_at(mol, pos))
    assert done.tolist() == [False, True]
    np.testing.assert_array_equal(turned[0], pos[0])


def test_one_element_that_cannot_be_turned_leaves_the_conformer_as_it_is(embed_mol: Embed) -> None:
    pair = ("O[C@H](F)[C@@H]1CCC/C=C/CCC1", "O[C@@H](F)[C@@H]1CCC/C=C\\CCC1")
    mol, pos, names = given(pair, embed_mol)
    assert len(names[0]) > 1
    assert not reflected(mol, pos, names)[1].any()


def test_a_flat_centre_has_no_hand_to_be_changed(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("C[C@H](F)Cl"))
    pos = positions(mol) * [1, 1, 0]
    assert not reflected(mol, pos, [elements(mol).names])[1].any()


def test_what_is_no_number_is_not_turned(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("C/C=C/CC"))
    assert not reflected(mol, np.full((1, mol.GetNumAtoms(), 3), np.nan), [elements(mol).names])[1].any()


def test_a_molecule_without_stereochemistry_has_nothing_to_turn(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"), 2)
    assert not reflected(mol, positions(mol), [[], []])[1].any()
