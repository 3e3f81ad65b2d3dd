"""Promises of tests/benchmarks/stereo.py and hydrogens.py: they know right from wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rdkit import Chem

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import hydrogens
import stereo

from confgen.conformers import positions, with_positions
from confgen.molecule import from_smiles

Embed = Callable[..., Chem.Mol]


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)O", "C[S@](=O)CC", "O[C@H]1CC[C@@H](C)CC1", "NC(=N)N[C@H](C)CC"])
def test_conformers_of_the_isomer_asked_for_are_right(smiles: str, embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles(smiles))
    assert stereo.shown(mol, 0) == stereo.flat_smiles(mol)


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)O", "C[S@](=O)CC", "NC(=N)N[C@H](C)CC"])
def test_mirror_images_are_wrong(smiles: str, embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles(smiles))
    mirrored = with_positions(mol, -positions(mol))
    assert stereo.shown(mirrored, 0) != stereo.flat_smiles(mirrored)


def test_reference_hydrogens_are_at_no_distance_from_themselves(embed_mol: Embed) -> None:
    mol, tally = embed_mol(from_smiles("OCCN")), hydrogens.Tally()
    tally.add(mol, positions(mol)[0], positions(mol)[0])
    assert {kind: max(squares) for kind, squares in tally.squares.items()} == {"OH": 0.0, "NH2": 0.0, "CH2": 0.0}
    assert all(all(near) for near in tally.near.values())
