"""Promises of `confgen.joining`: large molecules come whole and right, and are cut only where they may be."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import with_positions
from confgen.cutting import parts
from confgen.embed import embed
from confgen.joining import LARGE, embed_large, joined
from confgen.molecule import read_molecule
from confgen.stereo import mismatches_at
from confgen.validity import check

PEPTIDE = Chem.MolToSmiles(Chem.MolFromSequence("ACDFGHIKLMNPQRSTVWY"))
ALKENES = "C/C=C\\" + "C[C@H](O)C/C=C\\" * 15 + "CC1CC2CCC1C2"


@pytest.mark.parametrize("smiles", [PEPTIDE, ALKENES, "C" + "C(c1ccccc1)C" * 14], ids=["peptide", "alkenes", "aryls"])
def test_what_is_joined_has_right_bonds_stereo_and_room(smiles: str) -> None:
    mol = read_molecule(smiles)
    assert mol.GetNumAtoms() >= LARGE
    assert len(parts(mol)) > 2
    for pos in joined(mol, [3, 4]):
        assert pos is not None
        assert np.isfinite(pos).all()
        assert check(with_positions(mol, pos[None])) == [[]]


def test_a_chain_of_300_heavy_atoms_takes_seconds() -> None:
    mol = read_molecule(Chem.MolToSmiles(Chem.MolFromSequence("L" * 38)))
    begun = time.process_time()
    [pos] = embed_large(mol, [7])
    assert pos is not None
    assert mismatches_at(mol, pos[None]) == [[]]
    assert time.process_time() - begun < 60


def test_a_seed_gives_the_same_again_and_another_something_else() -> None:
    mol = read_molecule("O" + "CCO" * 30)
    first, again, other = joined(mol, [5, 5, 6])
    assert first is not None
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.linalg.norm(first[0] - first[-1]) - np.linalg.norm(other[0] - other[-1])) > 0.1


def test_what_cannot_be_cut_or_is_small_is_embedded_whole() -> None:
    small, ring = read_molecule("CCO"), read_molecule("C1" + "C" * 68 + "C1")
    assert ring.GetNumAtoms() >= LARGE
    assert joined(ring, [1]) == [None]
    [one], [same] = embed_large(small, [2]), embed(small, [2])
    assert one is not None
    assert same is not None
    np.testing.assert_array_equal(one, same)


def test_nothing_is_joined_after_the_deadline() -> None:
    mol = read_molecule("O" + "CCO" * 30)
    assert embed_large(mol, [1, 2], deadline=time.monotonic() - 1) == [None, None]
