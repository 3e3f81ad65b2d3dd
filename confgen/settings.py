"""The settings of `confgen generate`, and what the weights recommend for them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from confgen.errors import CannotStart, WeightsError
from confgen.propose import STARTS, StartSettings
from confgen.sampler import SamplerSettings

START_VALUES = [field.name for field in fields(StartSettings) if field.name != "start"]
STEREO_POLICIES = ("any", "enumerate", "error")


@dataclass(frozen=True)
class GenerateSettings:
    """What to generate.

    num_confs:     conformers per molecule (per stereoisomer with stereo="enumerate").
    seed:          the same seed, molecule and weights give the same conformers.
    stereo:        centres and double bonds left open: "any" spreads the conformers over the stereoisomers,
                   "enumerate" makes each a molecule of its own, "error" refuses the molecule.
    keep_invalid:  write conformers that fail a check, tagged, instead of replacing them.
    attempts:      how often a conformer that fails a check is sampled again before ETKDG has to step in.
    batch_size:    conformers per network call, None for what fits.     timeout_s: limit per molecule.
    """

    num_confs: int = 10
    seed: int = 1
    stereo: str = "any"
    keep_invalid: bool = False
    attempts: int = 3
    batch_size: int | None = None
    timeout_s: float | None = None
    sampler: SamplerSettings = SamplerSettings()
    start: StartSettings = StartSettings()

    def __post_init__(self) -> None:
        if self.num_confs < 1:
            raise CannotStart(f"num_confs is {self.num_confs}; ask for at least 1 conformer")
        if self.stereo not in STEREO_POLICIES:
            raise CannotStart(f"stereo is {self.stereo!r}; choose one of {', '.join(STEREO_POLICIES)}")
        if self.attempts < 0:
            raise CannotStart(f"attempts is {self.attempts}; give 0 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise CannotStart(f"batch_size is {self.batch_size}; give at least 1, or leave it out")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise CannotStart(f"timeout is {self.timeout_s} s; give a positive time, or leave it out")


def default_settings(sampling: dict[str, Any], start: str | None = None) -> GenerateSettings:
    """The settings that the weights' config recommends for a start ("harmonic" or "etkdg"; its own choice if None).

    sampling: `start`, fields of StartSettings after `start_`, and of SamplerSettings; a table `harmonic` or `etkdg`
    holds what differs for that start. Raises WeightsError if they are not such settings.
    """
    chosen = start or sampling.get("start", StartSettings.start)
    values = {key: value for key, value in sampling.items() if key not in ("start", *STARTS)} | sampling.get(chosen, {})
    begin = {name: values.pop(f"start_{name}") for name in START_VALUES if f"start_{name}" in values}
    try:
        start_settings = StartSettings(start=chosen, **begin)
        return GenerateSettings(sampler=SamplerSettings(**values), start=start_settings)
    except TypeError as error:
        raise WeightsError(f"the weights' config.json: {error} in its sampling settings; use other weights") from error


def raw_settings(sampling: dict[str, Any]) -> GenerateSettings:
    """`default_settings` for looking at the network alone: one attempt, and what fails a check is kept."""
    return replace(default_settings(sampling), attempts=0, keep_invalid=True)
