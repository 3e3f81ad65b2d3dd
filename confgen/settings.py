"""The settings of `confgen generate`, and what the weights recommend for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from confgen.calculation import Method
from confgen.complaints import short
from confgen.errors import CannotStart, WeightsError
from confgen.isomers import STEREO_POLICIES
from confgen.ranges import Range, check_choice, check_numbers, is_real, is_whole
from confgen.relax import check_method
from confgen.sampler import SamplerSettings
from confgen.select import WAYS
from confgen.starts import STARTS, StartSettings
from confgen.template import Template

START_VALUES = [field.name for field in fields(StartSettings) if field.name != "start"]
SCORING = "mmff94s"  # energies where a choice needs them and nothing is to be relaxed
MOST_CONFORMERS = 1_000_000  # of a molecule: they are held in memory


RANGES = {
    "seed": Range("seed", lambda value: -(2**63) <= value < 2**63, "a whole number of at most 63 bits", whole=True),
    "attempts": Range("attempts", lambda value: value >= 0, "0 or more", whole=True),
    "batch_size": Range("batch_size", lambda value: value >= 1, "at least 1, or leave it out", whole=True),
    "timeout_s": Range("timeout", lambda value: value > 0, "a positive time, or leave it out", " s"),
    "temperature_k": Range("temperature", lambda value: value > 0, "one above 0", " K"),
    "rms": Range("rms", lambda value: value >= 0, "0 or more", " A"),
    "ewindow": Range("ewindow", lambda value: value > 0, "one above 0, or leave it out", " kcal/mol"),
    "oversample": Range("oversample", lambda value: 1 <= value < math.inf, "1 or more"),
    "dielectric": Range("dielectric", is_real, "1 or more, or leave it out"),  # see check_method
}


@dataclass(frozen=True)
class GenerateSettings:
    """What to generate, from what, and what of it to keep.

    The defaults here start from the prior (start="harmonic"); `confgen.load` has those that its weights recommend, with
    which conformers are far better, and takes presets: change these by options of `generate` where you can.

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
        check_numbers(self, RANGES)
        self._count()
        if not isinstance(self.keep_invalid, bool | np.bool_):
            raise CannotStart(f"keep_invalid is {short(repr(self.keep_invalid))}; give True or False")
        check_choice("stereo", self.stereo, STEREO_POLICIES)
        check_choice("select", self.select, WAYS)
        if self.template is not None and not isinstance(self.template, Template):
            raise CannotStart(f"template is {short(repr(self.template))}; give what read_template reads")
        for name, kind in (("sampler", SamplerSettings), ("start", StartSettings)):
            if not isinstance(getattr(self, name), kind):
                given = f"{name} is {short(repr(getattr(self, name)))}"
                raise CannotStart(f"{given}; give {kind.__name__}, or its name to load(...).generate(mol, {name}=...)")
        check_method(self.relax)
        by_mmff = self.relax == "none" and (self.needs_energies or self.start.start == "mmff94s")
        check_method(SCORING if by_mmff else self.relax, self.dielectric)

    def _count(self) -> None:
        """Makes the number of conformers Python's own. Raises CannotStart if it is none or is out of its range."""
        count: object = self.num_confs
        if not (isinstance(count, str) and count == "auto"):
            if not (is_whole(count) and self.num_confs >= 1):  # type: ignore[operator]
                raise CannotStart(f"num_confs is {short(repr(count))}; ask for at least 1 conformer, or for 'auto'")
            object.__setattr__(self, "num_confs", int(self.num_confs))
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
    if start is not None:
        check_choice("start", start, STARTS)
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
