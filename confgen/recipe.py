"""The TOML file of `confgen train`: what it may say, with the defaults, checked before anything starts."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from confgen.checkpoint import networks
from confgen.denoiser import LossSettings
from confgen.errors import InputError
from confgen.mixture import BatchSettings, NoiseSettings
from confgen.models.layer import ClofNetConfig
from confgen.propose import STARTS
from confgen.sampler import SamplerSettings
from confgen.settings import START_VALUES


@dataclass(frozen=True)
class OptimSettings:
    """The optimiser (AdamW) and the course of a run.

    lr rises over `warmup` steps and falls along a cosine to `final` of itself at `steps`; `ema` is the decay of the
    averaged weights per step; `clip` the largest gradient norm.
    minutes: end of the run by time, for a machine that is lent for so long: the cosine follows the time then, where
             that is ahead of the steps. 0 for a run of `steps` however long they take.
    graphs:  on a GPU, play back recorded steps, see `capture`.
    """

    steps: int = 20_000
    lr: float = 1e-3
    warmup: int = 500
    final: float = 0.02
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
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


Section = TypeVar("Section")


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
    data = _table(path, text, "data")
    model = dict(_table(path, text, "model"))
    network = model.pop("network", "clofnet")
    if network not in networks():
        raise InputError(f"{path}: model.network {network!r} is unknown; there is {', '.join(networks())}")
    entries = data.get("sets", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: data.sets must be a list of tables, [[data.sets]]")
    sets = [_section(path, "data.sets", SetSettings, entry) for entry in entries]
    if not sets:
        raise InputError(f"{path}: no training data; add a [[data.sets]] table with a path")
    unknown = set(text) - {"data", "model", "validation", "noise", "loss", "batch", "optim", "sampling"}
    unknown |= {f"data.{key}" for key in set(data) - {"sets", "cache", "workers"}}
    if unknown:
        raise InputError(f"{path}: {sorted(unknown)[0]!r} is not a known table or key")
    validation = _table(path, text, "validation")
    recipe = Recipe(
        sets=tuple(sets),
        validation=_section(path, "validation", ValidationSettings, validation) if validation else None,
        network=network,
        config=model,
        noise=_section(path, "noise", NoiseSettings, _table(path, text, "noise")),
        loss=_section(path, "loss", LossSettings, _table(path, text, "loss")),
        batch=_section(path, "batch", BatchSettings, _table(path, text, "batch")),
        optim=_section(path, "optim", OptimSettings, _table(path, text, "optim")),
        sampling=_table(path, text, "sampling"),
        cache=_fit(path, "data.cache", Path, data.get("cache", ".cache")),
        workers=_fit(path, "data.workers", int, data.get("workers", 2)),
    )
    _sensible(path, recipe)
    return recipe


def _sensible(path: Path, recipe: Recipe) -> None:
    """InputError for values of the right type that no run can have; what the network says of its own is passed on."""
    least_1 = {
        "optim.steps": recipe.optim.steps, "optim.log_every": recipe.optim.log_every,
        "optim.save_every": recipe.optim.save_every, "optim.validate_every": recipe.optim.validate_every,
        "batch.pairs": recipe.batch.pairs, "batch.draws": recipe.batch.draws, "batch.most": recipe.batch.most,
        "data.workers": recipe.workers,
    }  # fmt: skip
    for name, value in least_1.items():
        if value < 1:
            raise InputError(f"{path}: {name} is {value}; give 1 or more")
    if not 0 <= recipe.optim.minutes < math.inf:
        raise InputError(f"{path}: optim.minutes is {recipe.optim.minutes}; give 0 for no limit, or more")
    if any(entry.weight < 0 for entry in recipe.sets):
        raise InputError(f"{path}: data.sets.weight is below 0; give 0 to leave a set out")
    if not recipe.loss.power > 0:
        raise InputError(f"{path}: loss.power is {recipe.loss.power}; give more than 0, and 1 for the loss as it is")
    _sensible_noise(path, recipe)
    known = {*(f"start_{name}" for name in START_VALUES), *(f.name for f in fields(SamplerSettings))}
    _known(path, "sampling", known | {"start", *STARTS}, recipe.sampling)
    for start in STARTS:
        _known(path, f"sampling.{start}", known, _table(path, recipe.sampling, start))
    model = _section(path, "model", ClofNetConfig, recipe.config)
    for name, value in asdict(model).items():
        if not isinstance(value, str) and value <= 0:
            raise InputError(f"{path}: model.{name} is {value}; give more than 0")
    if model.width % model.heads or model.vectors % model.heads:
        raise InputError(f"{path}: model.heads ({model.heads}) must divide model.width and model.vectors")


def _sensible_noise(path: Path, recipe: Recipe) -> None:
    noise = recipe.noise
    if not 0 < noise.sigma_min < noise.sigma_max:
        raise InputError(f"{path}: noise.sigma_min must be above 0 and below noise.sigma_max")
    for name in ("starts", "start_path"):
        if not 0 <= getattr(noise, name) <= 1:
            raise InputError(f"{path}: noise.{name} is {getattr(noise, name)}; give a share from 0 to 1")
    if noise.start_steps < 0:
        raise InputError(f"{path}: noise.start_steps is {noise.start_steps}; give 0 or more")
    if noise.starts and not any(entry.starts for entry in recipe.sets):
        raise InputError(f"{path}: noise.starts asks for starts, but no set has them; write starts = true under one")
    if not noise.start_sigma > 0:
        raise InputError(f"{path}: noise.start_sigma is {noise.start_sigma}; give a positive level")


def _known(path: Path, name: str, known: set[str], table: dict[str, Any]) -> None:
    for key in sorted(set(table) - known):
        raise InputError(f"{path}: {name}.{key} is not a setting; there is {', '.join(sorted(known))}")


def _table(path: Path, text: dict[str, Any], name: str) -> dict[str, Any]:
    table = text.get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: {name} must be a table, [{name}]")
    return table


def _section(path: Path, name: str, kind: type[Section], table: dict[str, Any]) -> Section:
    """A settings dataclass filled from a table; numbers may be written as integers."""
    hints = get_type_hints(kind)
    known = {f.name: hints[f.name] for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{path}: {name}.{key} is not a setting; there is {', '.join(known)}")
        values[key] = _fit(path, f"{name}.{key}", known[key], value)
    try:
        return kind(**values)
    except TypeError as error:
        missing = str(error).split("'")[-2] if "'" in str(error) else "?"
        raise InputError(f"{path}: {name}.{missing} is missing") from error


def _fit(path: Path, name: str, kind: Any, value: Any) -> Any:
    """The value as the type that the setting has."""
    if kind is Path and isinstance(value, str):
        return path.parent / value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    choices = get_args(kind)  # of a Literal
    if value in choices or type(value) is kind:
        return value
    wanted = " or ".join(map(repr, choices)) or ("text" if kind is Path else kind.__name__)
    raise InputError(f"{path}: {name} is {value!r}, but must be {wanted}")
