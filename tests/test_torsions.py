"""Promises of the library of torsions: bonds that turn are found and named, counts add up, saved ones come back."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import positions
from confgen.molecule import read_molecule
from confgen.torsions import BINS, LEAST, TorsionLibrary, histogram, library_of, together, turns

Embed = Callable[..., Chem.Mol]


def bonds(smiles: str) -> set[frozenset[int]]:
    return {frozenset((turn.j, turn.k)) for turn in turns(read_molecule(smiles))}


@pytest.mark.parametrize(
    ("smiles", "wanted"),
    [
        ("CCCC", {frozenset((1, 2))}),
        ("CC", set()),
        ("C1CCCCC1", set()),
        ("CC(=O)NC", {frozenset((1, 3))}),
        ("CC=CC", set()),
        ("CC#CC", set()),
        ("CCC(F)(F)F", set()),
        ("c1ccccc1-c1ccccc1", {frozenset((5, 6))}),
        ("NCC(=O)NCC(=O)O", {frozenset(pair) for pair in ((1, 2), (4, 5), (5, 6))}),
    ],
)
def test_bonds_that_turn_are_single_outside_rings_and_say_something(smiles: str, wanted: set[frozenset[int]]) -> None:
    assert bonds(smiles) == wanted


def test_the_smaller_side_moves() -> None:
    [turn] = turns(read_molecule("CC(=O)NC"))
    mol = read_molecule("CC(=O)NC")
    assert len(turn.moved) <= mol.GetNumAtoms() - len(turn.moved)
    assert turn.k in turn.moved
    assert turn.j not in turn.moved


@pytest.mark.parametrize("smiles", ["CC(=O)NC", "c1ccncc1-c1ccccc1F", "CCOC(C)C"])
def test_kinds_do_not_depend_on_the_order_of_the_atoms(smiles: str) -> None:
    mol = read_molecule(smiles)
    order = np.random.default_rng(1).permutation(mol.GetNumAtoms()).tolist()
    shuffled = Chem.RenumberAtoms(mol, order)
    assert sorted(turn.kinds for turn in turns(mol)) == sorted(turn.kinds for turn in turns(shuffled))


def test_a_trans_and_a_cis_amide_are_counted_at_the_two_ends(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CC(=O)NC"))
    [turn] = turns(mol)
    trans = histogram(turn, positions(mol))
    assert trans.sum() == pytest.approx(1)
    to_oxygen = 8 in {mol.GetAtomWithIdx(end).GetAtomicNum() for end in (*turn.ends_j, *turn.ends_k)}
    assert trans[0 if to_oxygen else BINS - 1] == 1


def test_ends_that_look_alike_are_both_counted(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OCc1ccccc1"), 5)
    turn = next(turn for turn in turns(mol) if len(turn.ends_j) * len(turn.ends_k) == 2)
    first, second = turn.torsions_rad(positions(mol))
    np.testing.assert_allclose(np.cos(first) + np.cos(second), 0, atol=0.1)
    assert histogram(turn, positions(mol)).sum() == pytest.approx(1)


def test_counts_add_up_and_what_few_molecules_show_is_not_known(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CC(=O)NC"), 3)
    [turn] = turns(mol)
    one = library_of(mol, positions(mol))
    assert one.of(turn) is None
    found = together([one] * LEAST).of(turn)
    assert found is not None
    assert found.sum() == pytest.approx(LEAST)


def test_a_bond_that_is_unknown_in_detail_is_known_in_general(embed_mol: Embed) -> None:
    known = embed_mol(read_molecule("CCCO"))
    library = together([library_of(known, positions(known))] * LEAST)
    turn = next(turn for turn in turns(read_molecule("CCCOC")) if {turn.j, turn.k} == {1, 2})
    assert turn.kinds[0] not in library.counts
    np.testing.assert_allclose(library.of(turn), LEAST * histogram(turns(known)[0], positions(known)))


def test_a_library_comes_back_without_what_is_hardly_known(embed_mol: Embed) -> None:
    amide, butane = (embed_mol(read_molecule(smiles)) for smiles in ("CC(=O)NC", "CCCC"))
    library = together([*[library_of(amide, positions(amide))] * LEAST, library_of(butane, positions(butane))])
    again = TorsionLibrary.from_bytes(library.to_bytes())
    assert set(again.counts) == set(turns(amide)[0].kinds)
    for kind, own in again.counts.items():
        np.testing.assert_allclose(own, library.counts[kind], atol=0.01)
    assert set(TorsionLibrary.from_bytes(library.to_bytes(least=0)).counts) == set(library.counts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        json.dumps({"format": "other", "counts": {}}).encode(),
        json.dumps({"format": "confgen-torsions-1", "counts": {"a": [1.0]}}).encode(),
        json.dumps({"format": "confgen-torsions-1", "counts": {"a": [-1.0] * BINS}}).encode(),
        json.dumps({"format": "confgen-torsions-1", "counts": {"a": ["x"] * BINS}}).encode(),
    ],
)
def test_what_is_no_library_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        TorsionLibrary.from_bytes(data)
