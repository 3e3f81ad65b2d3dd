"""Promises of `confgen.matching`: who is who, by each mode, and no match that is not unique goes unnamed."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from confgen.matching import Identity, identity, pair_up, same_atoms

R_ALANINE, S_ALANINE = "C[C@@H](N)C(=O)O", "C[C@H](N)C(=O)O"


def known(name: str, smiles: str) -> Identity:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    return identity(mol, name, f"'{name}'")


def test_titles_match_where_the_graph_agrees() -> None:
    made = [known("b", "CCN"), known("a", "CCO")]
    assert pair_up(made, [known("a", "CCO"), known("b", "CCN")], "name").partners == [1, 0]


def test_a_title_alone_does_not_match_another_molecule() -> None:
    matching = pair_up([known("a", "CCN")], [known("a", "CCO")], "name")
    assert (matching.partners, matching.left_over) == ([None], [0])


def test_titles_match_whatever_the_stereochemistry() -> None:
    assert pair_up([known("a", S_ALANINE)], [known("a", R_ALANINE)], "name").partners == [0]


def test_stereo_smiles_tell_enantiomers_apart() -> None:
    made = [known("1", S_ALANINE), known("2", R_ALANINE)]
    assert pair_up(made, [known("x", R_ALANINE), known("y", S_ALANINE)], "stereo").partners == [1, 0]
    assert pair_up(made[:1], [known("x", R_ALANINE)], "stereo").partners == [None]


def test_flat_smiles_match_enantiomers() -> None:
    assert pair_up([known("1", S_ALANINE)], [known("x", R_ALANINE)], "flat").partners == [0]


def test_flat_prefers_the_same_stereoisomer() -> None:
    made = [known("1", S_ALANINE), known("2", R_ALANINE)]
    matching = pair_up(made, [known("x", R_ALANINE), known("y", S_ALANINE)], "flat")
    assert (matching.partners, matching.ambiguous) == ([1, 0], [])


def test_auto_takes_titles_first_and_stereo_smiles_for_the_rest() -> None:
    made = [known("renamed", "CCN"), known("a", "CCO")]
    assert pair_up(made, [known("a", "CCO"), known("b", "CCN")]).partners == [1, 0]


def test_auto_is_not_misled_by_running_numbers() -> None:
    made = [known("1", "CCN"), known("2", "CCO")]
    assert pair_up(made, [known("1", "CCO"), known("2", "CCN")]).partners == [1, 0]


def test_duplicates_are_paired_in_file_order_and_named() -> None:
    matching = pair_up([known("a", "CCO"), known("a", "OCC")], [known("a", "CCO")])
    assert (matching.partners, matching.left_over) == ([0], [1])
    assert "2 generated ('a', 'a') fit 1 of the references" in matching.ambiguous[0]


def test_a_generated_molecule_is_used_once() -> None:
    matching = pair_up([known("a", "CCO")], [known("a", "CCO"), known("a", "CCO")])
    assert matching.partners == [0, None]
    assert len(matching.ambiguous) == 1


def test_molecules_without_a_title_do_not_match_by_title() -> None:
    assert pair_up([known("", "CCO")], [known("", "CCO")], "name").partners == [None]


def test_hydrogens_do_not_matter_for_who_is_who() -> None:
    bare = identity(Chem.MolFromSmiles(R_ALANINE), "a", "a")
    assert bare == identity(Chem.AddHs(Chem.MolFromSmiles(R_ALANINE)), "a", "a")


def test_hydrogen_itself_is_known_by_something() -> None:
    assert identity(Chem.MolFromSmiles("[H][H]"), "", "").flat


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="known are auto, name, stereo, flat"):
        pair_up([], [], "smiles")


@pytest.mark.parametrize("smiles", ["CC(C)(C)c1ccc(C(F)(F)F)cc1", R_ALANINE, "[O-][N+](=O)c1ccccc1", "F/C=C/[C@H](O)C"])
def test_atoms_are_found_in_any_order(smiles: str) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms())
    shuffled = Chem.RenumberAtoms(mol, order.tolist())
    match = same_atoms(mol, shuffled)
    assert match is not None
    back = Chem.RenumberAtoms(shuffled, match.tolist())
    for bond in mol.GetBonds():
        assert (
            back.GetBondBetweenAtoms(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()).GetBondType() == bond.GetBondType()
        )


def test_enantiomers_have_the_same_atoms() -> None:
    assert same_atoms(*(Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in (R_ALANINE, S_ALANINE))) is not None


@pytest.mark.parametrize(("one", "other"), [("CCO", "COC"), ("CCO", "CCCO"), ("CCCC", "C1CCC1")])
def test_different_molecules_have_not(one: str, other: str) -> None:
    assert same_atoms(Chem.MolFromSmiles(one), Chem.MolFromSmiles(other)) is None
