"""What no training run can have, although it is of the right type: found before anything starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confgen.errors import ConfgenError, InputError
from confgen.models.layer import ClofNetConfig
from confgen.sampler import SamplerSettings
from confgen.sections import fitted, section, table, types_of
from confgen.settings import default_settings
from confgen.starts import STARTS, StartSettings

if TYPE_CHECKING:
    from confgen.recipe import Recipe

Rule = tuple[str, Callable[[float], bool]]  # what to give, and whether a value is so; none is for nan
AT_LEAST_1: Rule = ("give 1 or more", lambda value: value >= 1)
POSITIVE: Rule = ("give more than 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE: Rule = ("give 0 or more", lambda value: 0 <= value < math.inf)
SHARE: Rule = ("give a share from 0 to 1", lambda value: 0 <= value <= 1)
DECAY: Rule = ("give 0 or more, and less than 1", lambda value: 0 <= value < 1)
NUMBER: Rule = ("give a number", math.isfinite)
SEED: Rule = ("give a number from 0 to 2^62", lambda value: 0 <= value <= 2**62)
RULES: dict[str, Rule] = {
    "optim.steps": AT_LEAST_1, "optim.lr": POSITIVE, "optim.warmup": NOT_NEGATIVE, "optim.final": NOT_NEGATIVE,
    "optim.weight_decay": NOT_NEGATIVE, "optim.clip": POSITIVE, "optim.ema": DECAY, "optim.minutes": NOT_NEGATIVE,
    "optim.passed_on": SHARE, "optim.seed": SEED, "optim.log_every": AT_LEAST_1, "optim.save_every": AT_LEAST_1,
    "optim.validate_every": AT_LEAST_1,
    "batch.pairs": AT_LEAST_1, "batch.draws": AT_LEAST_1, "batch.most": AT_LEAST_1,
    "loss.whitened": NOT_NEGATIVE, "loss.cartesian": NOT_NEGATIVE, "loss.local": NOT_NEGATIVE, "loss.power": POSITIVE,
    "noise.log_mean": NUMBER, "noise.log_std": NOT_NEGATIVE, "noise.sigma_min": POSITIVE, "noise.sigma_max": POSITIVE,
    "noise.starts": SHARE, "noise.start_path": SHARE, "noise.start_sigma": POSITIVE, "noise.start_steps": NOT_NEGATIVE,
    "data.workers": AT_LEAST_1, "data.sets.weight": NOT_NEGATIVE, "validation.molecules": AT_LEAST_1,
}  # fmt: skip


def refuse_senseless(path: Path, recipe: Recipe) -> None:
    """InputError, naming file and key, for what no run can have, nor the weights that it writes."""
    values = [
        *((f"{name}.{key}", value) for name in ("optim", "batch", "loss", "noise")
          for key, value in asdict(getattr(recipe, name)).items()),
        ("data.workers", recipe.workers),
        *(("data.sets.weight", entry.weight) for entry in recipe.sets),
        *([("validation.molecules", recipe.validation.molecules)] if recipe.validation else []),
    ]  # fmt: skip
    for name, value in values:
        if name in RULES and not RULES[name][1](value):
            raise InputError(f"{path}: {name} is {value}; {RULES[name][0]}")
    if not recipe.noise.sigma_min < recipe.noise.sigma_max:
        raise InputError(f"{path}: noise.sigma_min must be below noise.sigma_max")
    if recipe.noise.starts and not any(entry.starts for entry in recipe.sets):
        raise InputError(f"{path}: noise.starts asks for starts, but no set has them; write starts = true under one")
    _refuse_model(path, recipe.config)
    _refuse_sampling(path, recipe.sampling)


def _refuse_model(path: Path, config: dict[str, Any]) -> None:
    model = section(path, "model", ClofNetConfig, config)
    for name, value in asdict(model).items():
        if not isinstance(value, str) and not value > 0:
            raise InputError(f"{path}: model.{name} is {value}; give more than 0")
    if model.width % model.heads or model.vectors % model.heads:
        raise InputError(f"{path}: model.heads ({model.heads}) must divide model.width and model.vectors")


def _refuse_sampling(path: Path, sampling: dict[str, Any]) -> None:
    """InputError for default settings that the weights would be refused for when they are used."""
    of_start = {f"start_{name}": kind for name, kind in types_of(StartSettings).items() if name != "start"}
    known = types_of(SamplerSettings) | of_start
    fitted(path, "sampling", known | {"start": str} | dict.fromkeys(STARTS, dict), sampling)
    for start in STARTS:
        fitted(path, f"sampling.{start}", known, table(path, sampling, start))
        try:
            default_settings(sampling, start)
        except ConfgenError as error:
            raise InputError(f"{path}: sampling, for the start {start}: {error}") from error
    try:
        default_settings(sampling)
    except ConfgenError as error:
        raise InputError(f"{path}: sampling: {error}") from error
