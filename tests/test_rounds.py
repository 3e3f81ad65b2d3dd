"""As many distinct conformers as asked for, relaxed and weighed if wanted, or a line that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from confgen import rounds as module
from confgen.checkpoint import Weights
from confgen.conformers import positions, with_positions
from confgen.generate import Ensemble, Generator
from confgen.isomers import enumerate_stereo
from confgen.molecule import read_molecule
from confgen.relax import Relaxed
from confgen.rmsd import rmsd_heavy_matrix
from confgen.sampler import SamplerSettings
from confgen.settings import GenerateSettings
from confgen.validity import check

ALANINE, ESTER, OPEN = "C[C@H](N)C(=O)O", "CCCOC(=O)CC", "CC(F)Cl"
SETTINGS = GenerateSettings(num_confs=4, attempts=1, sampler=SamplerSettings(sampler="dpmpp", num_steps=6))


@pytest.fixture
def good(oracle: Callable[..., Any]) -> Callable[..., Generator]:
    """Function: SMILES -> a generator whose denoiser knows three conformers of each of their stereoisomers."""

    def make(*smiles: str) -> Generator:
        mols = [isomer for text in smiles for isomer in enumerate_stereo(read_molecule(text))]
        return Generator(Weights(denoiser=oracle(*mols), name="tiny", sha256="0" * 64, sampling={}), SETTINGS)

    return make


def made(ensemble: Ensemble) -> Chem.Mol:
    assert ensemble.mol is not None
    return ensemble.mol


def test_ethane_has_one_conformer_and_a_line_says_so(good: Callable[..., Generator]) -> None:
    ensemble = good("CC").generate(read_molecule("CC"))
    assert made(ensemble).GetNumConformers() == 1
    [note] = ensemble.notes
    assert "1 of 4 conformers" in note
    assert "within 0.2 A" in note


def test_duplicates_are_kept_on_request(good: Callable[..., Generator]) -> None:
    ensemble = good("CC").generate(read_molecule("CC"), rms=0.0)
    assert made(ensemble).GetNumConformers() == 4
    assert ensemble.notes == []


def test_no_two_conformers_are_closer_than_asked(good: Callable[..., Generator]) -> None:
    mol = made(good(ESTER).generate(read_molecule(ESTER), num_confs=20, rms=0.2))
    assert mol.GetNumConformers() > 1
    distance = rmsd_heavy_matrix(mol, mol)
    assert distance[~np.eye(len(distance), dtype=bool)].min() > 0.2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many conformers are asked of the network, call by call."""
    asked: list[int] = []
    true_sample = module.sample_wrong

    def counted(drafts: Any, *rest: Any) -> None:
        asked.append(len(drafts.wrong()))
        true_sample(drafts, *rest)

    monkeypatch.setattr(module, "sample_wrong", counted)
    return asked


def test_duplicates_are_made_up_for_in_another_round(good: Callable[..., Generator], asked: list[int]) -> None:
    ensemble = good(ESTER).generate(read_molecule(ESTER), num_confs=3, attempts=0)
    assert asked[0] == 3
    assert len(asked) > 1
    assert len(asked) <= module.MAX_ROUNDS
    assert made(ensemble).GetNumConformers() <= 3


def test_where_many_gave_few_a_few_more_are_tried(good: Callable[..., Generator], asked: list[int]) -> None:
    ensemble = good(ALANINE).generate(read_molecule(ALANINE), num_confs=40, rms=3.0, attempts=0)
    assert made(ensemble).GetNumConformers() == 1
    assert asked == [40, module.FEWEST_AGAIN]


def test_what_is_asked_for_is_made_from_more(good: Callable[..., Generator]) -> None:
    mol = made(good(ALANINE).generate(read_molecule(ALANINE), num_confs=2, oversample=4.0, rms=0.0))
    assert mol.GetNumConformers() == 2


def test_the_lowest_in_energy_are_kept_on_request(good: Callable[..., Generator]) -> None:
    generator, mol = good(ALANINE), read_molecule(ALANINE)
    every = generator.generate(mol, num_confs=3, select="energy", rms=0.0, oversample=3.0).energies
    few = generator.generate(mol, num_confs=1, select="energy", rms=0.0, oversample=9.0).energies
    assert every is not None
    assert few is not None
    assert few[0] == pytest.approx(min(every), abs=1e-6)
    assert every == sorted(every)


