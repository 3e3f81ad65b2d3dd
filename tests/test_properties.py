"""Promises of ensemble properties: an ensemble equals itself, averages are Boltzmann's, no conformer is fatal."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.conformers import positions, with_positions
from confgen.embed import embed
from confgen.errors import CannotStart
from confgen.molecule import read_molecule
from confgen.observables import EnsembleAverages, EnsembleProperties, PropertySettings, ensemble_properties
from confgen.properties import (
    PROTOCOL,
    MoleculeProperties,
    chosen,
    properties_of_methods,
    summarise_properties,
)

needs_tblite = pytest.mark.skipif(find_spec("tblite") is None, reason="tblite is not installed")
QUICK = PropertySettings(relax=False)
ERRORS = ("energy_kcal_mol", "dipole_debye", "gap_kcal_mol", "min_energy_kcal_mol")
KT_KCAL_MOL = 0.592484  # 298.15 K


def conformers(smiles: str, count: int = 1) -> Mol:
    mol = read_molecule(smiles)
    return with_positions(mol, np.array(embed(mol, range(count))))


def each(*pairs: tuple[str, Mol | None, Mol], settings: PropertySettings = PROTOCOL) -> list[MoleculeProperties]:
    """The comparison of one method, of molecules by name, generated and reference."""
    contests = [(name, [generated], reference) for name, generated, reference in pairs]
    return [one for [one] in properties_of_methods(contests, settings)]


def summary_of(generated: Mol, reference: Mol, settings: PropertySettings = PROTOCOL) -> dict[str, float]:
    return summarise_properties(each(("m", generated, reference), settings=settings))


def molecule(energy: float, other: float, dipole: float = 1.0) -> MoleculeProperties:
    return MoleculeProperties(
        "m", EnsembleAverages(energy, dipole, 200.0, energy - 1), EnsembleAverages(other, 1.0, 200.0, other - 1)
    )


@needs_tblite
def test_an_ensemble_compared_with_itself_has_no_error() -> None:
    ethanol = conformers("CCO", 2)
    summary = summary_of(ethanol, ethanol)
    assert [summary[name] for name in ERRORS] == [0.0] * 4
    assert (summary["molecules"], summary["molecules_failed"], summary["conformers"]) == (1, 0, 4)


@needs_tblite
def test_relaxation_brings_a_distorted_conformer_to_the_reference() -> None:
    water = conformers("O")
    stretched = with_positions(water, 1.08 * positions(water))
    raw = summary_of(stretched, water, QUICK)
    done = summary_of(stretched, water)
    assert done["energy_kcal_mol"] < 0.01 < 1.0 < raw["energy_kcal_mol"]
    assert done["dipole_debye"] < 0.01


@needs_tblite
def test_references_can_be_left_as_they_are() -> None:
    water = conformers("O")
    stretched = with_positions(water, 1.08 * positions(water))
    summary = summary_of(water, stretched, PropertySettings(relax_reference=False))
    assert summary["energy_kcal_mol"] > 1.0


@needs_tblite
def test_at_most_twice_the_references_and_the_limit_are_computed() -> None:
    many, one = conformers("CO", 4), conformers("CO", 1)
    assert summary_of(many, one, QUICK)["conformers"] == 2 + 1
    limited = PropertySettings(relax=False, max_conformers=1)
    assert summary_of(many, many, limited)["conformers"] == 1 + 1


@needs_tblite
def test_a_failing_conformer_is_noted_and_the_rest_counts() -> None:
    water = conformers("O")
    good = positions(water)[0]
    mixed = with_positions(water, np.stack([np.full_like(good, np.nan), good, 0.0 * good]))
    made = ensemble_properties(mixed, QUICK)
    assert set(made.failures) == {0, 2}
    assert np.isfinite(made.values).all(axis=1).tolist() == [False, True, False]
    (result,) = each(("water", mixed, with_positions(water, np.stack([good] * 2))), settings=QUICK)
    assert result.counts["conformers_failed"] == 2
    assert result.errors()["energy_kcal_mol"] == pytest.approx(0.0, abs=1e-6)
    assert any(note.startswith("generated conformer 1: ") for note in result.notes)


@needs_tblite
def test_a_molecule_of_which_nothing_can_be_computed_fails_alone() -> None:
    water = conformers("O")
    uranium = with_positions(read_molecule("[U]"), np.zeros((1, 1, 3)))
    first, second = each(("uranium", uranium, uranium), ("water", water, water), settings=QUICK)
    assert first.error.startswith("no generated conformer could be computed (No support for elements")
    assert second.error == ""
    summary = summarise_properties([first, second])
    assert (summary["molecules_failed"], summary["energy_kcal_mol"]) == (1, 0.0)


@needs_tblite
def test_bonds_that_a_relaxation_leaves_broken_are_noted() -> None:
    ethane = conformers("CC")
    pos = positions(ethane)
    pos[:, [1, 5, 6, 7]] += 6.0 * (pos[:, [1]] - pos[:, [0]])
    made = ensemble_properties(with_positions(ethane, pos), PropertySettings(max_steps=2))
    assert (made.broken, made.unconverged, made.failures) == ([0], [0], {})


@pytest.mark.parametrize(
    ("generated", "why"),
    [
        (None, "there are no generated conformers"),
        (read_molecule("CC(=O)O"), "there are no generated conformers"),
        (conformers("CC(=O)[O-]"), "generated is C2H3O2-, reference is C2H4O2"),
        (Chem.RemoveHs(conformers("CC(=O)O")), "the generated conformers lack hydrogens"),
    ],
    ids=["missing", "empty", "charge", "hydrogens"],
)
@needs_tblite
def test_what_cannot_be_compared_says_why(generated: Mol | None, why: str) -> None:
    (result,) = each(("acid", generated, conformers("CC(=O)O")), settings=QUICK)
    assert result.error == why
    assert np.isnan(summarise_properties([result])["energy_kcal_mol"])


def test_references_of_several_methods_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(mol: Mol, settings: PropertySettings) -> EnsembleProperties:
        del settings
        seen.append(mol.GetProp("_Name"))
        energies = positions(mol)[:, 0, 0]
        return EnsembleProperties(np.stack((energies, energies, energies), axis=1), positions(mol))

    monkeypatch.setattr("confgen.properties.require", lambda _: None)
    monkeypatch.setattr("confgen.properties.ensemble_properties", spy)
    reference, first, second = (helium(name, energy) for name, energy in (("reference", 1), ("a", 2), ("b", 4)))
    [[missing, one, two]] = properties_of_methods([("helium", [None, first, second], reference)])
    assert sorted(seen) == ["a", "b", "reference"]
    assert missing.error == "there are no generated conformers"
    assert [made.errors()["energy_kcal_mol"] for made in (one, two)] == [1.0, 3.0]


def helium(name: str, place: float) -> Mol:
    """An atom at a place (angstrom) on the x axis."""
    atom = with_positions(read_molecule("[He]"), np.array([[[place, 0.0, 0.0]]]))
    atom.SetProp("_Name", name)
    return atom


@needs_tblite
@pytest.mark.slow
def test_workers_change_nothing() -> None:
    pairs = [(smiles, conformers(smiles, 2), conformers(smiles, 1)) for smiles in ("CCO", "O", "C[NH3+]")]
    pairs.append(("none", None, pairs[0][2]))
    contests = [(name, [generated], reference) for name, generated, reference in pairs]
    assert list(properties_of_methods(contests, workers=2)) == list(properties_of_methods(contests))


def test_averages_are_weighted_by_boltzmann() -> None:
    """Two conformers kT ln 2 apart weigh 2:1; one that failed does not count."""
    higher = -100.0 + KT_KCAL_MOL * np.log(2.0)
    values = np.array([(higher, 4.0, 100.0), (np.nan, np.nan, np.nan), (-100.0, 1.0, 130.0)])
    averages = EnsembleProperties(values, np.zeros((3, 1, 3)), {1: "why"}).averages(298.15)
    assert averages.dipole_debye == pytest.approx(2.0, abs=1e-4)
    assert averages.gap_kcal_mol == pytest.approx(120.0, abs=1e-3)
    assert averages.energy_kcal_mol == pytest.approx((higher - 200.0) / 3, abs=1e-4)
    assert averages.min_energy_kcal_mol == -100.0


def test_the_figure_is_the_median_of_absolute_errors() -> None:
    failed = MoleculeProperties("f", counts={"conformers": 2, "conformers_failed": 2}, error="why")
    summary = summarise_properties([molecule(-5.0, -5.1), molecule(-5.0, -8.0, 1.5), molecule(-5.0, -4.8), failed])
    assert summary["energy_kcal_mol"] == pytest.approx(0.2)
    assert summary["dipole_debye"] == 0.0
    assert (summary["molecules"], summary["molecules_failed"], summary["conformers_failed"]) == (4, 1, 2)


def test_the_choice_of_molecules_follows_from_the_seed_and_keeps_their_order() -> None:
    pairs = [(str(i), None, Chem.Mol()) for i in range(300)]
    names = [int(name) for name, _, _ in chosen(pairs)]
    assert len(names) == 100
    assert names == sorted(set(names))
    assert names == [int(name) for name, _, _ in chosen(pairs)]
    assert names != [int(name) for name, _, _ in chosen(pairs, PropertySettings(seed=1))]
    assert len(chosen(pairs, PropertySettings(max_molecules=None))) == 300


def test_without_tblite_the_comparison_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    with pytest.raises(CannotStart, match="tblite, which is not installed"):
        properties_of_methods([])
