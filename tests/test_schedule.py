"""Promises of the noise schedule."""

from __future__ import annotations

import math

import pytest
import torch

from confgen.schedule import draw_training_sigmas, karras_sigmas


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("num_steps", [1, 2, 20])
def test_sigmas_fall_strictly_to_zero(num_steps: int) -> None:
    sigmas = karras_sigmas(num_steps, 0.01, 12.0, 7.0)
    assert sigmas.shape == (num_steps + 1,)
    assert bool((sigmas[1:] < sigmas[:-1]).all())
    assert sigmas[-1] == 0


def test_sigmas_begin_and_end_where_asked() -> None:
    sigmas = karras_sigmas(10, 0.01, 12.0, 7.0)
    assert sigmas[0].item() == pytest.approx(12.0)
    assert sigmas[-2].item() == pytest.approx(0.01)


def test_sigmas_are_even_in_their_seventh_root() -> None:
    roots = karras_sigmas(10, 0.01, 12.0, 7.0)[:-1] ** (1 / 7)
    steps = roots.diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps))


def test_a_single_step_starts_at_the_top() -> None:
    assert karras_sigmas(1, 0.01, 0.5, 7.0).tolist() == pytest.approx([0.5, 0.0])


def test_no_steps_are_refused() -> None:
    with pytest.raises(AssertionError, match="at least one step"):
        karras_sigmas(0, 0.01, 12.0, 7.0)


def test_reversed_bounds_are_refused() -> None:
    with pytest.raises(AssertionError, match="0 < min <= max"):
        karras_sigmas(5, 12.0, 0.01, 7.0)


def test_training_sigmas_have_the_log_mean_asked_for() -> None:
    logs = draw_training_sigmas(20_000, -0.9, 1.4, 1e-6, 1e6, generator()).log()
    assert logs.mean().item() == pytest.approx(-0.9, abs=5 * 1.4 / math.sqrt(20_000))


def test_training_sigmas_have_the_log_spread_asked_for() -> None:
    logs = draw_training_sigmas(20_000, -0.9, 1.4, 1e-6, 1e6, generator()).log()
    assert logs.std().item() == pytest.approx(1.4, rel=0.03)


def test_training_sigmas_keep_to_their_bounds() -> None:
    sigmas = draw_training_sigmas(1_000, -0.9, 1.4, 0.1, 1.0, generator())
    assert sigmas.min().item() == pytest.approx(0.1)
    assert sigmas.max().item() == pytest.approx(1.0)


def test_training_sigmas_follow_their_generator() -> None:
    first = draw_training_sigmas(5, -0.9, 1.4, 0.01, 12.0, generator())
    assert torch.equal(first, draw_training_sigmas(5, -0.9, 1.4, 0.01, 12.0, generator()))
