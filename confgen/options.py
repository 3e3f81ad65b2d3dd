"""Settings by the names of the command line's options, those of sampler and start among them; and sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from confgen.errors import CannotStart
from confgen.sampler import SamplerSettings
from confgen.settings import GenerateSettings, default_settings
from confgen.starts import StartSettings

OF_SAMPLER = {"steps" if field.name == "num_steps" else field.name: field.name for field in fields(SamplerSettings)}
OF_START = tuple(field.name for field in fields(StartSettings))
OF_WHOLE = tuple(field.name for field in fields(GenerateSettings) if field.name not in ("sampler", "start"))
OPTIONS = (*OF_WHOLE, *OF_SAMPLER, *OF_START)
ALIASES = {"timeout": "timeout_s", "temperature": "temperature_k"}  # on the command line


@dataclass(frozen=True)
class Preset:
    """Options chosen together for one purpose; `purpose` is a line of the help."""

    purpose: str
    options: Mapping[str, Any]


PRESETS = {
    "fast": Preset(
        "two thirds of the time: from a smaller pool, and nothing in the place of duplicates",
        {"pool": 2, "rms": 0.0},
    ),
    "ensemble": Preset("all shapes of a molecule: as many as its flexibility asks for", {"num_confs": "auto"}),
    "docking": Preset(
        "shapes that a protein may bind: many, apart, from minima in water",
        {"num_confs": 50, "rms": 0.5, "start": "mmff94s", "dielectric": 80.0, "rounds": 1},
    ),
    "macrocycle": Preset(
        "rings of nine atoms and more: from minima of a pool, and MMFF94s afterwards",
        {"start": "mmff94s", "pool": 5, "relax": "mmff94s"},
    ),
    "spectroscopy": Preset(
        "what is populated: GFN2-xTB minima of the lowest 6 kcal/mol, with Boltzmann weights",
        {"num_confs": "auto", "relax": "gfn2", "ewindow": 6.0, "rms": 0.125, "select": "energy"},
    ),
}


def settings_for(sampling: Mapping[str, Any], preset: str | None, options: Mapping[str, Any]) -> GenerateSettings:
    """What the weights recommend, changed by a preset, changed by options.

    sampling: of the weights' config.     options: by their names in OPTIONS.
    Raises CannotStart for a preset or an option that does not exist, and for what the settings refuse.
    """
    if preset is not None and not (isinstance(preset, str) and preset in PRESETS):
        raise CannotStart(f"there is no preset {preset!r}; choose one of {', '.join(PRESETS)}")
    changed = dict(PRESETS[preset].options if preset else {}) | dict(options)
    return with_options(default_settings(dict(sampling), changed.get("start")), changed)


def with_options(settings: GenerateSettings, options: Mapping[str, Any]) -> GenerateSettings:
    """The settings with some options changed, by their names in OPTIONS or ALIASES. CannotStart as `settings_for`."""
    unknown = sorted(set(options) - set(OPTIONS) - set(ALIASES))
    if unknown:
        choices = ", ".join(sorted({*OPTIONS, *ALIASES}))
        raise CannotStart(f"there is no option {unknown[0]!r}; choose from {choices}")
    twice = [alias for alias, name in ALIASES.items() if alias in options and name in options]
    if twice:
        raise CannotStart(f"{twice[0]} and {ALIASES[twice[0]]} are the same option; give one of them")
    options = {ALIASES.get(name, name): value for name, value in options.items()}
    sampler = {OF_SAMPLER[name]: value for name, value in options.items() if name in OF_SAMPLER}
    start = {name: value for name, value in options.items() if name in OF_START}
    whole = {name: value for name, value in options.items() if name in OF_WHOLE}
    return replace(
        settings, sampler=replace(settings.sampler, **sampler), start=replace(settings.start, **start), **whole
    )


def as_options(settings: GenerateSettings) -> dict[str, Any]:
    """The settings by the names of OPTIONS; those that are None are left out."""
    values = {name: getattr(settings, name) for name in OF_WHOLE}
    values |= {option: getattr(settings.sampler, name) for option, name in OF_SAMPLER.items()}
    values |= {name: getattr(settings.start, name) for name in OF_START}
    return {name: value for name, value in values.items() if value is not None}
