"""The settings of `confgen generate`, and what the weights recommend for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Literal

from confgen.calculation import Method
from confgen.errors import CannotStart, WeightsError
from confgen.isomers import STEREO_POLICIES
from confgen.relax import check_method
from confgen.sampler import SamplerSettings
from confgen.select import WAYS
from confgen.starts import STARTS, StartSettings
from confgen.template import Template

START_VALUES = [field.name for field in fields(StartSettings) if field.name != "start"]
SCORING = "mmff94s"  # energies where a choice needs them and nothing is to be relaxed
MOST_CONFORMERS = 1_000_000  # of a molecule: they are held in memory


def _is_whole(value: object) -> bool:
    """Whether it is a whole number, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether it is a number, of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool)


# Of each number that is checked alone: its name for the user, its unit, whether a value will do, and what to give.
RANGES: dict[str, tuple[str, str, Callable[[Any], bool], str]] = {
    "attempts": ("attempts", "", lambda value: _is_whole(value) and value >= 0, "0 or more"),
    "batch_size": ("batch_size", "", lambda value: _is_whole(value) and value >= 1, "at least 1, or leave it out"),
    "timeout_s": ("timeout", " s", lambda value: is_real(value) and value > 0, "a positive time, or leave it out"),
    "temperature_k": ("temperature", " K", lambda value: is_real(value) and value > 0, "one above 0"),
    "rms": ("rms", " A", lambda value: is_real(value) and value >= 0, "0 or more"),
    "ewindow": ("ewindow", " kcal/mol", lambda value: is_real(value) and value > 0, "one above 0, or leave it out"),
    "oversample": ("oversample", "", lambda value: is_real(value) and 1 <= value < math.inf, "1 or more"),
    "dielectric": ("dielectric", "", lambda value: is_real(value), "1 or more, or leave it out"),  # see check_method
}


@dataclass(frozen=True)
class GenerateSettings:
    """What to generate, from what, and what of it to keep.

    num_confs:     conformers per molecule (per stereoisomer with stereo="enumerate"); "auto" for a number that follows
                   from how flexible the molecule is, see `flexibility.num_confs_auto`.
    seed:          the same seed, molecule and weights give the same conformers.
    stereo:        centres and double bonds left open: "any" spreads the conformers over the stereoisomers,
                   "enumerate" makes each a molecule of its own, "error" refuses the molecule.
    keep_invalid:  write conformers that fail a check, tagged, instead of replacing them.
    attempts:      how often a conformer that fails a check is sampled again before ETKDG has to step in.
    batch_size:    conformers per network call, None for what fits.     timeout_s: limit per molecule.
    relax:         a method of `relax.METHODS`, or a function mol -> ASE calculator.
    dielectric:    constant of the medium for the relaxation, and for a start from MMFF94s; None for vacuum.
    temperature_k: of the Boltzmann weights.
    rms:           angstrom; of two conformers closer than this (heavy atoms), one is replaced by another; 0 keeps all.
    ewindow:       kcal/mol above the lowest conformer beyond which one is dropped, None for no limit.
    select:        which are kept if more were made: "diverse", those that stand for all best, or "energy", the lowest.
    oversample:    conformers made for each that is kept, 1 or more.
    template:      a structure; what molecules have in common with it is held at its coordinates.
    """

    num_confs: int | Literal["auto"] = 10
    seed: int = 1
    stereo: str = "any"
    keep_invalid: bool = False
    attempts: int = 3
    batch_size: int | None = None
    timeout_s: float | None = None
    relax: Method = "none"
    dielectric: float | None = None
    temperature_k: float = 298.15
    rms: float = 0.2
    ewindow: float | None = None
    select: str = "diverse"
    oversample: float = 1.0
    template: Template | None = None
    sampler: SamplerSettings = SamplerSettings()
    start: StartSettings = StartSettings()

    def __post_init__(self) -> None:
        self._refuse_numbers()
        if self.stereo not in STEREO_POLICIES:
            raise CannotStart(f"stereo is {self.stereo!r}; choose one of {', '.join(STEREO_POLICIES)}")
        if self.select not in WAYS:
            raise CannotStart(f"select is {self.select!r}; choose one of {', '.join(WAYS)}")
        if self.template is not None and not isinstance(self.template, Template):
            raise CannotStart(f"template is {self.template!r}; give what read_template reads")
        by_mmff = self.relax == "none" and (self.needs_energies or self.start.start == "mmff94s")
        check_method(SCORING if by_mmff else self.relax, self.dielectric)

    def _refuse_numbers(self) -> None:
        """CannotStart for a number that is none or is out of its range."""
        for field, (name, unit, holds, advice) in RANGES.items():
            value, optional = getattr(self, field), getattr(GenerateSettings, field) is None
            if not (holds(value) or (optional and value is None)):
                shown = f"{value}{unit}" if is_real(value) else repr(value)
                raise CannotStart(f"{name} is {shown}; give {advice}")
        if not (self.num_confs == "auto" or (_is_whole(self.num_confs) and self.num_confs >= 1)):
            raise CannotStart(f"num_confs is {self.num_confs!r}; ask for at least 1 conformer, or for 'auto'")
        if not _is_whole(self.seed):
            raise CannotStart(f"seed is {self.seed!r}; give a whole number")
        if (1 if self.num_confs == "auto" else self.num_confs) * self.oversample > MOST_CONFORMERS:
            asked = f"{self.num_confs} conformers, {self.oversample:g} made for each of them,"
            raise CannotStart(f"{asked} are more than the {MOST_CONFORMERS:,} that can be handled; ask for fewer")

    @property
    def needs_energies(self) -> bool:
        """Whether conformers are chosen by energy, so that there must be energies even if nothing is relaxed."""
        return self.ewindow is not None or self.select == "energy"


def default_settings(sampling: dict[str, Any], start: str | None = None) -> GenerateSettings:
    """The settings that the weights' config recommends for a start (one of STARTS; its own choice if None).

    sampling: `start`, fields of StartSettings after `start_`, and of SamplerSettings; a table named as a
    start holds what differs for it. Raises WeightsError if they are not such settings.
    """
    try:
        chosen = start or sampling.get("start", StartSettings.start)
        own = sampling.get(chosen, {})
        values = {key: value for key, value in sampling.items() if key not in ("start", *STARTS)} | own
        begin = {name: values.pop(f"start_{name}") for name in START_VALUES if f"start_{name}" in values}
        start_settings = StartSettings(start=chosen, **begin)
        return GenerateSettings(sampler=SamplerSettings(**values), start=start_settings)
    except TypeError as error:
        raise WeightsError(f"the weights' config.json: {error} in its sampling settings; use other weights") from error


def raw_settings(sampling: dict[str, Any]) -> GenerateSettings:
    """`default_settings` for looking at the network alone: one attempt, and what fails a check or is alike is kept."""
    return replace(default_settings(sampling), attempts=0, keep_invalid=True, rms=0.0)
