"""Promises of `confgen.inspection`: verdicts with their reasons, by the checks that `generate` runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from confgen import validity
from confgen.conformers import positions, with_positions
from confgen.errors import MoleculeError
from confgen.inspection import CHECKS, Candidate, Verdict, inspect
from confgen.molecule import from_smiles

Embed = Callable[..., Chem.Mol]


def only_verdict(mol: Chem.Mol, asked: Chem.Mol | None = None, *, energy: bool = False) -> Verdict:
    (verdict,) = inspect(Candidate("name", "file.sdf record 1", mol, asked), energy=energy).verdicts
    return verdict


def test_the_checks_are_those_of_generate_and_two_more() -> None:
    assert set(CHECKS) - set(validity.CHECKS) == {"readable", "energy"}


def test_a_sound_conformer_passes_everything(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("C[C@H](N)C(=O)O"))
    verdict = only_verdict(mol, mol, energy=True)
    assert (verdict.failed, verdict.unknown, verdict.shown, verdict.details) == ((), (), "", {})
    assert verdict.energy_ratio is not None


def test_a_mirrored_molecule_fails_stereo_with_the_centre_named(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("C[C@H](N)C(=O)O"))
    verdict = only_verdict(with_positions(mol, -positions(mol)), mol)
    assert verdict.failed == ("stereo",)
    assert verdict.details == {"stereo": "centre 2 (C)"}
    assert Chem.CanonSmiles(verdict.shown) == Chem.CanonSmiles("C[C@@H](N)C(=O)O")


def test_several_inverted_centres_are_judged_with_the_energy(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("C[C@H](O)[C@@H](F)c1ccccc1"))
    verdict = only_verdict(mol, from_smiles("C[C@@H](O)[C@H](F)c1ccccc1"), energy=True)
    assert verdict.failed == ("stereo",)
    assert verdict.energy_ratio is not None


def test_where_nothing_is_asked_the_stereochemistry_is_told_and_not_judged(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("C[C@H](N)C(=O)O"))
    verdict = only_verdict(with_positions(mol, -positions(mol)))
    assert (verdict.failed, verdict.unknown) == ((), ("stereo", "energy"))
    assert Chem.CanonSmiles(verdict.shown) == Chem.CanonSmiles("C[C@@H](N)C(=O)O")


def test_a_molecule_without_stereochemistry_needs_nothing_asked(embed_mol: Embed) -> None:
    assert "stereo" not in only_verdict(embed_mol(from_smiles("CCO"))).unknown


def test_a_long_bond_is_named_with_its_length(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("CCBr"))
    rdMolTransforms.SetBondLength(mol.GetConformer(), 1, 2, 3.0)
    verdict = only_verdict(mol)
    assert "bond_lengths" in verdict.failed
    assert verdict.details["bond_lengths"].startswith("atoms 2 and 3 (C, Br) 3.00 A apart, at most 2.")


def test_a_strained_conformer_fails_energy(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("CCCCO"))
    verdict = only_verdict(with_positions(mol, 0.6 * positions(mol)), energy=True)
    assert "energy" in verdict.failed
    assert verdict.details["energy"].endswith("times the mean of an ensemble, at most 100 allowed")


def test_positions_that_are_no_numbers_leave_the_rest_unknown(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("CCO"))
    verdict = only_verdict(with_positions(mol, np.full((1, 9, 3), np.nan)), energy=True)
    assert verdict.failed == ("finite",)
    assert set(verdict.unknown) == set(CHECKS) - {"readable", "finite"}


def test_hydrogens_that_the_file_left_out_are_not_judged(embed_mol: Embed) -> None:
    heavy = Chem.RemoveHs(embed_mol(from_smiles("CC(=O)NC")))
    assert only_verdict(heavy, energy=True).failed == ()
    assert only_verdict(heavy, from_smiles("CNC(C)=O")).failed == ()


def test_another_molecule_than_asked_for_is_an_error(embed_mol: Embed) -> None:
    findings = inspect(Candidate("acid", "a.sdf record 1", embed_mol(from_smiles("CC(=O)O")), from_smiles("CCO")))
    assert findings.verdicts == []
    assert str(findings.error) == "a.sdf record 1 'acid': is not the molecule asked for, CCO; give its own"


def test_what_could_not_be_read_keeps_its_error() -> None:
    error = MoleculeError("a.sdf record 1: cut short")
    assert inspect(Candidate("", "a.sdf record 1", None, error=error)).error is error


@pytest.mark.parametrize("smiles", ["[Na+].[Cl-]", "[H][H]", "O=C=O"])
def test_awkward_molecules_pass(smiles: str) -> None:
    mol = from_smiles(smiles)
    spread = np.zeros((1, mol.GetNumAtoms(), 3))
    spread[0, :, 0] = {"[Na+].[Cl-]": [0, 2.4], "[H][H]": [0, 0.74], "O=C=O": [-1.16, 0, 1.16]}[smiles]
    assert only_verdict(with_positions(mol, spread), mol, energy=True).failed == ()
