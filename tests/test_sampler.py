"""Promises of the samplers, held against Gaussian data, whose exact denoiser and flow are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from confgen.errors import CannotStart
from confgen.models.geometry import remove_rigid
from confgen.prior import draw_noise, harmonic_root, laplacian
from confgen.sampler import SAMPLERS, Denoise, SamplerSettings
from confgen.schedule import karras_sigmas

SPREAD = 0.89  # standard deviation of the data in the whitened basis
MODE_SPREADS = torch.tensor([0.0, 1.6, 0.9, 0.5, 0.2], dtype=torch.float64)  # another for every mode of the chain
SETTINGS = SamplerSettings(num_steps=60, s_churn=15.0, corrector_steps=2)


def chain(n: int, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Adjacency (1, size, size) and mask (1, size) of a chain of n atoms, padded to `size`."""
    index = torch.arange(size or n)
    mask = index[None] < n
    near = (index[:, None] - index).abs() == 1
    adjacency: Tensor = near & mask[:, :, None] & mask[:, None, :]
    return adjacency, mask


def isotropic(pos: Tensor, sigma: float) -> Tensor:
    """The exact denoiser of Gaussian data of covariance SPREAD^2 Sigma."""
    return SPREAD**2 / (SPREAD**2 + sigma**2) * pos


def per_mode() -> tuple[Denoise, Tensor]:
    """The exact denoiser of Gaussian data with MODE_SPREADS, and the covariance of those data (5, 5)."""
    values, modes = torch.linalg.eigh(laplacian(*chain(5))[0])

    def denoise(pos: Tensor, sigma: float) -> Tensor:
        shrink = MODE_SPREADS**2 / (MODE_SPREADS**2 + sigma**2)
        filtered: Tensor = ((modes * shrink) @ modes.T) @ pos
        return filtered

    return denoise, (modes[:, 1:] * (MODE_SPREADS**2 / values)[1:]) @ modes[:, 1:].T


def noise_source(batch: int, n: int, seed: int) -> Callable[[], Tensor]:
    """Noise of the harmonic prior of a chain, (batch, n, 3) a call, from one generator."""
    generator = torch.Generator().manual_seed(seed)
    root = harmonic_root(*chain(n), dtype=torch.float64)
    return lambda: root @ torch.randn(batch, n, 3, generator=generator, dtype=torch.float64)


def schedule(settings: SamplerSettings) -> Tensor:
    return karras_sigmas(settings.num_steps, settings.sigma_min, settings.sigma_max, settings.rho)


