"""Options by the names of the command line end up where they belong."""

from __future__ import annotations

from typing import Any

import pytest

from confgen.errors import CannotStart
from confgen.options import ALIASES, OPTIONS, PRESETS, as_options, settings_for, with_options
from confgen.settings import GenerateSettings, default_settings

SAMPLING = {"start": "etkdg", "sampler": "dpmpp", "etkdg": {"start_sigma": 2.5, "start_pool": 3, "num_steps": 8}}


def test_options_reach_sampler_start_and_ensemble() -> None:
    settings = with_options(GenerateSettings(), {"steps": 3, "sigma": 0.7, "rms": 0.5, "relax": "mmff94s"})
    assert (settings.sampler.num_steps, settings.start.sigma, settings.rms, settings.relax) == (3, 0.7, 0.5, "mmff94s")


def test_what_is_not_asked_for_stays_as_the_weights_recommend() -> None:
    settings = settings_for(SAMPLING, None, {"steps": 3})
    assert (settings.start.sigma, settings.start.pool, settings.sampler.num_steps) == (2.5, 3, 3)


def test_another_start_takes_the_settings_of_that_start() -> None:
    assert settings_for(SAMPLING, None, {"start": "harmonic"}).start.pool == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_set_of_settings(preset: str) -> None:
    settings = settings_for(SAMPLING, preset, {})
    assert as_options(settings).items() >= PRESETS[preset].options.items()


def test_an_option_comes_before_the_preset() -> None:
    assert settings_for(SAMPLING, "docking", {"num_confs": 7}).num_confs == 7


def test_options_there_and_back_are_the_same() -> None:
    settings = settings_for(SAMPLING, "macrocycle", {"ewindow": 5.0, "seed": 3})
    assert with_options(default_settings({}), as_options(settings)) == settings


@pytest.mark.parametrize(
    ("preset", "options", "said"),
    [
        ("quick", {}, "fast, ensemble"),
        (["fast"], {}, "fast, ensemble"),
        (None, {"start": ["etkdg"]}, "harmonic, etkdg"),
        (None, {"stepz": 3}, "steps"),
        (None, {"rms": -1.0}, "rms is -1.0"),
    ],
)
def test_what_does_not_exist_cannot_start(preset: str | None, options: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotStart, match=said):
        settings_for(SAMPLING, preset, options)


def test_names_of_the_command_line_serve_as_well() -> None:
    settings = settings_for({}, None, {"timeout": 5.0, "temperature": 300.0})
    assert (settings.timeout_s, settings.temperature_k) == (5.0, 300.0)


@pytest.mark.parametrize("name", ["steps", "sigma_max", "rho", "snr", "pool", "rounds", "noise"])
def test_what_is_no_number_cannot_start(name: str) -> None:
    with pytest.raises(CannotStart, match=f"^{name} is 'x'; give "):
        settings_for({}, None, {name: "x"})


@pytest.mark.parametrize("name", ["timeout", "temperature"])
def test_an_option_under_two_names_cannot_start(name: str) -> None:
    with pytest.raises(CannotStart, match=f"^{name} and {ALIASES[name]} are the same option"):
        settings_for({}, None, {name: 5.0, ALIASES[name]: 5.0})


def test_both_names_of_an_option_are_among_the_choices() -> None:
    with pytest.raises(CannotStart, match=r"temperature, temperature_k, template, timeout, timeout_s"):
        settings_for({}, None, {"time": 5.0})


def test_every_option_has_one_place() -> None:
    assert len(OPTIONS) == len(set(OPTIONS))
