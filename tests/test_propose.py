"""Promises of sampling one molecule: each conformer follows from its seed, whatever the batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem
from torch import nn

from confgen import checkpoint
from confgen import propose as module
from confgen.conformers import is_token
from confgen.denoiser import Denoiser
from confgen.embed import embed
from confgen.errors import MoleculeError
from confgen.molecule import read_molecule
from confgen.propose import propose
from confgen.sampler import SAMPLERS, SamplerSettings
from confgen.scaffold import Core
from confgen.starts import StartSettings, starts_of

SEEDS = [3, 2**62, 5, 8, 13]
HARMONIC = StartSettings()
ETKDG = StartSettings("etkdg", 0.3)
ALANINE = "C[C@H](N)C(=O)O"


@pytest.fixture(scope="module")
def denoiser(tiny: dict[str, Any], randomise: Callable[..., nn.Module]) -> Denoiser:
    made = Denoiser("clofnet", **tiny)
    randomise(made)
    return made.float().requires_grad_(False)


def settings(sampler: str = "dpmpp", steps: int = 4) -> SamplerSettings:
    return SamplerSettings(sampler=sampler, num_steps=steps)


def sampled(
    mol: Chem.Mol,
    seeds: Sequence[int],
    denoiser: Denoiser,
    chosen: SamplerSettings,
    start: StartSettings,
    **options: Any,
) -> np.ndarray:
    return propose(mol, seeds, denoiser, chosen, start, starts_of(mol, seeds, start), **options)


@pytest.mark.parametrize("start", [HARMONIC, ETKDG], ids=["harmonic", "etkdg"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_size_of_a_batch_does_not_change_the_conformers(
    sampler: str, start: StartSettings, denoiser: Denoiser
) -> None:
    mol = read_molecule(ALANINE)
    whole = sampled(mol, SEEDS, denoiser, settings(sampler), start)
    pieces = sampled(mol, SEEDS, denoiser, settings(sampler), start, batch_size=2)
    np.testing.assert_allclose(pieces, whole, atol=1e-3)


def test_a_conformer_follows_from_its_own_seed(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    whole = sampled(mol, SEEDS, denoiser, settings("sde"), HARMONIC)
    np.testing.assert_allclose(sampled(mol, SEEDS[2:3], denoiser, settings("sde"), HARMONIC), whole[2:3], atol=1e-3)


def test_the_same_seeds_give_the_same_conformers(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    first = sampled(mol, SEEDS, denoiser, settings("langevin"), HARMONIC)
    torch.manual_seed(7)
    np.testing.assert_array_equal(sampled(mol, SEEDS, denoiser, settings("langevin"), HARMONIC), first)


def test_other_seeds_give_other_conformers(denoiser: Denoiser) -> None:
    first, second = sampled(read_molecule(ALANINE), [1, 2], denoiser, settings(), HARMONIC)
    assert np.abs(first - second).max() > 0.01


def test_what_is_placed_are_the_tokens(denoiser: Denoiser) -> None:
    mol = read_molecule("[H]OC([H])([H])C")
    pos = sampled(mol, SEEDS, denoiser, settings(), HARMONIC)
    assert pos.shape == (len(SEEDS), int(is_token(mol).sum()), 3)
    assert pos.dtype == np.float64


@pytest.mark.parametrize("smiles", ["[Na+]", "C", "[H+]"])
def test_a_single_token_is_put_at_the_origin(smiles: str, denoiser: Denoiser) -> None:
    np.testing.assert_array_equal(
        sampled(read_molecule(smiles), SEEDS, denoiser, settings(), HARMONIC), np.zeros((5, 1, 3))
    )


@pytest.mark.parametrize("start", [HARMONIC, ETKDG], ids=["harmonic", "etkdg"])
@pytest.mark.parametrize("smiles", ["[H][H]", "N#N", "O=C=O"])
def test_molecules_in_a_line_are_sampled(smiles: str, start: StartSettings, denoiser: Denoiser) -> None:
    assert np.isfinite(sampled(read_molecule(smiles), SEEDS, denoiser, settings("heun"), start)).all()


def test_conformers_are_centred(denoiser: Denoiser) -> None:
    pos = sampled(read_molecule(ALANINE), SEEDS, denoiser, settings(), HARMONIC)
    np.testing.assert_allclose(pos.mean(1), 0, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_perfect_denoiser_gives_its_conformers_back(sampler: str, oracle: Callable[..., Any]) -> None:
    mol = read_molecule(ALANINE)
    perfect = oracle(mol)
    [known] = perfect.known.values()
    pos = sampled(mol, SEEDS, perfect, settings(sampler, 8), HARMONIC)
    distances = [torch.cdist(p, p) for p in (known, torch.from_numpy(pos))]
    nearest = (distances[1].unsqueeze(1) - distances[0]).abs().amax((-1, -2)).amin(1)
    assert nearest.max() < 1e-3


def test_an_etkdg_start_stays_near_its_coordinates(oracle: Callable[..., Any]) -> None:
    mol = read_molecule("CCCC")
    perfect = oracle(mol)
    [known] = perfect.known.values()
    full = np.zeros((mol.GetNumAtoms(), 3))
    full[is_token(mol)] = known[1].numpy()
    pos = torch.from_numpy(propose(mol, SEEDS, perfect, settings(), StartSettings("etkdg", 0.02), [full] * len(SEEDS)))
    torch.testing.assert_close(
        torch.cdist(pos, pos), torch.cdist(known[1:2], known[1:2]).expand(5, -1, -1), atol=0.05, rtol=0
    )


def test_a_second_round_goes_on_from_the_first(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    quiet = StartSettings("etkdg", 0.3, noise=0.0)
    twice = sampled(mol, SEEDS, denoiser, settings(), replace(quiet, rounds=2))
    whole = np.zeros((len(SEEDS), mol.GetNumAtoms(), 3))
    whole[:, is_token(mol)] = sampled(mol, SEEDS, denoiser, settings(), quiet)
    np.testing.assert_allclose(twice, propose(mol, SEEDS, denoiser, settings(), quiet, [*whole]), atol=1e-4)


@pytest.mark.parametrize(("steps", "sigma", "levels"), [(1, 0.5, [0.5, 0.5, 0.1]), (1, 0.05, [0.05, 0.05])])
def test_single_steps_end_with_one_at_a_low_level(
    steps: int, sigma: float, levels: list[float], denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, forward = [], Denoiser.forward

    def watched(self: Denoiser, encoded: Any, pos: Any, sigma: Any) -> Any:
        seen.append(round(float(sigma[0]), 6))
        return forward(self, encoded, pos, sigma)

    monkeypatch.setattr(Denoiser, "forward", watched)
    start = StartSettings("etkdg", sigma=sigma, noise=0.0, rounds=2)
    sampled(read_molecule("CCCO"), SEEDS, denoiser, settings(steps=steps), start)
    assert seen == pytest.approx(levels)


def test_an_etkdg_start_below_the_last_sigma_works(denoiser: Denoiser) -> None:
    assert np.isfinite(sampled(read_molecule("CCO"), SEEDS, denoiser, settings(), StartSettings("etkdg", 0.01))).all()


def test_a_conformer_without_a_start_comes_from_the_prior(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    known = [*embed(mol, SEEDS[:1]), *[None] * (len(SEEDS) - 1)]
    fallen_back = propose(mol, SEEDS, denoiser, settings(), ETKDG, known)
    np.testing.assert_allclose(fallen_back[1:], propose(mol, SEEDS, denoiser, settings(), HARMONIC)[1:], atol=1e-3)


def test_a_large_molecule_is_sampled_by_as_many_as_fit(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    mol, asked = read_molecule(ALANINE), []
    true_sample = module._sample

    def counted(seeds: Sequence[int], *rest: Any) -> np.ndarray:
        asked.append(len(seeds))
        return true_sample(seeds, *rest)

    monkeypatch.setattr(module, "_sample", counted)
    monkeypatch.setitem(module.PAIRS_AT_ONCE, "cpu", 6**2)
    whole = sampled(mol, SEEDS, denoiser, settings(), HARMONIC, batch_size=5)
    assert asked == [1] * 5
    np.testing.assert_array_equal(sampled(mol, SEEDS[1:2], denoiser, settings(), HARMONIC), whole[1:2])


def test_a_deadline_that_is_past_is_a_molecule_error(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    mol.SetProp("_confgen_origin", "mols.smi:7")
    with pytest.raises(MoleculeError, match=r"mols\.smi:7.*--timeout") as error:
        sampled(mol, SEEDS, denoiser, settings(), HARMONIC, deadline=time.monotonic() - 1)
    assert "\n" not in str(error.value)


def test_what_is_done_before_the_deadline_is_kept(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    mol, true_sample = read_molecule(ALANINE), module._sample
    whole = propose(mol, SEEDS, denoiser, settings(), HARMONIC, batch_size=2)

    def slow(*arguments: Any) -> np.ndarray:
        done = true_sample(*arguments)
        monkeypatch.setattr(time, "monotonic", lambda: math.inf)
        return done

    monkeypatch.setattr(module, "_sample", slow)
    late = propose(mol, SEEDS, denoiser, settings(), HARMONIC, batch_size=2, deadline=time.monotonic() + 1000)
    done = np.isfinite(late).all(axis=(1, 2))
    assert 0 < done.sum() < len(SEEDS)
    np.testing.assert_array_equal(late[done], whole[done])


def test_a_deadline_to_come_is_no_hindrance(denoiser: Denoiser) -> None:
    pos = sampled(read_molecule("CCO"), [1], denoiser, settings(), HARMONIC, deadline=time.monotonic() + 60)
    assert pos.shape == (1, 3, 3)


def test_the_molecule_is_left_alone(denoiser: Denoiser) -> None:
    mol = read_molecule(ALANINE)
    before = Chem.MolToMolBlock(mol)
    sampled(mol, SEEDS, denoiser, settings(), ETKDG)
    assert Chem.MolToMolBlock(mol) == before


def test_a_molecule_that_only_a_hydrogen_holds_together_is_a_molecule_error(denoiser: Denoiser) -> None:
    with pytest.raises(MoleculeError):
        sampled(read_molecule("C[H]->[Pt](Cl)Cl"), SEEDS, denoiser, settings(), HARMONIC)


def test_conformers_that_start_alike_without_noise_are_sampled_once(
    denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule(ALANINE)
    one, other = embed(mol, SEEDS[:2])
    rows: list[int] = []
    true_sample = module._sample

    def counted(seeds: Sequence[int], *rest: Any) -> np.ndarray:
        rows.append(len(seeds))
        return true_sample(seeds, *rest)

    monkeypatch.setattr(module, "_sample", counted)
    start = StartSettings(start="mmff94s", sigma=1.0, noise=0.0)
    pos = propose(mol, [1, 2, 3], denoiser, settings(), start, [one, other, one])
    assert rows == [4]  # two, filled up to the fewest in a call
    np.testing.assert_array_equal(pos[0], pos[2])


def test_calls_are_about_equal_in_size() -> None:
    start = np.zeros((3, 3))
    runs = list(module._runs([start] * 9 + [None] * 2, range(11), 4))
    assert [rows for rows, _ in runs] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10]]
    assert [known is None for _, known in runs] == [False, False, False, True]


@contextmanager
def defaults_of_torch(default: torch.dtype | str) -> Iterator[None]:
    """Another default type or device inside."""
    if isinstance(default, torch.dtype):
        torch.set_default_dtype(default)
    else:
        torch.set_default_device(default)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16, "meta"], ids=str)
def test_the_defaults_of_torch_change_nothing(default: torch.dtype | str, denoiser: Denoiser, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, denoiser, denoiser.state_dict(), {}, {})
    mol = read_molecule(ALANINE)
    held = Core(np.array([0, 1, 2]), np.eye(3))

    def all_ways() -> np.ndarray:
        loaded = checkpoint.load(str(tmp_path)).for_sampling
        return np.stack(
            [
                sampled(mol, SEEDS, loaded, settings("sde"), start, core=core)
                for start, core in ((HARMONIC, None), (ETKDG, None), (ETKDG, held))
            ]
        )

    usual = all_ways()
    with defaults_of_torch(default):
        np.testing.assert_array_equal(all_ways(), usual)
