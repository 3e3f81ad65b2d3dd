"""Promises of `confgen.wanted`: stereochemistry asked for is found wrong, or right, in any order of atoms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import positions, with_positions
from confgen.molecule import from_smiles
from confgen.stereo import mismatches_all, mismatches_at
from confgen.wanted import best_form, forms, specifies, wrong_elements

Embed = Callable[..., Chem.Mol]


def shuffled(mol: Chem.Mol, seed: int = 3) -> Chem.Mol:
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
    return Chem.RenumberAtoms(mol, order)


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@H](N)C(=O)O",
        r"C/C=C\C(F)Cl",
        "C[C@H]1CC[C@@H](C)CC1",
        "O[C@H](C)[C@@H](C)O",
        r"[H]/N=C(/C)CC",
        "C[S@](=O)CC",
    ],
)
def test_what_was_asked_for_is_right_in_any_order(smiles: str, embed_mol: Embed) -> None:
    wanted = from_smiles(smiles)
    mol = shuffled(embed_mol(wanted, 2))
    Chem.RemoveStereochemistry(mol)
    assert wrong_elements(forms(wanted, mol), 2) == [[], []]


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        (r"F/C=C/Cl", r"F/C=C\Cl"),
        ("C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"),
        ("O[C@H](C)[C@@H](C)O", "O[C@H](C)[C@H](C)O"),
    ],
)
def test_another_isomer_is_wrong(made: str, asked: str, embed_mol: Embed) -> None:
    mol = shuffled(embed_mol(from_smiles(made)))
    assert wrong_elements(forms(from_smiles(asked), mol), 1)[0]


@pytest.mark.parametrize("seed", range(4))
def test_an_axis_is_right_in_any_order_and_its_mirror_image_wrong(seed: int, embed_mol: Embed) -> None:
    wanted = from_smiles("Cc1cccc(I)c1-c1c(C)cccc1Br |wU:7.6|")
    made = embed_mol(wanted)
    assert mismatches_all(made) == [[]]
    mol = shuffled(made, seed)
    Chem.RemoveStereochemistry(mol)
    assert wrong_elements(forms(wanted, mol), 1) == [[]]
    assert wrong_elements(forms(wanted, with_positions(mol, -positions(mol))), 1)[0]


def test_a_centre_that_was_left_open_may_be_either(embed_mol: Embed) -> None:
    """Symmetric but for the labels: the label must be found at whichever end shows it."""
    wanted = from_smiles("C[C@H](F)CC(C)F")
    for made in ("C[C@H](F)C[C@H](C)F", "C[C@H](F)C[C@@H](C)F"):
        assert wrong_elements(forms(wanted, shuffled(embed_mol(from_smiles(made)))), 1) == [[]]


def test_positions_move_with_their_atoms(embed_mol: Embed) -> None:
    mol = shuffled(embed_mol(from_smiles("C[C@H](N)C(=O)O")))
    form = next(forms(from_smiles("OC(=O)[C@@H](N)C"), mol))
    assert [a.GetSymbol() for a in form.GetAtoms()] == [a.GetSymbol() for a in mol.GetAtoms()]
    assert positions(form) == pytest.approx(positions(mol))
    assert all(form.GetBondBetweenAtoms(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds())


@pytest.mark.parametrize("other", ["CCC(=O)O", "CC(=O)OC", "[NH3+]CC(=O)[O-]", "CC(N)=O"])
def test_another_molecule_has_no_form(other: str, embed_mol: Embed) -> None:
    for smiles in ("NCC(=O)O", "CC(=N)O"):
        assert list(forms(from_smiles(other), embed_mol(from_smiles(smiles)))) == []


def test_hydrogen_alone_has_a_form() -> None:
    hydrogen = with_positions(from_smiles("[H][H]"), np.array([[[0.0, 0, 0], [0.74, 0, 0]]]))
    assert len(list(forms(from_smiles("[H][H]"), hydrogen))) == 1


@pytest.mark.parametrize(("smiles", "answer"), [("C[C@H](F)O", True), ("C/C=C/F", True), ("CC(F)O", False)])
def test_it_is_known_whether_anything_is_asked(smiles: str, answer: bool) -> None:
    assert specifies(from_smiles(smiles)) is answer


@pytest.mark.parametrize("seed", range(4))
def test_the_specified_half_is_laid_where_the_conformers_show_it(seed: int, embed_mol: Embed) -> None:
    made = embed_mol(from_smiles("C[C@H](F)C[C@@H](C)F"), 2)  # meso: the one end has the hand, the other has not
    pos = positions(shuffled(made, seed))
    for asked in ("C[C@H](F)CC(C)F", "C[C@@H](F)CC(C)F"):
        laid = forms(from_smiles(asked), shuffled(made, seed))
        assert [mismatches_at(best_form(form, pos), pos) for form in laid] == [[[], []]] * 2


def test_what_fits_no_better_is_left_as_it_is(embed_mol: Embed) -> None:
    wanted = from_smiles("CC[C@H](F)C")
    pos = -positions(embed_mol(wanted))
    assert mismatches_at(best_form(wanted, pos), pos) == mismatches_at(wanted, pos)


def test_deuterium_is_not_laid_on_hydrogen(embed_mol: Embed) -> None:
    wanted = from_smiles("C[C@]([H])([2H])O")
    mol = embed_mol(from_smiles("C[C@@]([2H])([H])O"))
    assert wrong_elements(forms(wanted, mol), 1) == [[]]
    assert wrong_elements(forms(wanted, with_positions(mol, -positions(mol))), 1)[0]
