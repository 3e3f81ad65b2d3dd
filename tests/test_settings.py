"""Promises of the settings: the weights recommend them, and what makes no sense cannot start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.calculators.emt import EMT

from confgen.errors import CannotStart
from confgen.settings import GenerateSettings, default_settings


def test_settings_of_the_weights_are_the_default() -> None:
    settings = default_settings({"start": "etkdg", "start_sigma": 0.7, "num_steps": 9, "sampler": "sde"})
    assert (settings.start.start, settings.start.sigma) == ("etkdg", 0.7)
    assert (settings.sampler.sampler, settings.sampler.num_steps) == ("sde", 9)


def test_weights_without_settings_leave_the_defaults() -> None:
    assert default_settings({}) == GenerateSettings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": -1},
        {"num_confs": 0},
        {"num_confs": "many"},
        {"num_confs": True},
        {"num_confs": 10**12},
        {"num_confs": 100_000, "oversample": 20.0},
        {"seed": 1.5},
        {"seed": None},
        {"stereo": "all"},
        {"batch_size": 0},
        {"timeout_s": 0.0},
        {"rms": -0.1},
        {"ewindow": 0.0},
        {"select": "random"},
        {"oversample": 0.5},
        {"temperature_k": 0.0},
        {"relax": "am1"},
        {"relax": None},
        {"relax": 42},
        {"relax": ["uff"]},
        {"relax": EMT},
        {"keep_invalid": "no"},
        {"keep_invalid": 1},
        {"seed": 2**63},
        {"seed": -(2**63) - 1},
        {"start": "input"},
        {"sampler": "heun"},
        {"dielectric": 80.0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_cannot_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(CannotStart, match=r"choose|give|ask|do$"):
        GenerateSettings(**wrong)


def test_a_calculator_is_no_way_to_make_calculators() -> None:
    with pytest.raises(CannotStart, match="relax is"):
        GenerateSettings(relax=EMT())


@pytest.mark.parametrize(
    "option",
    ["attempts", "batch_size", "timeout_s", "temperature_k", "rms", "ewindow", "oversample", "dielectric", "template"],
)
@pytest.mark.parametrize("value", ["x", True, [1.0]], ids=str)
def test_what_is_of_another_kind_cannot_start(option: str, value: object) -> None:
    with pytest.raises(CannotStart, match=f"^{option.removesuffix('_s').removesuffix('_k')} is .*; give"):
        GenerateSettings(**{option: value})  # type: ignore[arg-type]


def test_numbers_may_be_of_numpy() -> None:
    settings = GenerateSettings(rms=np.float32(0.5), ewindow=np.int64(6), attempts=np.int32(2))  # type: ignore[arg-type]
    assert (settings.rms, settings.ewindow, settings.attempts) == (0.5, 6, 2)


def test_whole_numbers_may_be_of_numpy() -> None:
    settings = GenerateSettings(num_confs=np.int64(3), seed=np.int32(7), batch_size=np.uint8(2))  # type: ignore[arg-type]
    found = settings.num_confs, settings.seed, settings.batch_size
    assert [(type(number), number) for number in found] == [(int, 3), (int, 7), (int, 2)]


def test_a_truth_may_be_of_numpy() -> None:
    assert GenerateSettings(keep_invalid=np.bool_(True)).keep_invalid  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-(2**63), 2**63 - 1])
def test_a_seed_may_be_any_that_parquet_can_hold(seed: int) -> None:
    assert GenerateSettings(seed=seed).seed == seed
