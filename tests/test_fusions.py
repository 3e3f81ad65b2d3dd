"""Promises of `confgen.fusions`: three-membered rings are cis on others, unless the input says otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from confgen.conformers import with_positions
from confgen.fusions import small_fusions, trans_fused
from confgen.isomers import unspecified
from confgen.molecule import read_molecule
from confgen.starts import StartSettings, embedded, starts_of
from confgen.validity import check


@pytest.mark.parametrize(("smiles", "count"), [
    ("C1CCC2OC2C1", 1), ("C1CC2CC12", 1), ("C1NCC2CC12", 1), ("CC1(C)C2CCCCC12", 1), ("C1CCCCC2OC2CC1", 0),
    ("C1CC[C@@H]2O[C@@H]2C1", 0), ("C1CC1C1CC1", 0), ("C1CC12CC2", 0), ("C1CC2CC1C2", 0),
])  # fmt: skip
def test_fusions_that_are_to_be_cis(smiles: str, count: int) -> None:
    assert len(small_fusions(read_molecule(smiles))) == count


def test_trans_fusions_are_found_and_no_start() -> None:
    mol = read_molecule("C1CCC2OC2C1")
    pool = np.array([pos for pos in embedded(mol, range(30), None, relaxed=True) if pos is not None])
    trans = trans_fused(mol, pool)
    assert 0 < trans.sum() < len(pool)
    found = np.array(starts_of(mol, range(4), StartSettings("mmff94s", pool=5)))
    assert not trans_fused(mol, found).any()


@pytest.mark.parametrize("smiles", ["C1CCC2SC2C1", "CC1(C)C2CCCCC12", "C1CCCC2OC2C1"])
def test_it_is_not_open_whether_they_are_cis(smiles: str) -> None:
    assert unspecified(read_molecule(smiles)) == []


def test_a_trans_fusion_that_is_asked_for_passes() -> None:
    mol = read_molecule("C1CCC[C@H]2O[C@@H]2C1")
    assert small_fusions(mol) == []
    assert unspecified(mol) == []


def test_the_check_says_so() -> None:
    mol = read_molecule("C1CCC2OC2C1")
    pool = np.array([pos for pos in embedded(mol, range(30), None, relaxed=True) if pos is not None])
    failed = check(with_positions(mol, pool))
    assert [("ring_cis" in names) for names in failed] == trans_fused(mol, pool).tolist()
