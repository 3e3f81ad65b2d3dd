"""Promises of `confgen.relabelling`: symmetries are those of the bond graph, and say which labels are the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from confgen.molecule import from_smiles
from confgen.relabelling import relabelling, symmetries
from confgen.stereo import elements


@pytest.mark.parametrize(
    ("smiles", "count"),
    [("CCO", 1), ("C", 1), ("[H][H]", 1), ("c1ccccc1", 12), ("CC(C)(C)CF", 6), ("FC(F)(F)CCl", 1), ("C1CC1", 6)],
)
def test_symmetries_are_counted_without_end_atoms(smiles: str, count: int) -> None:
    assert len(symmetries(from_smiles(smiles))) == count


def test_every_symmetry_keeps_the_bonds() -> None:
    mol = from_smiles("C[C@H]1CC[C@@H](C)CC1")
    bonds = {frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in mol.GetBonds()}
    for to in symmetries(mol):
        assert sorted(to) == list(range(mol.GetNumAtoms()))
        assert {frozenset(int(to[i]) for i in bond) for bond in bonds} == bonds


@pytest.mark.parametrize(
    ("smiles", "classes"),
    [
        ("C[C@H](O)[C@H](O)C", 3),
        ("C[C@H]1CC[C@@H](C)CC1", 2),
        (r"C/C=C/C/C=C\C", 3),
        ("C[S@](=O)C[S@](=O)C", 3),
        ("O=C1CC[C@@]2(C1)CCC(=O)C2", 2),
        ("O[C@H]1[C@H](O)[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", 9),
        (r"C[C@H](F)/C=C/C", 4),
    ],
)
def test_labels_fall_into_as_many_molecules_as_there_are(smiles: str, classes: int) -> None:
    mol = from_smiles(smiles)
    own = elements(mol)
    carried = relabelling(symmetries(mol), own.centres, own.torsions)
    labels = [np.array(choice) for choice in itertools.product((1, -1), repeat=len(own.names))]
    assert len({carried.canonical(choice) for choice in labels}) == classes
    for one, other in itertools.pairwise(labels):
        assert carried.same(one, other) == (carried.canonical(one) == carried.canonical(other))


def test_middle_of_two_alike_ends_tells_nothing() -> None:
    mol = from_smiles("C[C@H](O)C(O)[C@H](O)C")
    mol.GetAtomWithIdx(3).SetChiralTag(mol.GetAtomWithIdx(1).GetChiralTag())
    own = elements(mol)
    carried = relabelling(symmetries(mol), own.centres, own.torsions)
    verdicts = {tuple(carried.meaningful(np.array([1, 1, end]))) for end in (1, -1)}
    assert verdicts == {(True, True, True), (True, False, True)}