def sampled_covariance(name: str, denoise: Denoise, count: int = 8_000) -> Tensor:
    sigmas, draw = schedule(SETTINGS), noise_source(count, 5, seed=3)
    pos = SAMPLERS[name](denoise, sigmas[0] * draw(), sigmas, draw, SETTINGS)
    return torch.einsum("bic,bjc->ij", pos, pos) / (3 * count)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_covariance_of_the_data(name: str) -> None:
    sigma = torch.linalg.pinv(laplacian(*chain(5))[0], hermitian=True)
    torch.testing.assert_close(sampled_covariance(name, isotropic), SPREAD**2 * sigma, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_covariance_of_every_mode(name: str) -> None:
    denoise, expected = per_mode()
    torch.testing.assert_close(sampled_covariance(name, denoise), expected, rtol=0.05, atol=0.03)


@pytest.mark.parametrize("name", ["heun", "dpmpp"])
def test_error_against_the_exact_flow_is_of_second_order(name: str) -> None:
    start = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def error(num_steps: int) -> float:
        sigmas = karras_sigmas(num_steps, 0.01, 12.0, 7.0)[:-1]
        settings = SamplerSettings(num_steps=num_steps)
        pos = SAMPLERS[name](isotropic, start, sigmas, lambda: start, settings)
        shrink = ((SPREAD**2 + sigmas[-1] ** 2) / (SPREAD**2 + sigmas[0] ** 2)).sqrt()
        return float((pos - shrink * start).norm())

    errors = [error(num_steps) for num_steps in (20, 40, 80, 160)]
    assert all(coarse > 3 * fine for coarse, fine in pairwise(errors)), errors


@pytest.mark.parametrize("name", ["heun", "dpmpp"])
def test_deterministic_samplers_draw_no_noise(name: str) -> None:
    def draw() -> Tensor:
        raise AssertionError("noise was drawn")

    SAMPLERS[name](isotropic, torch.ones(1, 5, 3), schedule(SETTINGS), draw, SETTINGS)


def test_without_churn_the_stochastic_sampler_is_heun() -> None:
    settings, draw = dataclasses.replace(SETTINGS, s_churn=0.0), noise_source(1, 5, seed=1)
    start = draw()
    heun = SAMPLERS["heun"](isotropic, start, schedule(settings), draw, settings)
    assert torch.equal(SAMPLERS["sde"](isotropic, start, schedule(settings), draw, settings), heun)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_conformer_depends_on_its_generator_and_not_on_the_batch(name: str) -> None:
    settings = SamplerSettings(num_steps=5)

    def run(seeds: list[int], size: int) -> Tensor:
        adjacency, mask = chain(5, size)
        mask = mask.expand(len(seeds), size)
        root = harmonic_root(adjacency.expand(len(seeds), size, size), mask)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        sigmas = schedule(settings)
        start = sigmas[0].item() * draw_noise(root, mask, generators)
        return SAMPLERS[name](isotropic, start, sigmas, lambda: draw_noise(root, mask, generators), settings)

    assert torch.equal(run([4, 5, 6], size=9)[1:2, :5], run([5], size=5))


@pytest.mark.parametrize("name", SAMPLERS)
def test_padding_stays_zero(name: str) -> None:
    adjacency, mask = chain(5, size=9)
    root, generators = harmonic_root(adjacency, mask), [torch.Generator().manual_seed(1)]
    start = draw_noise(root, mask, generators)
    pos = SAMPLERS[name](
        isotropic,
        start,
        schedule(SETTINGS),
        lambda: draw_noise(root, mask, generators),
        SETTINGS,
        lambda vectors, at: remove_rigid(vectors, at, mask),
    )
    assert pos[:, 5:].count_nonzero() == 0


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_of_the_start_is_kept(name: str, dtype: torch.dtype) -> None:
    start = torch.ones(1, 5, 3, dtype=dtype)
    assert SAMPLERS[name](isotropic, start, schedule(SETTINGS), lambda: start, SETTINGS).dtype == dtype


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_molecules_are_sampled(name: str, n: int) -> None:
    mask, draw = chain(n)[1], noise_source(1, n, seed=1)
    pos = SAMPLERS[name](
        isotropic, draw(), schedule(SETTINGS), draw, SETTINGS, lambda vectors, at: remove_rigid(vectors, at, mask)
    )
    assert bool(pos.isfinite().all())


def shape_seeker(spin: float, shift: float) -> Denoise:
    """A denoiser that pulls all bonds of a chain towards 1.5, and adds a turn about z and a drift along x."""

    def denoise(pos: Tensor, _sigma: float) -> Tensor:
        bonds = pos.diff(dim=1)
        wanted = 1.5 * bonds / bonds.norm(dim=-1, keepdim=True)
        clean = torch.cat((torch.zeros_like(pos[:, :1]), wanted.cumsum(1)), dim=1)
        axis = torch.tensor([0.0, 0.0, spin], dtype=pos.dtype).expand_as(pos)
        drift = torch.tensor([shift, 0.0, 0.0], dtype=pos.dtype)
        return clean - clean.mean(1, keepdim=True) + torch.cross(axis, pos, dim=-1) + drift

    return denoise


def projected_run(name: str, denoise: Denoise) -> Tensor:
    mask, draw = chain(5)[1].expand(4, 5), noise_source(4, 5, seed=2)
    sigmas = schedule(SETTINGS)
    start = sigmas[0] * draw()
    return SAMPLERS[name](denoise, start, sigmas, draw, SETTINGS, lambda vectors, pos: remove_rigid(vectors, pos, mask))


@pytest.mark.parametrize("name", SAMPLERS)
def test_projection_makes_the_rigid_part_of_the_estimate_irrelevant(name: str) -> None:
    still, moving = (projected_run(name, shape_seeker(spin, shift)) for spin, shift in ((0.0, 0.0), (0.7, 2.0)))
    # the ridge in remove_rigid leaves a millionth of a turn
    torch.testing.assert_close(moving, still, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_projection_keeps_the_centroid_at_the_origin(name: str) -> None:
    centroid = projected_run(name, shape_seeker(spin=0.7, shift=2.0)).mean(1)
    torch.testing.assert_close(centroid, torch.zeros_like(centroid))


@pytest.mark.parametrize("name", ["heun", "dpmpp"])
def test_projected_steps_do_not_turn_the_molecule(name: str) -> None:
    mask, start = chain(5)[1], noise_source(1, 5, seed=2)()
    sigmas = torch.tensor([1.0, 0.999], dtype=torch.float64)
    denoise = shape_seeker(spin=0.7, shift=0.0)
    pos = SAMPLERS[name](denoise, start, sigmas, lambda: start, SETTINGS, lambda v, at: remove_rigid(v, at, mask))
    turn = torch.linalg.cross(start, pos - start).sum(1).norm() / start.square().sum()
    # second order in the step; without the projection it is 7e-4
    assert turn.item() < 1e-5


@pytest.mark.parametrize(("name", "each"), [("heun", 2), ("dpmpp", 1), ("sde", 2), ("langevin", 4)])
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_a_step_calls_the_network_as_often_as_it_says_and_the_last_once(name: str, each: int, num_steps: int) -> None:
    settings, count = SamplerSettings(num_steps=num_steps, corrector_steps=3), 0

    def denoise(pos: Tensor, sigma: float) -> Tensor:
        nonlocal count
        count += 1
        return isotropic(pos, sigma)

    start = torch.ones(1, 5, 3)
    SAMPLERS[name](denoise, start, schedule(settings), lambda: start, settings)
    assert count == each * (num_steps - 1) + 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_step_lands_on_the_clean_estimate(name: str) -> None:
    start = torch.ones(1, 5, 3, dtype=torch.float64)
    settings = SamplerSettings(num_steps=1, s_churn=0.0)
    pos = SAMPLERS[name](lambda pos, _sigma: 3 * pos, start, karras_sigmas(1, 0.01, 0.5, 7.0), lambda: start, settings)
    torch.testing.assert_close(pos, 3 * start)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "euler"}, "sampler is 'euler'; choose one of heun"),
        ({"num_steps": 0}, "at least 1"),
        ({"sigma_min": 13.0}, "0 < sigma_min <= sigma_max"),
        ({"sampler": [1]}, r"sampler is \[1\]; choose one of heun"),
        ({"snr": 0.0}, "snr is 0.0; give one above 0"),
        ({"num_steps": 1.5}, "steps is 1.5; give a whole number"),
        ({"num_steps": math.nan}, "steps is nan; give a whole number"),
        ({"corrector_steps": math.inf}, "corrector_steps is inf; give a whole number"),
        *(
            ({name: wrong}, f"{name} is {wrong}; give .* finite")
            for name in ("rho", "s_churn", "s_noise", "s_tmin", "s_tmax", "snr", "sigma_min", "sigma_max")
            for wrong in (math.nan, math.inf)
        ),
    ],
)
def test_senseless_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(CannotStart, match=message):
        dataclasses.replace(SETTINGS, **wrong)  # type: ignore[arg-type]
