"""Promises of paired starts: minima of MMFF94s, each on the conformer that is nearest, and none that would mislead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen import pairing as module
from confgen.checkpoint import shipped_torsions
from confgen.conformers import is_token, positions, with_positions
from confgen.forcefields import mmff94s
from confgen.molecule import read_molecule
from confgen.pairing import paired_starts
from confgen.rmsd import rmsd_heavy_matrix

Embed = Callable[..., Chem.Mol]
Pairs = tuple[Chem.Mol, np.ndarray, np.ndarray]


@pytest.fixture(scope="module", params=["CCOc1ccccc1C(=O)NCC", "C[C@H](N)C(=O)O"])
def pairs(request: pytest.FixtureRequest, embed_mol: Embed) -> Pairs:
    """A molecule with four conformers, its starts, and the conformers that they lead to."""
    mol = embed_mol(read_molecule(request.param), 4)
    return mol, *paired_starts(mol, positions(mol), shipped_torsions())


def test_there_are_starts_of_conformers_and_of_a_pool(pairs: Pairs) -> None:
    mol, starts, ends = pairs
    assert starts.shape == (len(ends), is_token(mol).sum(), 3)
    assert mol.GetNumConformers() < len(starts) <= mol.GetNumConformers() + module.POOL
    assert set(ends.tolist()) <= set(range(mol.GetNumConformers()))


def test_starts_lie_on_the_nearest_conformer_atom_by_atom(pairs: Pairs) -> None:
    mol, starts, ends = pairs
    tokens = is_token(mol)
    own = positions(mol)[:, tokens]
    own = own - own.mean(1, keepdims=True)
    np.testing.assert_allclose(starts.mean(1), 0, atol=1e-9)
    np.testing.assert_allclose(np.cross(own[ends], starts).sum(1), 0, atol=1e-6)
    heavy = Chem.RemoveHs(mol)
    apart = rmsd_heavy_matrix(with_positions(heavy, starts), heavy)
    np.testing.assert_array_equal(apart.argmin(1), ends)
    plain = np.sqrt(((starts - own[ends]) ** 2).sum(-1).mean(-1))
    np.testing.assert_allclose(plain, apart.min(1), atol=1e-6)
    assert plain.max() < module.FAR


def test_starts_are_minima(embed_mol: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    mol = embed_mol(read_molecule("FC(Cl)C(F)Br"), 3)
    monkeypatch.setattr(module, "heavy_skeleton", lambda mol: (mol, np.arange(mol.GetNumAtoms())))
    starts, _ = paired_starts(mol, positions(mol), shipped_torsions())
    assert len(starts) > 3
    for start in starts:
        field = mmff94s(with_positions(mol, start[None]))
        assert field is not None
        assert np.abs(np.array(field.field.CalcGrad())).max() < 3  # of those embedded it is 24 and more


def test_what_lies_far_leads_nowhere(embed_mol: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    mol = embed_mol(read_molecule("CCCC"), 2)
    monkeypatch.setattr(module, "FAR", 0.0)
    starts, ends = paired_starts(mol, positions(mol), shipped_torsions())
    assert starts.shape == (0, 4, 3)
    assert len(ends) == 0


def test_what_the_field_does_not_know_has_no_starts(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CB(O)O"), 2)
    starts, ends = paired_starts(mol, positions(mol), shipped_torsions())
    assert starts.shape == (0, 4, 3)
    assert len(ends) == 0
