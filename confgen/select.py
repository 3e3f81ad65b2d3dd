"""Which of many conformers to keep."""

from __future__ import annotations

import numpy as np


def k_medoids(distance: np.ndarray, count: int) -> list[int]:
    """The `count` conformers that stand for all best: the sum of distances to the nearest of them is smallest.

    What comes first was the best to add to those before it. A local optimum: a greedy choice, then exchanges of one
    chosen for one other conformer while that helps, always the best such exchange (PAM).

    distance: (M, M), as RMSDs in angstrom; those that are not finite count as very far.
    Source:   Kaufman and Rousseeuw, Finding Groups in Data, Wiley 1990, chapter 2.
    """
    cost = np.nan_to_num(distance, nan=1e6, posinf=1e6)
    chosen: list[int] = []
    nearest = np.full(len(cost), np.inf)
    for _ in range(min(count, len(cost))):
        sums = np.minimum(cost, nearest).sum(axis=1)
        sums[chosen] = np.inf
        chosen.append(int(sums.argmin()))
        nearest = np.minimum(nearest, cost[chosen[-1]])
    while 0 < len(chosen) < len(cost):
        place, new, gain = _best_exchange(cost, chosen)
        if gain <= 1e-9 * max(1.0, float(nearest.sum())):
            break
        chosen[place] = new
    return chosen


def _best_exchange(cost: np.ndarray, chosen: list[int]) -> tuple[int, int, float]:
    """The place among the chosen, what to put there instead, and by how much that lowers the sum."""
    own = cost[chosen]  # (count, M)
    order = own.argsort(axis=0)
    rows = np.arange(len(cost))
    first = own[order[0], rows]
    second = own[order[1], rows] if len(chosen) > 1 else np.full(len(cost), np.inf)
    best = (0, 0, 0.0)
    for place in range(len(chosen)):
        without = np.where(order[0] == place, second, first)
        sums = np.minimum(cost, without).sum(axis=1)
        sums[chosen] = np.inf
        new = int(sums.argmin())
        gain = float(first.sum() - sums[new])
        if gain > best[2]:
            best = (place, new, gain)
    return best
