"""From noise to structures: four samplers as pure functions on dense batches, which know no chemistry.

All walk down a schedule of sigmas with the same few names:

denoise(pos, sigma):  the estimate of the clean positions, (B, M, 3), from positions at noise level sigma
pos:                  (B, M, 3) angstrom, the start, at noise level sigmas[0]; padding is 0 and stays 0
sigmas:               (num_steps + 1,) falling, the last 0, as from `schedule.karras_sigmas`
draw():               (B, M, 3) fresh noise of the prior at level 1; called equally often in any batch
project(vectors, pos): takes the rigid motion of the molecule out of vectors, (B, M, 3) (`models.geometry.remove_rigid`)

The prior has x_sigma = x_0 + sigma Sigma^(1/2) eps. Its score is Sigma^-1 (D - x) / sigma^2, D the clean estimate, and
its probability flow dx/dsigma = (x - D) / sigma: Sigma cancels, and what holds for plain isotropic noise holds here.
What `project` removes is a rotation and a shift, which change where a molecule lies and not its shape. The step to
sigma = 0 lands on D. Gradients are not needed: the caller turns them off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from confgen.errors import CannotStart
from confgen.ranges import Range, check_choice, check_numbers

Denoise = Callable[[Tensor, float], Tensor]
Draw = Callable[[], Tensor]
Project = Callable[[Tensor, Tensor], Tensor]

POSITIVE = (lambda value: 0 < value < math.inf, "one above 0, and finite")
NOT_NEGATIVE = (lambda value: 0 <= value < math.inf, "0 or more, and finite")
RANGES = {
    "num_steps": Range("steps", lambda value: value >= 1, "a whole number, at least 1", whole=True),
    "sigma_min": Range("sigma_min", *POSITIVE),
    "sigma_max": Range("sigma_max", *POSITIVE),
    "rho": Range("rho", *POSITIVE),
    "s_churn": Range("s_churn", *NOT_NEGATIVE),
    "s_noise": Range("s_noise", *POSITIVE),
    "s_tmin": Range("s_tmin", *NOT_NEGATIVE),
    "s_tmax": Range("s_tmax", *NOT_NEGATIVE),
    "corrector_steps": Range("corrector_steps", lambda value: value >= 0, "a whole number, 0 or more", whole=True),
    "snr": Range("snr", *POSITIVE),
}


@dataclass(frozen=True)
class SamplerSettings:
    """How to sample; sigmas in units of the prior.

    num_steps, sigma_min, sigma_max, rho: the schedule, see `schedule.karras_sigmas`.
    s_churn, s_noise, s_tmin, s_tmax:     for `sde`: noise added in a run, its scale, the sigmas where it is added.
    corrector_steps, snr:                 for `langevin`: steps at each level, and the signal-to-noise ratio of a step.
    Raises CannotStart if the values make no sense.
    """

    sampler: str = "heun"
    num_steps: int = 20
    sigma_min: float = 0.01
    sigma_max: float = 12.0
    rho: float = 7.0
    s_churn: float = 5.0
    s_noise: float = 1.0
    s_tmin: float = 0.05
    s_tmax: float = 5.0
    corrector_steps: int = 1
    snr: float = 0.2

    def __post_init__(self) -> None:
        check_choice("sampler", self.sampler, SAMPLERS)
        check_numbers(self, RANGES)
        if self.sigma_min > self.sigma_max:
            raise CannotStart(f"sigma_min {self.sigma_min} and sigma_max {self.sigma_max}; 0 < sigma_min <= sigma_max")


def keep(vectors: Tensor, pos: Tensor) -> Tensor:
    """The vectors as they are: the `project` of someone who wants none."""
    del pos
    return vectors


class Sampler(Protocol):
    """The one signature of all samplers; who needs no noise or no settings leaves them alone."""

    def __call__(
        self,
        denoise: Denoise,
        pos: Tensor,
        sigmas: Tensor,
        draw: Draw,
        settings: SamplerSettings,
        project: Project = keep,
    ) -> Tensor:
        """Positions at the last of the sigmas, (B, M, 3)."""


def heun(
    denoise: Denoise, pos: Tensor, sigmas: Tensor, draw: Draw, settings: SamplerSettings, project: Project = keep
) -> Tensor:
    """Positions at sigma = 0, (B, M, 3), by Heun's second-order method; deterministic, 2 calls a step.

    Source: Karras et al., arXiv:2206.00364, algorithm 1.
    """
    del draw, settings
    for sigma, lower in pairwise(sigmas.tolist()):
        pos = _heun_step(denoise, pos, sigma, lower, project)
    return pos


def dpmpp(
    denoise: Denoise, pos: Tensor, sigmas: Tensor, draw: Draw, settings: SamplerSettings, project: Project = keep
) -> Tensor:
    """Positions at sigma = 0, (B, M, 3), by DPM-Solver++(2M); deterministic, second order, 1 call a step.

    The clean estimate is extrapolated in lambda = -ln sigma from the last two levels. Departure: the first step and the
    one to sigma = 0, where lambda is infinite, take the estimate as it is.
    Source: Lu et al., arXiv:2211.01095, algorithm 2, with alpha = 1.
    """
    del draw, settings
    before: tuple[Tensor, float] | None = None  # clean estimate of the last step, and that step's length in lambda
    for sigma, lower in pairwise(sigmas.tolist()):
        clean = target = _clean(denoise, pos, sigma, project)
        if lower > 0:
            step = math.log(sigma / lower)
            if before is not None and before[1] > 0:
                target = clean + (step / (2 * before[1])) * (clean - before[0])
            before = clean, step
        pos = _toward(target, pos, sigma, lower)
    return pos


def sde(
    denoise: Denoise, pos: Tensor, sigmas: Tensor, draw: Draw, settings: SamplerSettings, project: Project = keep
) -> Tensor:
    """Positions at sigma = 0, (B, M, 3), by Heun steps with fresh noise before each; stochastic, 2 calls a step.

    Between s_tmin and s_tmax the noise level is first raised by a factor 1 + min(s_churn / num_steps, sqrt(2) - 1), so
    that errors of earlier steps are forgotten. The network may see sigmas up to sqrt(2) s_tmax.
    Source: Karras et al., arXiv:2206.00364, algorithm 2.
    """
    churn = min(settings.s_churn / (len(sigmas) - 1), math.sqrt(2) - 1)
    for sigma, lower in pairwise(sigmas.tolist()):
        if churn > 0 and settings.s_tmin <= sigma <= settings.s_tmax:
            raised = sigma * (1 + churn)
            pos = pos + (settings.s_noise * math.sqrt(raised**2 - sigma**2)) * draw()
            sigma = raised
        pos = _heun_step(denoise, pos, sigma, lower, project)
    return pos


def langevin(
    denoise: Denoise, pos: Tensor, sigmas: Tensor, draw: Draw, settings: SamplerSettings, project: Project = keep
) -> Tensor:
    """Positions at sigma = 0, (B, M, 3), by annealed Langevin dynamics; stochastic, 1 + corrector_steps calls a step.

    Going to a lower level is an Euler step of the flow; then come corrector_steps Langevin steps at that level, none
    at sigma = 0. Preconditioned with Sigma, a Langevin step needs no inverse of it, and its noise is that of the prior:

    x <- x + (step / 2) Sigma score + sqrt(step) Sigma^(1/2) eps = x + (step / 2) (D - x) / sigma^2 + sqrt(step) draw()

    with step = 2 (snr sigma)^2: the rule of the source with the norm of the score at its expected value, because a
    norm taken over the batch would make one molecule's result depend on the others.
    Departure: older work (NCSN, ConfGF) has no Euler step and lets the Langevin steps take the noise out, which
    needs some hundred of them at each level.
    Source: Song et al., arXiv:2011.13456, algorithms 2 and 4 (predictor-corrector).
    """
    for sigma, lower in pairwise(sigmas.tolist()):
        pos = _toward(_clean(denoise, pos, sigma, project), pos, sigma, lower)
        for _ in range(settings.corrector_steps if lower > 0 else 0):
            drift = _clean(denoise, pos, lower, project) - pos
            pos = pos + settings.snr**2 * drift + (math.sqrt(2) * settings.snr * lower) * draw()
    return pos


SAMPLERS: dict[str, Sampler] = {"heun": heun, "dpmpp": dpmpp, "sde": sde, "langevin": langevin}


def _clean(denoise: Denoise, pos: Tensor, sigma: float, project: Project) -> Tensor:
    """Clean estimate without the rigid motion between it and pos, which the quotient loss leaves untrained."""
    return pos + project(denoise(pos, sigma) - pos, pos)


def _toward(clean: Tensor, pos: Tensor, sigma: float, lower: float) -> Tensor:
    """Positions at the lower level, on the straight line from pos at sigma to its clean estimate at 0."""
    return clean + (lower / sigma) * (pos - clean)


def _heun_step(denoise: Denoise, pos: Tensor, sigma: float, lower: float, project: Project) -> Tensor:
    """Positions one level lower: a straight step, then again with the mean of the slopes at its two ends."""
    clean = _clean(denoise, pos, sigma, project)
    guess = _toward(clean, pos, sigma, lower)
    if lower == 0:
        return guess
    slope = (pos - clean) / sigma
    slope_below = (guess - _clean(denoise, guess, lower, project)) / lower
    return pos + (lower - sigma) * (slope + slope_below) / 2
