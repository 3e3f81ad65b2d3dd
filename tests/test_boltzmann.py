"""Weights of conformers are those of the textbook."""

from __future__ import annotations

import numpy as np

from confgen.boltzmann import boltzmann_weights


def test_equal_energies_share_equally() -> None:
    np.testing.assert_allclose(boltzmann_weights(np.full(4, 3.0)), 0.25)


def test_two_states_at_kt_have_the_weights_of_the_textbook() -> None:
    kt = 8.314462618 * 300 / 4184  # kcal/mol
    weights = boltzmann_weights(np.array([1e6, np.nan, 1e6 + kt]), 300)
    np.testing.assert_allclose(weights, [1 / (1 + np.exp(-1)), 0, 1 / (1 + np.e)], rtol=1e-6)


def test_weights_of_the_far_too_high_and_of_the_unknown_are_zero() -> None:
    np.testing.assert_array_equal(boltzmann_weights(np.array([0.0, 1e9, np.inf]), 300), [1, 0, 0])
    np.testing.assert_array_equal(boltzmann_weights(np.full(2, np.nan), 300), [0, 0])
