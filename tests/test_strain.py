"""Promises of `confgen.strain`: relaxed conformers have ratios near 1, spoiled ones far above the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import positions, with_positions
from confgen.molecule import from_smiles
from confgen.strain import STRAIN, energy_ratios, ensemble_mean


@pytest.mark.parametrize("smiles", ["CC(=O)Nc1ccc(O)cc1", "C[C@H](N)C(=O)[O-]", "C"])
def test_a_sound_conformer_is_hardly_strained(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    ratios = energy_ratios(embed_mol(from_smiles(smiles), 2))
    assert ratios is not None
    assert ratios.shape == (2,)
    assert (ratios < 10).all()


def test_a_crushed_conformer_is_far_above_the_limit(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(from_smiles("CCCCO"))
    ratios = energy_ratios(with_positions(mol, np.concatenate([positions(mol), 0.6 * positions(mol)])))
    assert ratios is not None
    assert ratios[0] < STRAIN.ratio < ratios[1]


def test_an_energy_that_is_no_number_is_infinite(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(from_smiles("CCO"))
    pos = positions(mol)
    pos[0, 0] = np.nan
    assert energy_ratios(with_positions(mol, pos), mean=1.0) == pytest.approx([np.inf])


def test_hydrogens_that_were_added_can_be_settled(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(from_smiles("CCO"))
    pos = positions(mol)
    pos[0, 8] += 0.4
    moved = with_positions(mol, pos)
    strained, settled = energy_ratios(moved, mean=10.0), energy_ratios(moved, mean=10.0, relax_hydrogens=True)
    assert strained is not None
    assert settled is not None
    assert settled[0] < strained[0]
    assert positions(moved) == pytest.approx(pos)


def test_what_the_force_field_does_not_know_is_not_judged() -> None:
    assert ensemble_mean(Chem.MolFromSmiles("[Og]")) is None


def test_where_time_ends_before_an_embedding_there_is_no_energy_to_compare_with() -> None:
    mol = from_smiles("C12C3C4C5C1C6C7C2C8C3C9C4C%10C5C6C%11C7C8C9C%10%11")  # dodecahedrane: RDKit needs long
    assert ensemble_mean(mol, replace(STRAIN, timeout_s=1)) is None
