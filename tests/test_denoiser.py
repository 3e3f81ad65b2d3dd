"""Promises of the denoiser: one set of scalings, an exact limit at low noise, a loss that knows what is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from confgen.denoiser import Denoiser, LossSettings
from confgen.graph import adjacency
from confgen.models.dense import DenseGraph, unflatten
from confgen.models.geometry import centre, remove_rigid
from confgen.models.layer import Encoded
from confgen.models.scaling import Scalings
from confgen.prior import harmonic_root
from confgen.sampler import SAMPLERS, SamplerSettings

SIGMAS = torch.tensor([0.005, 0.1, 0.89, 3.0, 12.0], dtype=torch.float64)
SIGMA_DATA = 0.89
QUOTIENT = LossSettings(local=0.0, quotient=True)

Sample = tuple[DenseGraph, Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def denoiser(tiny: dict[str, Any], randomise: Callable[..., nn.Module]) -> Denoiser:
    made = Denoiser("clofnet", **tiny)
    randomise(made)
    return made


@pytest.fixture
def sample(ethanol: Data, threonine: Data) -> Sample:
    """Graph, clean, root, sigma and eps of two molecules with three draws each, float64."""
    batch = Batch.from_data_list([ethanol, threonine])
    graph = DenseGraph.from_flat(batch)
    clean = unflatten(batch.pos, graph.mask).repeat_interleave(3, 0)
    root = harmonic_root(adjacency(graph.pair), graph.mask, torch.float64)
    generator = torch.Generator().manual_seed(0)
    sigma = torch.tensor([0.05, 0.4, 2.0, 0.1, 0.8, 5.0], dtype=torch.float64)
    return graph, clean, root, sigma, torch.randn(clean.shape, generator=generator, dtype=torch.float64)


def answering(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Tensor], Tensor]) -> None:
    """Lets the denoiser's estimate be `answer(noisy)`."""

    def forward(encoded: object, pos: Tensor, sigma: Tensor) -> Tensor:
        del encoded, sigma
        return answer(pos)

    monkeypatch.setattr(denoiser, "forward", forward)


def encoded_of(encoded: Encoded, row: int) -> Encoded:
    """What one of the molecules of a batch is encoded as."""

    def own(tensor: Tensor) -> Tensor:
        return tensor[row : row + 1]

    return Encoded(
        encoded.graph.map(own), own(encoded.atoms), [own(pair) for pair in encoded.pairs], own(encoded.near),
        own(encoded.bonds),
    )  # fmt: skip


