"""The TOML file of `confgen train`: what it may say, with the defaults, checked before anything starts."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confgen.checkpoint import networks
from confgen.denoiser import LossSettings
from confgen.errors import InputError
from confgen.mixture import BatchSettings, NoiseSettings
from confgen.sections import fit, section, table
from confgen.sensible import refuse_senseless


@dataclass(frozen=True)
class OptimSettings:
    """The optimiser (AdamW) and the course of a run.

    lr rises over `warmup` steps and falls along a cosine to `final` of itself at `steps`; `ema` is the decay of the
    averaged weights per step; `clip` the largest gradient norm.
    minutes: end of the run by time, for a machine that is lent for so long: the cosine follows the time then, where
             that is ahead of the steps. 0 for a run of `steps` however long they take.
    passed_on: the share of its gradient that a layer passes on to those before it by way of the estimate between
             them, see `models.ClofNet`. With 1 (the gradient itself) and ten layers its norm grew from 1.5 to 27 in 350
             steps of 32 samples at 2.5e-4, with 0.5 it stayed at 1, at a lower loss.
    graphs:  on a GPU, play back recorded steps, see `capture`.
    """

    steps: int = 20_000
    lr: float = 1e-3
    warmup: int = 500
    final: float = 0.02
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    passed_on: float = 1.0
    minutes: float = 0.0
    bf16: bool = True
    compile: bool = False
    graphs: bool = True
    seed: int = 1
    log_every: int = 50
    save_every: int = 500
    validate_every: int = 5_000

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that is over, 0 to 1."""
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(step / self.steps, by_time))

    def factor(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate at a step, as a share of `lr`."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        done = self.done(step, seconds)
        return rise * (self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class SetSettings:
    """One ensemble file (Parquet, or a pack made from one) and its share of the samples.

    starts:   pack where generation would start from, with the conformers nearest to it, for `noise.starts`.
    torsions: count its torsions in the library that goes with the weights, by which bonds of starts are turned.
    """

    path: Path
    weight: float = 1.0
    starts: bool = False
    torsions: bool = False


@dataclass(frozen=True)
class ValidationSettings:
    """Molecules that the averaged weights are tried on during the run: the first ones of an ensemble file."""

    path: Path
    molecules: int = 20


@dataclass(frozen=True)
class Recipe:
    """A training config; `sampling` goes into the config of the weights as their default sampler settings."""

    sets: tuple[SetSettings, ...]
    validation: ValidationSettings | None = None
    network: str = "clofnet"
    config: dict[str, Any] = field(default_factory=dict)
    noise: NoiseSettings = NoiseSettings()
    loss: LossSettings = LossSettings()
    batch: BatchSettings = BatchSettings()
    optim: OptimSettings = OptimSettings()
    sampling: dict[str, Any] = field(default_factory=dict)
    cache: Path = Path(".cache")
    workers: int = 2


def read_recipe(path: Path) -> Recipe:
    """The recipe of a TOML file. InputError, naming file and key, for anything unknown, missing or of the wrong type.

    Paths in the file are taken from the folder in which the file lies.
    """
    return recipe_of(path, read_tables(path))


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file as they stand there. InputError if it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the TOML config of a training run"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML ({error})") from error


def recipe_of(path: Path, text: dict[str, Any]) -> Recipe:
    """The recipe that tables make, read from the file or changed since; checked as by `read_recipe`."""
    data = table(path, text, "data")
    model = dict(table(path, text, "model"))
    network = model.pop("network", "clofnet")
    if network not in networks():
        raise InputError(f"{path}: model.network {network!r} is unknown; there is {', '.join(networks())}")
    entries = data.get("sets", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: data.sets must be a list of tables, [[data.sets]]")
    sets = [section(path, "data.sets", SetSettings, entry) for entry in entries]
    if not sets:
        raise InputError(f"{path}: no training data; add a [[data.sets]] table with a path")
    unknown = set(text) - {"data", "model", "validation", "noise", "loss", "batch", "optim", "sampling"}
    unknown |= {f"data.{key}" for key in set(data) - {"sets", "cache", "workers"}}
    if unknown:
        raise InputError(f"{path}: {sorted(unknown)[0]!r} is not a known table or key")
    validation = table(path, text, "validation")
    recipe = Recipe(
        sets=tuple(sets),
        validation=section(path, "validation", ValidationSettings, validation) if validation else None,
        network=network,
        config=model,
        noise=section(path, "noise", NoiseSettings, table(path, text, "noise")),
        loss=section(path, "loss", LossSettings, table(path, text, "loss")),
        batch=section(path, "batch", BatchSettings, table(path, text, "batch")),
        optim=section(path, "optim", OptimSettings, table(path, text, "optim")),
        sampling=table(path, text, "sampling"),
        cache=fit(path, "data.cache", Path, data.get("cache", ".cache")),
        workers=fit(path, "data.workers", int, data.get("workers", 2)),
    )
    refuse_senseless(path, recipe)
    return recipe
