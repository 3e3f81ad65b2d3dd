"""Promises of strayed conformers: minima of MMFF94s, on what they come from, and nothing where they would mislead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen import strayed as module
from confgen.forcefields import mmff94s
from confgen.molecule import is_token, positions, read_molecule
from confgen.strayed import strayed

Embed = Callable[..., Chem.Mol]


@pytest.fixture(scope="module")
def alanine(embed_mol: Embed) -> Chem.Mol:
    return embed_mol(read_molecule("C[C@H](N)C(=O)O"), 8)


def test_starts_are_minima_in_vacuum_or_water(alanine: Chem.Mol) -> None:
    every = np.ones(alanine.GetNumAtoms(), dtype=bool)
    ended = strayed(alanine, positions(alanine), every)
    known = np.isfinite(ended).all((1, 2))
    assert known.sum() > 2
    for k in np.flatnonzero(known):
        field = mmff94s(alanine, 80.0 if k % module.IN_WATER == module.IN_WATER - 1 else None)
        assert field is not None
        assert np.abs(np.array(field.field.CalcGrad(ended[k].ravel().tolist()))).max() < 0.5


def test_starts_lie_on_their_conformers(alanine: Chem.Mol) -> None:
    tokens = is_token(alanine)
    own = positions(alanine)[:, tokens]
    own = own - own.mean(1, keepdims=True)
    ended = strayed(alanine, positions(alanine), tokens)
    known = np.isfinite(ended).all((1, 2))
    np.testing.assert_allclose(ended[known].mean(1), 0, atol=1e-9)
    torque = np.cross(own[known], ended[known]).sum(1)
    np.testing.assert_allclose(torque, 0, atol=1e-6)
    assert np.sqrt(((own - ended)[known] ** 2).sum(-1).mean(-1)).max() < module.FAR


def test_of_two_conformers_in_one_minimum_only_the_nearer_one_has_a_start(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"))
    [pos] = positions(mol)
    near, far = pos.copy(), pos.copy()
    far[2] += 0.3
    ended = strayed(mol, np.stack((near, far)), is_token(mol))
    assert np.isfinite(ended).all((1, 2)).tolist() == [True, False]


def test_what_strays_far_has_no_start(alanine: Chem.Mol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAR", 0.0)
    assert np.isnan(strayed(alanine, positions(alanine), is_token(alanine))).all()


def test_what_the_field_does_not_know_has_no_starts(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CB(O)O"), 2)
    ended = strayed(mol, positions(mol), is_token(mol))
    assert ended.shape == (2, 4, 3)
    assert np.isnan(ended).all()
