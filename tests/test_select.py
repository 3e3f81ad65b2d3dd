"""Promises of the choice among conformers: the ones chosen stand for all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from confgen.select import k_medoids


def spread(points: np.ndarray) -> np.ndarray:
    """Distances between points on a line, (M, M)."""
    distances: np.ndarray = np.abs(points[:, None] - points)
    return distances


def cost(distance: np.ndarray, chosen: list[int]) -> float:
    return float(distance[chosen].min(axis=0).sum())


def test_every_cluster_gives_its_middle() -> None:
    distance = spread(np.array([0.0, 1.0, 2.1, 10.0, 11.0, 12.1, 20.0, 21.0, 22.1]))
    assert sorted(k_medoids(distance, 3)) == [1, 4, 7]


def test_a_crowd_takes_no_more_than_its_share() -> None:
    distance = spread(np.concatenate((np.linspace(0, 0.1, 30), [5.0, 9.0])))
    assert {30, 31} < set(k_medoids(distance, 3))


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_at_most_a_little_worse_than_the_best(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    best = min(cost(distance, list(chosen)) for chosen in itertools.combinations(range(12), 4))
    assert cost(distance, k_medoids(distance, 4)) <= 1.1 * best


def test_no_exchange_of_one_conformer_improves_the_choice() -> None:
    points = np.random.default_rng(3).normal(size=(40, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    chosen = k_medoids(distance, 6)
    others = [
        [*chosen[:place], new, *chosen[place + 1 :]] for place in range(6) for new in set(range(40)) - set(chosen)
    ]
    assert cost(distance, chosen) <= min(cost(distance, other) for other in others) + 1e-9


@pytest.mark.parametrize(("count", "chosen"), [(0, []), (3, [0, 1, 2]), (7, [0, 1, 2])])
def test_none_and_all_can_be_chosen(count: int, chosen: list[int]) -> None:
    assert sorted(k_medoids(spread(np.array([0.0, 1.0, 5.0])), count)) == chosen


def test_no_conformer_is_chosen_twice_among_equal_ones() -> None:
    assert len(set(k_medoids(np.zeros((6, 6)), 4))) == 4


def test_distances_that_are_not_finite_count_as_far() -> None:
    distance = spread(np.array([0.0, 0.1, 0.2, 9.0]))
    distance[3, :3] = distance[:3, 3] = np.inf
    assert set(k_medoids(distance, 2)) == {1, 3}
