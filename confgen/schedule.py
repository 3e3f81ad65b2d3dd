"""The noise levels: a falling schedule for sampling, random draws for training. All sigmas are those of the prior."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def karras_sigmas(num_steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """The noise levels of a sampling run, (num_steps + 1,) float64 on the CPU, falling from sigma_max, the last 0.

    sigma_i = (sigma_max^(1/rho) + i / (num_steps - 1) * (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho

    sigma_max: the level at which the run starts; the prior's full one, or a middle one for coordinates that are
               known already and were noised to that level. A single step goes from sigma_max to 0 at once.
    rho:       how strongly the steps crowd at low noise; 1 spaces them evenly, 7 is the source's choice.
    Source:    Karras et al., arXiv:2206.00364, equation 5.
    """
    assert num_steps >= 1, f"a schedule needs at least one step, not {num_steps}"
    assert 0 < sigma_min <= sigma_max, f"sigma_min {sigma_min} and sigma_max {sigma_max} are not 0 < min <= max"
    ramp = torch.linspace(0, 1, num_steps, dtype=torch.float64, device="cpu")
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat((sigmas, sigmas.new_zeros(1)))


def draw_training_sigmas(
    count: int, log_mean: float, log_std: float, sigma_min: float, sigma_max: float, generator: torch.Generator
) -> Tensor:
    """Log-normal noise levels for training, (count,) float32 on the generator's device, one for each noised molecule.

    ln sigma ~ N(log_mean, log_std^2), then clamped to [sigma_min, sigma_max], so that both ends, where sampling
    starts and ends, are seen often. Source: Karras et al., arXiv:2206.00364, table 1, "noise distribution".
    """
    normal = torch.randn(count, generator=generator, dtype=torch.float32, device=generator.device)
    return (log_mean + log_std * normal).clamp(math.log(sigma_min), math.log(sigma_max)).exp()
