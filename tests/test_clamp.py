"""Promises of the clamp: exact for a Gaussian, exact on the core at the end, blind to the frame and to the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from confgen.clamp import clamp
from confgen.models.geometry import remove_rigid
from confgen.prior import draw_noise, harmonic_root, laplacian
from confgen.sampler import SAMPLERS, Denoise, SamplerSettings
from confgen.scaffold import Core, followers
from confgen.schedule import karras_sigmas

ATOMS, CORE = 6, [0, 1, 2]
BONDED = torch.zeros(ATOMS, ATOMS, dtype=torch.bool)
for _i, _j in ((0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 1)):
    BONDED[_i, _j] = BONDED[_j, _i] = True
MASK = torch.ones(1, ATOMS, dtype=torch.bool)
ROOT = harmonic_root(BONDED[None], MASK, torch.float64)
VARIANCE = 0.8  # of the clean molecules, in units of the prior's


def core_at(positions: Tensor) -> tuple[Core, np.ndarray]:
    core = Core(np.array(CORE), positions.double().numpy())
    return core, followers(BONDED.numpy(), core)


def gaussian(mean: Tensor) -> Denoise:
    """The exact denoiser of clean positions spread about the mean with covariance VARIANCE * Sigma."""

    def denoise(pos: Tensor, sigma: float) -> Tensor:
        return mean + VARIANCE / (VARIANCE + sigma**2) * (pos - mean)

    return denoise


def most_likely(mean: Tensor, noisy: Tensor, sigma: float, target: Tensor) -> Tensor:
    """The x that is likeliest by prior and noise among those whose core is the target, shifted as it may be.

    It minimises (x - mean) L (x - mean) / VARIANCE + (noisy - x) L (noisy - x) / sigma^2, and is the mean as well.
    """
    stiffness = laplacian(BONDED[None], MASK)[0]
    held = torch.eye(ATOMS, dtype=torch.float64)[CORE]
    free = torch.zeros(ATOMS + 1 + len(CORE), ATOMS + 1 + len(CORE), dtype=torch.float64)  # x, shift, multipliers
    free[:ATOMS, :ATOMS] = stiffness * (1 / VARIANCE + 1 / sigma**2)
    free[ATOMS + 1 :, :ATOMS], free[ATOMS + 1 :, ATOMS] = held, -1.0
    free[: ATOMS + 1, ATOMS + 1 :] = free[ATOMS + 1 :, : ATOMS + 1].T.clone()
    pull = torch.cat((stiffness @ (mean / VARIANCE + noisy / sigma**2), torch.zeros(1, 3), target))
    return (torch.linalg.pinv(free) @ pull)[:ATOMS]


def numbers(*shape: int, seed: int = 1) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn - drawn.mean(-2, keepdim=True)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_the_clamp_gives_the_conditional_mean_of_a_gaussian(sigma: float) -> None:
    mean, pos = numbers(ATOMS, 3), numbers(1, ATOMS, 3, seed=2)
    denoised = gaussian(mean)(pos, sigma)[0]
    own = denoised[CORE] - denoised[CORE].mean(0)
    target = 1.3 * own  # superposed already, so that nothing is turned
    estimate = clamp(gaussian(mean), *core_at(target))(pos, sigma)[0]
    expected = most_likely(mean, pos[0], sigma, target)
    torch.testing.assert_close(torch.cdist(estimate, estimate), torch.cdist(expected, expected))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_ends_with_the_core_on_the_template(name: str) -> None:
    template = 1.5 * numbers(len(CORE), 3, seed=5)
    settings = SamplerSettings(sampler=name, num_steps=12)
    mask, generators = MASK.expand(3, -1), [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]

    def draw() -> Tensor:
        return draw_noise(ROOT.expand(3, -1, -1), mask, generators)

    pos = SAMPLERS[name](
        clamp(gaussian(numbers(ATOMS, 3)), *core_at(template)),
        12.0 * draw(), karras_sigmas(12, 0.01, 12.0, 7.0), draw, settings,
        lambda vectors, at: remove_rigid(vectors, at, mask),
    )  # fmt: skip
    distances = torch.cdist(pos[:, CORE], pos[:, CORE])
    torch.testing.assert_close(distances, torch.cdist(template, template).expand(3, -1, -1), atol=1e-3, rtol=0)
    assert (pos[0] - pos[1]).abs().max() > 0.1  # the rest is not the same


def test_the_clamped_estimate_turns_with_the_positions(rotation: Tensor) -> None:
    core, weights = core_at(numbers(len(CORE), 3, seed=5))
    clamped = clamp(lambda pos, _: 0.9 * pos, core, weights)
    pos = numbers(2, ATOMS, 3, seed=3)
    torch.testing.assert_close(clamped(pos @ rotation, 1.0), clamped(pos, 1.0) @ rotation)


def test_the_template_is_never_reflected() -> None:
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    core = Core(np.arange(4), corners.numpy())
    clamped = clamp(lambda pos, _: pos, core, np.eye(4))(-corners[None], 1.0)[0]
    assert torch.linalg.det(clamped[1:] - clamped[0]) > 0.9


def test_an_estimate_does_not_depend_on_the_batch() -> None:
    core, weights = core_at(numbers(len(CORE), 3, seed=5))
    clamped = clamp(lambda pos, _: 0.9 * pos, core, weights)
    pos = numbers(7, ATOMS, 3, seed=3).float()
    assert torch.equal(clamped(pos, 1.0)[2:6], clamped(pos[2:6], 1.0))
