"""Promises of `confgen.united`: all atoms, the stereochemistry asked for, in less time, and coordinates in any case."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen import united as module
from confgen.conformers import with_positions
from confgen.embed import embed
from confgen.molecule import read_molecule
from confgen.stereo import elements, mismatches_at
from confgen.united import FREEDOM, ROOM, embed_united, united
from confgen.validity import check

THREONINE_AMIDE = "CCCNC(=O)[C@@H](N)[C@H](C)O"
STEREO = [
    THREONINE_AMIDE,
    "CC(C)(C)/C=C/[C@H](O)CC",
    "CCCCCC/C=C\\CC(=O)O",
    "CCCCC/C(C)=N/O",
    "CCC[C@H]1CCC[C@@H](C)C1",
    "CCC[S@](=O)c1ccccc1",
    "CCCCC[C@]([2H])(C)O",
    "C[N@@+]1(CCC)CC[C@@H](O)CC1",
    "C[C@@H](C(=O)N[C@@H](CC(C)C)C(=O)O)NC(=O)C1CCCCC1",
]


def found(smiles: str, count: int = 6) -> tuple[Chem.Mol, np.ndarray]:
    """A molecule, and conformers (K, N, 3) of it from united atoms."""
    mol = read_molecule(smiles)
    pos = [own for own in embed_united(mol, range(7, 7 + count)) if own is not None]
    assert len(pos) == count
    return mol, np.array(pos)


@pytest.mark.parametrize("smiles", STEREO)
def test_stereochemistry_is_as_asked_for(smiles: str) -> None:
    mol, pos = found(smiles)
    small = united(mol)
    assert small is not None
    assert len(elements(small.mol).names) == len(elements(mol).names) > 0
    assert not any(mismatches_at(mol, pos))


@pytest.mark.parametrize(
    "smiles", [*STEREO, "CCCC#CC", "CC(C)=C=C(C)C", "Cc1ccc(C(C)(C)C)cc1", "C1CC2CCC1CC2", "CCCC[O]"]
)
def test_hydrogens_are_where_their_carbons_are(smiles: str) -> None:
    mol, pos = found(smiles)
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if 1 in (bond.GetBeginAtom().GetAtomicNum(), bond.GetEndAtom().GetAtomicNum()):
            length = np.linalg.norm(pos[:, ends[0]] - pos[:, ends[1]], axis=1)
            assert (length > 0.85).all()
            assert (length < 1.25).all()
    assert {name for names in check(with_positions(mol, pos)) for name in names} <= {"clash"}


def test_hydrogens_of_carbons_go_and_those_that_decide_stay() -> None:
    mol = read_molecule(THREONINE_AMIDE)
    small = united(mol)
    assert small is not None
    left = sorted(atom.GetNeighbors()[0].GetSymbol() for atom in small.mol.GetAtoms() if atom.GetSymbol() == "H")
    assert left == ["C", "C", "N", "N", "N", "O"]  # of the two centres, the amide, the amine and the alcohol
    assert [mol.GetAtomWithIdx(int(k)).GetSymbol() for k in small.atoms] == [
        a.GetSymbol() for a in small.mol.GetAtoms()
    ]
    assert sorted([*small.atoms, *(h for own in small.added.values() for h in own)]) == list(range(mol.GetNumAtoms()))
    assert not any(atom.GetIsotope() for atom in small.mol.GetAtoms())


def test_hydrogens_of_saturated_rings_stay() -> None:
    small = united(read_molecule("CCCCC1CCCCC1"))
    assert small is not None
    near = [atom.GetNeighbors()[0].IsInRing() for atom in small.mol.GetAtoms() if atom.GetSymbol() == "H"]
    assert near == [True] * 11
    aromatic = united(read_molecule("CCCCc1ccccc1"))
    assert aromatic is not None
    assert aromatic.mol.GetNumAtoms() == 10


def test_a_conformer_depends_on_its_seed_alone() -> None:
    mol = read_molecule("CCCCOC(=O)c1ccccc1CC")
    together = embed_united(mol, range(20, 30))
    for k, seed in enumerate(range(20, 30)):
        [alone] = embed_united(mol, [seed])
        np.testing.assert_array_equal(alone, together[k])


@pytest.mark.parametrize("smiles", ["CCO", "c1ccccc1O", "FS(F)(F)(F)(F)CCCCCC", "O"])
def test_where_it_brings_nothing_all_atoms_are_embedded(smiles: str) -> None:
    mol = read_molecule(smiles)
    assert united(mol) is None
    np.testing.assert_array_equal(embed_united(mol, [7, 8]), embed(mol, [7, 8]))


def test_what_united_atoms_do_not_find_all_atoms_do(monkeypatch: pytest.MonkeyPatch) -> None:
    mol = read_molecule("CCCCOC(=O)[C@H](C)CC")
    usual = embed_united(mol, range(7, 12))
    wanted = embed(mol, range(7, 12))

    def half(_: Chem.Mol, pos: np.ndarray) -> list[list[int]]:
        return [[0] * (k % 2) for k in range(len(pos))]  # wrong at every other

    monkeypatch.setattr(module, "mismatches_at", half)
    mixed = embed_united(mol, range(7, 12))
    for k, pos in enumerate(mixed):
        np.testing.assert_array_equal(pos, wanted[k] if k % 2 else usual[k])
    monkeypatch.setattr(module, "USUAL", ())
    for own, other in zip(embed_united(mol, range(7, 12)), wanted, strict=True):
        np.testing.assert_array_equal(own, other)


def test_carbons_are_larger_by_their_hydrogens_within_what_there_is_room_for() -> None:
    small = united(read_molecule("CCCCCCCC(=O)O"))
    assert small is not None
    plain = np.array(module.rdDistGeom.GetMoleculeBoundsMatrix(small.mol))
    raised = small.within - plain
    np.testing.assert_array_equal(np.triu(small.within), np.triu(plain))
    assert raised.max() == pytest.approx(2 * ROOM)
    assert (small.within.T - small.within)[np.tril(raised > 0)].min() > FREEDOM - 1e-9
    hops = Chem.GetDistanceMatrix(small.mol)
    assert not raised[hops < 4].any()


def test_it_takes_less_time() -> None:
    mol = read_molecule("CCCCCCCCOC(=O)CCCCCC(=O)OCCCC")

    def seconds(make: Callable[..., object]) -> float:
        began = time.process_time()
        make(mol, range(100, 110))
        return time.process_time() - began

    assert min(seconds(embed_united) for _ in range(2)) < 0.7 * min(seconds(embed) for _ in range(2))
