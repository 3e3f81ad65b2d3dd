"""Promises of conformers in the making, with the weights that ship: cores are held, an input's own shape is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem

from confgen import checkpoint, drafts, starts, whole
from confgen.conformers import is_token, positions, with_positions
from confgen.descent import minimise
from confgen.drafts import Drafts, repair, sample_wrong
from confgen.errors import MoleculeError
from confgen.forcefields import mmff94s
from confgen.molecule import read_molecule
from confgen.rmsd import rmsd_heavy_matrix
from confgen.rounds import Task, make
from confgen.scaffold import Core, deviation
from confgen.settings import GenerateSettings, default_settings
from confgen.starts import StartSettings, with_input_stereo
from confgen.template import Template, make_template, match_isomers

PAIRS = [
    ("CC(=O)Nc1ccccc1", "OCC(=O)Nc1ccccc1Cl"),
    ("C[C@H](N)C(=O)O", "C[C@H](NC(=O)C1CC1)C(=O)OCC"),
    ("c1ccc(CN2CCOCC2)cc1", "CCOc1ccc(CN2CCOCC2)cc1"),
    ("CC(=O)Nc1ccccc1", "[Cl-].C[NH2+]CC(=O)Nc1ccccc1"),
]


@cache
def shipped() -> checkpoint.Weights:
    return checkpoint.load("drugs", torch.device("cpu"))


def settings(num_confs: int, start: str = "etkdg") -> GenerateSettings:
    usual = replace(default_settings(shipped().sampling, start), num_confs=num_confs)
    quick = replace(usual.start, pool=1, rounds=1)
    return replace(usual, sampler=replace(usual.sampler, num_steps=6), start=quick)


def cores_of(mol: Chem.Mol, template: Template) -> list[Core]:
    """The ways to lay the molecule on the template."""
    _, [cores] = match_isomers([mol], template)
    return cores


def blank(mol: Chem.Mol, num_confs: int) -> Drafts:
    return Drafts.blank(mol, num_confs)


def sampled(mol: Chem.Mol, chosen: GenerateSettings, cores: Sequence[Core] = ()) -> Drafts:
    made = blank(mol, chosen.num_confs)
    for attempt in range(3):
        sample_wrong(made, [mol], shipped(), chosen, attempt, None, [cores] if cores else ())
    return made


@pytest.mark.parametrize(("known", "smiles"), PAIRS)
def test_the_core_stays_on_the_template_and_the_rest_varies(
    known: str, smiles: str, embed_mol: Callable[..., Chem.Mol]
) -> None:
    mol = read_molecule(smiles)
    cores = cores_of(mol, make_template(embed_mol(read_molecule(known)), "template"))
    made = sampled(mol, settings(4), cores)
    assert made.failed == [[]] * 4
    assert max(deviation(cores[k % len(cores)], made.pos[k : k + 1])[0] for k in range(4)) < 1e-6
    rest = np.setdiff1d(np.flatnonzero(is_token(mol)), cores[0].atoms)
    assert np.ptp(made.pos[:, rest], axis=0).max() > 0.2  # angstrom


def test_a_core_is_held_from_noise_alone(embed_mol: Callable[..., Chem.Mol]) -> None:
    known, smiles = PAIRS[0]
    mol = read_molecule(smiles)
    [core, _] = cores_of(mol, make_template(embed_mol(read_molecule(known)), "template"))
    chosen = settings(2, "harmonic")
    made = sampled(mol, replace(chosen, sampler=replace(chosen.sampler, num_steps=15)), [core])
    assert made.failed == [[]] * 2
    assert deviation(core, made.pos).max() < 1e-6


def test_a_repair_keeps_the_core(embed_mol: Callable[..., Chem.Mol]) -> None:
    known, smiles = PAIRS[3]
    mol = read_molecule(smiles)
    cores = cores_of(mol, make_template(embed_mol(read_molecule(known)), "template"))
    made = blank(mol, 3)
    repair(made, [mol], settings(3), None, [cores])
    assert made.failed == [[]] * 3
    assert made.sources == ["etkdg"] * 3
    assert deviation(cores[0], made.pos).max() < 1e-6


def test_a_conformer_with_a_core_does_not_depend_on_the_batch(embed_mol: Callable[..., Chem.Mol]) -> None:
    known, smiles = PAIRS[0]
    mol = read_molecule(smiles)
    cores = cores_of(mol, make_template(embed_mol(read_molecule(known)), "template"))
    chosen = replace(settings(3), start=StartSettings("etkdg", 0.5))
    together = sampled(mol, chosen, cores)
    fewer = sampled(mol, replace(chosen, num_confs=2, batch_size=1), cores)
    np.testing.assert_allclose(fewer.pos, together.pos[:2], atol=1e-3)


def test_conformers_take_isomers_in_turn_and_then_the_cores_of_each() -> None:
    cores = [[Core(np.array([i, j]), np.zeros((2, 3))) for j in range(2)] for i in range(2)]
    taken = [drafts.core_of(k, cores) for k in range(6)]
    assert [core.atoms.tolist() for core in taken if core is not None] == [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
        [0, 0],
        [1, 0],
    ]


def test_from_its_own_shape_at_low_noise_a_molecule_stays_near_it(embed_mol: Callable[..., Chem.Mol]) -> None:
    shape = embed_mol(read_molecule("OCC(=O)NCc1ccccc1.[Cl-]"))
    pos = positions(shape)
    pos[0, 12] = pos[0, 0] + [5.0, 0.0, 0.0]
    mol = with_input_stereo(with_positions(shape, pos))
    chosen = replace(settings(3), start=StartSettings("input", 0.1))
    made = sampled(mol, chosen)
    heavy = is_token(mol)
    assert made.failed == [[]] * 3
    assert np.abs(made.pos[:, heavy] - positions(mol)[:, heavy]).max() < 0.6  # in its own frame, the ion too
    far = sampled(mol, replace(chosen, start=StartSettings("input", 1.0)))
    spread = [rmsd_heavy_matrix(with_positions(mol, p), mol).mean() for p in (made.pos, far.pos)]
    assert spread[0] < spread[1]


def test_what_started_from_its_own_shape_is_not_repaired_with_another(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(read_molecule("CCO"))
    made = blank(mol, 2)
    repair(made, [mol], replace(settings(2), start=StartSettings("input")), None)
    assert made.failed == [["missing"]] * 2


def test_without_3d_coordinates_there_is_nothing_to_start_from() -> None:
    with pytest.raises(MoleculeError, match="no 3D coordinates to start from"):
        with_input_stereo(read_molecule("CCO"))
    with pytest.raises(MoleculeError, match="no 3D coordinates to start from"):
        sampled(read_molecule("CCO"), replace(settings(1), start=StartSettings("input")))


def test_the_stereochemistry_is_that_of_the_coordinates(embed_mol: Callable[..., Chem.Mol]) -> None:
    shape = embed_mol(read_molecule("C[C@H](O)CF"))
    left_open = with_positions(read_molecule("CC(O)CF"), positions(shape))
    assert Chem.MolToSmiles(with_input_stereo(left_open)) == Chem.MolToSmiles(shape)
    assert Chem.MolToSmiles(left_open) != Chem.MolToSmiles(shape)


def sampled_from_the_mirror_image(
    mol: Chem.Mol, chosen: GenerateSettings, shape: Chem.Mol, monkeypatch: pytest.MonkeyPatch
) -> Drafts:
    """Drafts whose proposals are mirror images of the conformers of `shape`, but where the network starts from them."""
    honest, made, calls = drafts.propose_whole, blank(mol, chosen.num_confs), []

    def mirrored(part: Chem.Mol, seeds: Sequence[int], *others: Any) -> np.ndarray:
        calls.append(len(seeds))
        return -positions(shape)[: len(seeds)] if len(calls) == 1 else honest(part, seeds, *others)

    monkeypatch.setattr(drafts, "propose_whole", mirrored)
    sample_wrong(made, [mol], shipped(), chosen, 0, None)
    return made


@pytest.mark.parametrize(("start", "dielectric"), [("etkdg", None), ("mmff94s", None), ("mmff94s", 80.0)])
def test_proposals_of_the_other_hand_are_turned_and_smoothed(
    start: str, dielectric: float | None, embed_mol: Callable[..., Chem.Mol], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule("C[C@H](NC(=O)C1CC1)C(=O)OCC.O")
    chosen = replace(settings(3, start), dielectric=dielectric)
    made = sampled_from_the_mirror_image(mol, chosen, embed_mol(mol, 3), monkeypatch)
    assert made.failed == [[]] * 3
    assert made.turned == {0, 1, 2}
    assert made.sources == ["network"] * 3
    assert np.ptp(made.pos, axis=0).max() > 0.3  # each from its own proposal


def test_a_turned_conformer_does_not_depend_on_the_batch(
    embed_mol: Callable[..., Chem.Mol], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule("C[C@H](N)C(=O)O")
    shape = embed_mol(mol, 3)
    together = sampled_from_the_mirror_image(mol, settings(3), shape, monkeypatch)
    fewer = sampled_from_the_mirror_image(mol, replace(settings(2), batch_size=1), shape, monkeypatch)
    np.testing.assert_array_equal(fewer.pos, together.pos[:2])


def test_what_is_kept_although_invalid_is_not_turned(
    embed_mol: Callable[..., Chem.Mol], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule("C[C@H](N)C(=O)O")
    chosen = replace(settings(2), keep_invalid=True)
    made = sampled_from_the_mirror_image(mol, chosen, embed_mol(mol, 2), monkeypatch)
    assert made.failed == [["stereo"]] * 2
    assert not made.turned


@pytest.mark.parametrize(("smiles", "start", "raw", "expected"), [
    ("C1CCCCOC(=O)CCC1", "mmff94s", False, True), ("C1CCCCOC(=O)CCC1.CCO", "mmff94s", False, True),
    ("C1CCCCOC(=O)CCC1", "etkdg", False, False), ("C1CCCCOC(=O)CCC1", "mmff94s", True, False),
    ("C1CCCOC(=O)CC1", "mmff94s", False, False), ("[O-]Cl(=O)(=O)=O", "mmff94s", False, True),
])  # fmt: skip
def test_large_rings_and_what_has_no_carbon_end_in_minima_where_sampling_starts_from_such(
    smiles: str, start: str, raw: bool, expected: bool
) -> None:
    mol = read_molecule(smiles)
    made = blank(mol, 2)
    sample_wrong(made, [mol], shipped(), replace(settings(2, start), keep_invalid=raw), 0, None)
    [ring, *_] = Chem.GetMolFrags(with_positions(mol, made.pos), asMols=True)
    field = mmff94s(ring)
    assert field is not None
    attempts = minimise(ring, positions(ring), field, max_steps=300, deadline=None)
    strain = [attempt.before_kcal_mol - attempt.after_kcal_mol for attempt in attempts]
    assert (max(strain) < 0.1) == expected


@pytest.mark.parametrize(("start", "expected"), [("mmff94s", True), ("etkdg", False)])
def test_repairs_are_relaxed_where_sampling_starts_from_minima(start: str, expected: bool) -> None:
    mol = read_molecule("C1CCC/C=C/CC1")
    made = blank(mol, 1)
    repair(made, [mol], settings(1, start), None)
    assert (made.failed, made.sources) == ([[]], ["etkdg"])
    field = mmff94s(with_positions(mol, made.pos))
    assert field is not None
    [attempt] = minimise(mol, made.pos, field, max_steps=300, deadline=None)
    assert (attempt.before_kcal_mol - attempt.after_kcal_mol < 0.1) == expected


def test_what_cannot_be_embedded_is_sampled_from_noise_whatever_its_minima_were_to_be_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mol = read_molecule("CC(=O)Nc1ccc(O)cc1")
    made = blank(mol, 4)
    monkeypatch.setattr(starts, "embedded", lambda _, seeds, *__, **___: [None] * len(seeds))
    usual = default_settings(shipped().sampling)
    sample_wrong(made, [mol], shipped(), replace(usual, num_confs=4, dielectric=80.0), 0, None)
    assert made.startless == {0}
    assert made.failed == [[]] * 4  # in as many steps as noise takes: in one, all would fail


def test_single_conformers_that_cannot_be_embedded_are_sampled_from_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    mol = read_molecule("CC(=O)Nc1ccc(O)cc1")
    [pos] = starts.starts_of(mol, [5], StartSettings("mmff94s"))
    monkeypatch.setattr(drafts, "start_whole", lambda _, seeds, *__: [pos] + [None] * (len(seeds) - 1))
    made = blank(mol, 3)
    sample_wrong(made, [mol], shipped(), replace(default_settings(shipped().sampling), num_confs=3), 0, None)
    assert not made.startless
    assert made.failed == [[]] * 3


def test_what_cannot_be_embedded_in_one_round_is_not_tried_again_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    mol = read_molecule("CCO")
    tried = []

    def embedded(_: Chem.Mol, seeds: Sequence[int], *__: Any, **___: Any) -> list[None]:
        tried.append(len(seeds))
        return [None] * len(seeds)

    monkeypatch.setattr(starts, "embedded", embedded)
    monkeypatch.setattr(drafts, "embed_whole", lambda *_: None)
    chosen = replace(default_settings(shipped().sampling), num_confs=6)
    ready, _ = make(Task(mol, [mol], [], shipped(), chosen), 6)  # one shape: all rounds are gone through
    assert len(ready.pos)
    assert len(tried) == 1


@pytest.mark.parametrize(("smiles", "start", "times"), [
    ("C1CCCCCCCCCCC1", "mmff94s", 2.0), ("C1CCCCCCCCCCC1", "etkdg", 1.0), ("CC1CCCCC1", "mmff94s", 1.0),
])  # fmt: skip
def test_minima_with_large_rings_start_from_twice_the_level(
    smiles: str, start: str, times: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = []

    def propose(*args: Any, **options: Any) -> np.ndarray:
        levels.append(args[4].sigma)
        return true_propose(*args, **options)

    true_propose = whole.propose
    monkeypatch.setattr(whole, "propose", propose)
    chosen = settings(2, start)
    mol = read_molecule(smiles)
    sample_wrong(blank(mol, 2), [mol], shipped(), chosen, 0, None)
    assert levels == [times * chosen.start.sigma]


def test_what_there_was_no_time_for_stays_missing() -> None:
    mol = read_molecule("CCO")
    made = blank(mol, 2)
    pos = np.array(starts.embedded(mol, [1, 2], None, relaxed=True))
    pos[1] = np.nan
    made.take_better([0, 1], mol, pos)
    assert made.failed == [[], ["missing"]]
    assert np.isfinite(made.pos).all()


@pytest.mark.parametrize(("atoms", "anew"), [(1000, [1, 0, 1]), (1, [1, 0, 0])])
def test_what_fails_is_tried_again_from_where_it_started_and_then_anew_if_it_is_not_large(
    atoms: int, anew: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol, begun, found = read_molecule("CCO"), [], []
    made = blank(mol, 2)

    def propose(_: Any, seeds: Sequence[int], *others: Any) -> np.ndarray:
        begun.append(np.array(others[-1]))
        return np.zeros((len(seeds), mol.GetNumAtoms(), 3))  # no conformer passes

    def starts_of(*args: Any, **options: Any) -> list[Any]:
        found.append(1)
        return true_starts(*args, **options)

    true_starts = whole.starts_of
    monkeypatch.setattr(drafts, "JOINED", atoms)
    monkeypatch.setattr(drafts, "propose_whole", propose)
    monkeypatch.setattr(whole, "starts_of", starts_of)
    counts = []
    for attempt in range(3):
        before = len(found)
        sample_wrong(made, [mol], shipped(), settings(2), attempt, None)
        counts.append(len(found) - before)
    assert counts == anew
    np.testing.assert_array_equal(begun[1], begun[0])
    assert np.array_equal(begun[2], begun[0]) == (not anew[2])