def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the loss in float64, which `loss` otherwise takes to float32."""
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)


def white(root: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Clean data with spread sigma_data in the whitened basis, and noise of the prior at level 1, (count, M, 3)."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, count, root.shape[-1], 3, dtype=torch.float64, generator=generator)
    return SIGMA_DATA * root @ first, root @ second


@pytest.mark.parametrize("sigma", SIGMAS.tolist())
def test_the_target_of_the_network_has_unit_variance(sigma: float, threonine: Data) -> None:
    graph = DenseGraph.from_flat(threonine)
    bonded = adjacency(graph.pair)
    clean, noise = white(harmonic_root(bonded, graph.mask, torch.float64), 4000)
    scale = Scalings(torch.tensor([sigma], dtype=torch.float64), SIGMA_DATA)
    target = (clean - scale.c_skip * (clean + sigma * noise)) / scale.c_out
    laplacian = torch.diag_embed(bonded.sum(-1).double()) - bonded.double()
    variance = (target * (laplacian @ target)).sum((-1, -2)).mean() / (3 * (threonine.num_nodes - 1))
    assert float(variance) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("sigma", SIGMAS.tolist())
def test_the_input_of_the_network_has_unit_variance(sigma: float, threonine: Data) -> None:
    graph = DenseGraph.from_flat(threonine)
    bonded = adjacency(graph.pair)
    clean, noise = white(harmonic_root(bonded, graph.mask, torch.float64), 4000)
    scaled = Scalings(torch.tensor([sigma], dtype=torch.float64), SIGMA_DATA).c_in * (clean + sigma * noise)
    laplacian = torch.diag_embed(bonded.sum(-1).double()) - bonded.double()
    variance = (scaled * (laplacian @ scaled)).sum((-1, -2)).mean() / (3 * (threonine.num_nodes - 1))
    assert float(variance) == pytest.approx(1, abs=0.03)


def test_the_network_recovers_the_scalings_from_its_noise_input() -> None:
    made = Scalings(SIGMAS, SIGMA_DATA)
    again = Scalings.from_noise(made.c_noise, SIGMA_DATA)
    torch.testing.assert_close(torch.cat((again.c_in, again.c_skip, again.c_out)),
                               torch.cat((made.c_in, made.c_skip, made.c_out)))  # fmt: skip


def test_the_output_scale_is_accurate_at_low_noise_in_fp32() -> None:
    sigma = torch.tensor([1e-4])
    exact = SIGMA_DATA * math.sqrt(2 - 2 / math.sqrt(1 + (1e-4 / SIGMA_DATA) ** 2))
    assert float(Scalings(sigma, SIGMA_DATA).c_out) == pytest.approx(exact, rel=1e-4)


def test_the_estimate_tends_to_the_input_as_the_noise_vanishes(denoiser: Denoiser, threonine: Data) -> None:
    encoded = denoiser.encode(DenseGraph.from_flat(threonine))
    pos = threonine.pos.unsqueeze(0)
    far, near = ((denoiser(encoded, pos, torch.tensor([s]).double()) - pos).detach().abs().max() for s in (1e-3, 1e-5))
    assert near < 1e-4
    assert float(far / near) == pytest.approx(100, rel=0.3)


def test_a_fresh_denoiser_only_shrinks_its_input(tiny: dict[str, Any], threonine: Data) -> None:
    fresh = Denoiser("clofnet", **tiny).double()
    pos, sigma = threonine.pos.unsqueeze(0), torch.tensor([0.89], dtype=torch.float64)
    estimate = fresh(fresh.encode(DenseGraph.from_flat(threonine)), pos, sigma)
    torch.testing.assert_close(estimate, pos / math.sqrt(2))


def test_a_perfect_estimate_costs_nothing(denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    in_double(monkeypatch)
    clean = centre(sample[1], sample[0].mask.repeat_interleave(3, 0))
    answering(denoiser, monkeypatch, lambda _: clean)
    loss, _ = denoiser.loss(*sample, LossSettings())
    torch.testing.assert_close(loss, torch.zeros_like(loss), rtol=0, atol=1e-12)


def test_every_part_of_the_loss_is_positive(denoiser: Denoiser, sample: Sample) -> None:
    _, parts = denoiser.loss(*sample, LossSettings())
    assert all((part > 0).all() for part in parts.values())


@pytest.mark.parametrize("part", ["whitened", "cartesian", "local"])
def test_the_loss_is_the_weighted_sum_of_its_parts(part: str, denoiser: Denoiser, sample: Sample) -> None:
    only = replace(LossSettings(whitened=0.0, cartesian=0.0, local=0.0), **{part: 2.0})
    loss, parts = denoiser.loss(*sample, only)
    torch.testing.assert_close(loss, 2 * parts[part])


@pytest.mark.parametrize("quotient", [True, False])
def test_an_estimate_turned_a_little_costs_the_same_only_with_the_quotient_loss(
    quotient: bool, denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    mask = sample[0].mask.repeat_interleave(3, 0)
    settings = replace(QUOTIENT, quotient=quotient)
    angular = 0.1 * torch.randn(6, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    losses = []
    for turn in (0.0, 1.0):
        answering(denoiser, monkeypatch, lambda noisy, turn=turn: centre(
            0.8 * noisy + turn * torch.linalg.cross(angular.expand_as(noisy), centre(noisy, mask)), mask))  # fmt: skip
        losses.append(denoiser.loss(*sample, settings)[0])
    assert torch.allclose(losses[0], losses[1], rtol=1e-4) == quotient


@pytest.mark.parametrize("quotient", [True, False])
def test_a_shifted_estimate_costs_the_same(
    quotient: bool, denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    losses = []
    for shift in (0.0, 1.5):
        answering(denoiser, monkeypatch, lambda noisy, shift=shift: 0.8 * noisy + shift)
        losses.append(denoiser.loss(*sample, LossSettings(quotient=quotient))[0])
    torch.testing.assert_close(losses[0], losses[1])


def test_the_loss_does_not_depend_on_how_the_molecule_is_turned(
    denoiser: Denoiser, sample: Sample, rotation: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    graph, clean, root, sigma, eps = sample
    turned, _ = denoiser.loss(graph, clean @ rotation.T, root, sigma, eps @ rotation.T, LossSettings())
    torch.testing.assert_close(turned, denoiser.loss(*sample, LossSettings())[0], rtol=1e-8, atol=1e-10)


def test_draws_of_one_molecule_cost_what_they_cost_as_samples_of_their_own(
    denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    graph, clean, root, sigma, eps = sample
    repeated = graph.map(lambda tensor: tensor.repeat_interleave(3, 0))
    alone, _ = denoiser.loss(repeated, clean, root.repeat_interleave(3, 0), sigma, eps, LossSettings())
    torch.testing.assert_close(denoiser.loss(*sample, LossSettings())[0], alone)


def test_padding_does_not_change_the_loss(
    denoiser: Denoiser, sample: Sample, ethanol: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    _, clean, root, sigma, eps = sample
    small = DenseGraph.from_flat(ethanol)
    alone, _ = denoiser.loss(small, clean[:3, :3], root[:1, :3, :3], sigma[:3], eps[:3, :3], LossSettings())
    torch.testing.assert_close(denoiser.loss(*sample, LossSettings())[0][:3], alone)


def test_a_shift_takes_the_place_of_noise_where_there_is_one(
    denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_double(monkeypatch)
    graph, clean, root, sigma, eps = sample
    noise = sigma.view(-1, 1, 1) * (root.repeat_interleave(3, 0) @ eps)
    usual, _ = denoiser.loss(*sample, LossSettings())
    same, _ = denoiser.loss(*sample, LossSettings(), noise)
    torch.testing.assert_close(same, usual)
    shift = torch.full_like(noise, torch.nan)
    shift[1] = 0.0
    answering(denoiser, monkeypatch, lambda noisy: noisy)
    loss, _ = denoiser.loss(graph, clean, root, sigma, eps, LossSettings(), shift)
    assert loss[1] < 1e-12
    assert (loss[[0, 2, 3, 4, 5]] > 1e-3).all()


def test_a_step_from_shifted_positions_is_a_single_step_of_the_sampler(
    denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, clean, _, sigma, eps = sample
    in_double(monkeypatch)
    monkeypatch.setattr("confgen.denoiser.LOST", math.inf)
    mask = graph.mask.repeat_interleave(3, 0)
    shift = 0.3 * centre(eps, mask)
    shift[1::2] = torch.nan
    stepped = denoiser.double().step(graph, clean, sigma, shift)
    assert stepped[1::2].isnan().all()
    encoded = denoiser.encode(graph).repeat(3)
    pos = centre(clean, mask) + shift.nan_to_num()
    for k in range(0, len(pos), 2):
        one = encoded_of(encoded, k)
        sigmas = torch.tensor([sigma[k], 0.0], dtype=torch.float64)

        def denoise(at: Tensor, level: float, one: Encoded = one) -> Tensor:
            return denoiser(one, at, torch.tensor([level], dtype=torch.float64))

        def project(vectors: Tensor, at: Tensor, k: int = k) -> Tensor:
            return remove_rigid(vectors, at, mask[k : k + 1])

        ended = SAMPLERS["dpmpp"](denoise, pos[k : k + 1], sigmas, lambda: pos, SamplerSettings(), project)
        torch.testing.assert_close(centre(clean, mask)[k] + stepped[k], ended[0] * mask[k, :, None])


def test_starts_that_a_step_loses_stay_where_they_were(
    denoiser: Denoiser, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, clean, _, sigma, eps = sample
    in_double(monkeypatch)
    mask = graph.mask.repeat_interleave(3, 0)
    shift = 0.3 * centre(eps, mask)
    size = torch.tensor([1.0, 1.0, 20.0, 1.0, torch.nan, torch.inf], dtype=torch.float64).view(-1, 1, 1)
    answering(denoiser, monkeypatch, lambda noisy: size * centre(clean, mask) + 0.0 * noisy)
    stepped = denoiser.step(graph, clean, sigma, shift)
    apart = (stepped - shift).abs().amax((-1, -2))
    assert (apart[[0, 1, 3]] > 0.1).all()
    assert (apart[[2, 4, 5]] == 0).all()


def test_only_starts_cost_a_power_of_their_loss(denoiser: Denoiser, sample: Sample) -> None:
    graph, clean, root, sigma, eps = sample
    denoiser.double()
    shift = 0.3 * eps
    shift[1::2] = torch.nan
    usual, parts = denoiser.loss(graph, clean, root, sigma, eps, LossSettings(), shift)
    root_of, same = denoiser.loss(graph, clean, root, sigma, eps, LossSettings(power=0.5), shift)
    torch.testing.assert_close(root_of[1::2], usual[1::2])
    torch.testing.assert_close(root_of[::2], 2 * (usual[::2] + 0.01).sqrt())
    torch.testing.assert_close(parts, same)


def test_an_untrained_network_costs_about_one_at_any_noise(tiny: dict[str, Any], threonine: Data) -> None:
    fresh, graph = Denoiser("clofnet", **tiny).double(), DenseGraph.from_flat(threonine)
    root = harmonic_root(adjacency(graph.pair), graph.mask, torch.float64)
    clean, _ = white(root, 300)
    eps = torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    for sigma in SIGMAS:
        _, parts = fresh.loss(graph, clean, root, sigma.expand(300), eps, replace(QUOTIENT, quotient=False))
        assert float(parts["whitened"].detach().mean()) == pytest.approx(1, abs=0.1)


def test_the_loss_of_a_single_bond_is_finite(denoiser: Denoiser, graph_of: Callable[[str], Data]) -> None:
    data = graph_of("[H][H]")
    graph = DenseGraph.from_flat(data)
    root = harmonic_root(adjacency(graph.pair), graph.mask, torch.float64)
    sigma, eps = torch.tensor([0.5], dtype=torch.float64), torch.ones(1, 2, 3, dtype=torch.float64)
    loss, _ = denoiser.loss(graph, data.pos.unsqueeze(0), root, sigma, eps, LossSettings())
    loss.sum().backward()
    assert loss.isfinite().all()
    gradients = [p.grad for p in denoiser.parameters() if p.grad is not None]
    assert any(gradient.any() for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_products_kept_in_bf16_are_those_of_autocast(denoiser: Denoiser, sample: Sample) -> None:
    graph, clean, _, sigma, _ = sample
    single = DenseGraph(*(part.float() if part.is_floating_point() else part for part in vars(graph).values()))
    both = denoiser.float(), denoiser.float().with_bf16_products()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected, given = (own(own.encode(single).repeat(3), clean.float(), sigma.float()) for own in both)
    assert torch.equal(given, expected)
    assert {p.dtype for p in denoiser.parameters()} == {torch.float32}