def test_what_lies_above_the_window_is_dropped_and_counted(
    good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(mol: Chem.Mol, *_: Any, **__: Any) -> Relaxed:
        pos = np.stack([conformer.GetPositions() for conformer in mol.GetConformers()])
        return Relaxed(pos, np.arange(len(pos)) * 4.0, ["converged"] * len(pos), [[]] * len(pos), [])

    monkeypatch.setattr(module, "relax", fake)
    monkeypatch.setattr(module, "MAX_ROUNDS", 1)
    ensemble = good(ALANINE).generate(read_molecule(ALANINE), ewindow=5.0, rms=0.0)
    assert ensemble.energies == [0.0, 4.0]
    assert "2 lie more than 5 kcal/mol above the lowest" in ensemble.notes[-1]


def test_a_window_without_relaxation_leaves_the_coordinates(good: Callable[..., Generator]) -> None:
    mol = read_molecule(ALANINE)
    plain = made(good(ALANINE).generate(mol, num_confs=1, rms=0.0))
    weighed = good(ALANINE).generate(mol, num_confs=1, rms=0.0, ewindow=50.0)
    assert weighed.energy_method == "mmff94s"
    assert weighed.relaxations == []
    np.testing.assert_allclose(made(weighed).GetConformer().GetPositions(), plain.GetConformer().GetPositions())


def test_relaxed_conformers_are_in_order_of_energy_with_weights(good: Callable[..., Generator]) -> None:
    ensemble = good(ALANINE).generate(read_molecule(ALANINE), relax="mmff94s")
    assert ensemble.energies is not None
    assert ensemble.boltzmann_weights is not None
    assert ensemble.energies == sorted(ensemble.energies)
    assert sum(ensemble.boltzmann_weights) == pytest.approx(1.0)
    assert len(ensemble.relaxations) == made(ensemble).GetNumConformers()
    assert check(made(ensemble)) == [[]] * made(ensemble).GetNumConformers()


def test_relaxation_keeps_the_isomer_of_each_conformer(good: Callable[..., Generator]) -> None:
    mol = made(good(OPEN).generate(read_molecule(OPEN), relax="mmff94s", rms=0.0))
    hands = []
    for conformer in mol.GetConformers():
        Chem.AssignStereochemistryFrom3D(mol, conformer.GetId())
        hands.append(Chem.FindMolChiralCenters(mol)[0][1])
    assert sorted(hands) == ["R", "R", "S", "S"]


def test_what_is_written_invalid_is_checked_again_after_its_relaxation(
    good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    true_sample = module.sample_wrong

    def strained(drafts: Any, isomers: Any, *rest: Any) -> None:
        true_sample(drafts, isomers, *rest)
        drafts.pos[0] *= 1.3
        drafts.failed[0] = check(with_positions(isomers[0], drafts.pos[:1]))[0]

    monkeypatch.setattr(module, "sample_wrong", strained)
    options: dict[str, Any] = {"keep_invalid": True, "rms": 0.0, "num_confs": 3}
    raw = good(ESTER).generate(read_molecule(ESTER), **options)
    relaxed = good(ESTER).generate(read_molecule(ESTER), **options, relax="mmff94s")
    assert sum(bool(names) for names in raw.checks) == 1
    assert check(made(raw)) == raw.checks
    assert check(made(relaxed)) == relaxed.checks == [[]] * 3


def test_conformers_without_numbers_are_written_as_invalid_on_request(
    good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    true_sample = module.sample_wrong

    def lost(drafts: Any, *rest: Any) -> None:
        true_sample(drafts, *rest)
        drafts.pos[1] = np.nan
        drafts.failed[1] = ["finite"]

    monkeypatch.setattr(module, "sample_wrong", lost)
    for more in ({}, {"relax": "mmff94s"}, {"ewindow": 100.0}):
        ensemble = good(ESTER).generate(read_molecule(ESTER), keep_invalid=True, rms=0.1, num_confs=3, **more)
        finite = [np.isfinite(conformer.GetPositions()).all() for conformer in made(ensemble).GetConformers()]
        assert [not names for names in ensemble.checks].count(True) >= 1
        assert finite.count(False) == (0 if "ewindow" in more else 1)
        assert [names for names, known in zip(ensemble.checks, finite, strict=True) if not known] in ([], [["finite"]])


def test_seconds_of_every_stage_are_told(good: Callable[..., Generator]) -> None:
    ensemble = good(ALANINE).generate(read_molecule(ALANINE), relax="mmff94s")
    assert set(ensemble.stages) == {"sampling", "relaxation", "selection"}
    assert 0 < sum(ensemble.stages.values()) <= ensemble.seconds


def test_auto_asks_for_more_of_a_flexible_molecule(good: Callable[..., Generator]) -> None:
    rigid, flexible = "c1ccccc1", "CCCCCO"
    counts = [good(smiles).generate(read_molecule(smiles), num_confs="auto").asked for smiles in (rigid, flexible)]
    assert counts[0] < counts[1]


def test_a_further_round_searches_another_medium_from_all_that_it_embeds(
    good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[tuple[float | None, int]] = []
    true_sample = module.sample_wrong

    def watched(drafts: Any, isomers: Any, weights: Any, settings: GenerateSettings, *rest: Any) -> None:
        rounds.append((settings.dielectric, settings.start.pool))
        true_sample(drafts, isomers, weights, settings, *rest)

    monkeypatch.setattr(module, "sample_wrong", watched)
    generator = good(ALANINE)
    options: dict[str, Any] = {"start": "mmff94s", "pool": 3, "num_confs": 3, "rms": 3.0, "attempts": 0, "sigma": 0.1}
    generator.generate(read_molecule(ALANINE), **options)
    generator.generate(read_molecule(ALANINE), **options, dielectric=80.0, relax="gfn2")
    assert rounds == [(None, 3), (80.0, 1), (80.0, 3), (None, 1)]


@pytest.mark.parametrize("changes", [{"ewindow": 5.0}, {"select": "energy"}])
def test_where_no_energy_can_be_had_conformers_are_chosen_without_and_a_note_says_so(
    changes: dict[str, Any], good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    def relax(mol: Chem.Mol, *_: Any, **__: Any) -> Relaxed:
        count = mol.GetNumConformers()
        return Relaxed(positions(mol), np.full(count, np.nan), ["failed"] * count, [[] for _ in range(count)], [])

    monkeypatch.setattr(module, "relax", relax)
    ensemble = good(ESTER).generate(read_molecule(ESTER), **changes)
    assert made(ensemble).GetNumConformers() > 0
    assert ensemble.energies is None
    assert "without --ewindow and --select energy" in ensemble.notes[0]
