"""Which of many conformers to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from confgen.distinct import distances, distinct
from confgen.errors import CannotStart

WAYS = ("energy", "diverse")


@dataclass(frozen=True)
class Choice:
    """Conformers to keep.

    kept:           their indices in the order of output: by rising energy if there are energies, else first what
                    stands for most.
    beyond_window:  how many lay above the energy window.
    duplicates:     how many in the window were the same as a better one.
    """

    kept: list[int]
    beyond_window: int
    duplicates: int


def choose(
    mol: Chem.Mol,
    count: int,
    *,
    rms: float | None,
    energies_kcal_mol: Sequence[float] | np.ndarray | None = None,
    ewindow_kcal_mol: float | None = None,
    by: str = "diverse",
) -> Choice:
    """The choice of at most `count` conformers of a molecule with K of them.

    rms:     heavy-atom RMSD in angstrom below which two are the same and the lower in energy stays (without energies
             the first); None or 0 keeps duplicates.
    energies_kcal_mol: (K,), on any scale; one that is not finite counts as the highest, and as beyond any window.
    ewindow_kcal_mol:  above the lowest.
    by:      "energy" takes the lowest that are distinct; "diverse" those that stand for all distinct ones in the
             window best (see `k_medoids`), the lowest in energy always among them.
    Raises:  CannotStart for another way, and where energies are needed and missing.
    """
    if by not in WAYS:
        raise CannotStart(f"conformers cannot be chosen by {by!r}; choose {' or '.join(WAYS)}")
    if energies_kcal_mol is None and (by == "energy" or ewindow_kcal_mol is not None):
        what = "choosing by energy" if by == "energy" else "an energy window"
        raise CannotStart(f"{what} needs energies, which these conformers lack; relax them, or do without")
    total = mol.GetNumConformers()
    energies = np.zeros(total) if energies_kcal_mol is None else _usable(energies_kcal_mol, total)
    order = energies.argsort(kind="stable")
    inside = order.tolist()
    if ewindow_kcal_mol is not None and total:
        inside = order[energies[order] - energies[order[0]] <= ewindow_kcal_mol].tolist()
    different = distinct(mol, inside, rms) if rms else inside
    kept = different[:count]
    if by == "diverse" and (energies_kcal_mol is None or count < len(different)):
        fixed = [] if energies_kcal_mol is None else [0]
        chosen = k_medoids(distances(mol, different), count, fixed)
        kept = [different[k] for k in (chosen if energies_kcal_mol is None else sorted(chosen))]
    return Choice(kept, beyond_window=total - len(inside), duplicates=len(inside) - len(different))


def _usable(energies: Sequence[float] | np.ndarray, total: int) -> np.ndarray:
    """Energies (K,) with infinity for those that are not finite; relative to the lowest."""
    usable = np.asarray(energies, dtype=np.float64)
    if usable.shape != (total,):
        raise ValueError(f"{len(usable)} energies for {total} conformers")
    finite = np.isfinite(usable)
    return np.where(finite, usable - (usable[finite].min() if finite.any() else 0.0), np.inf)


def k_medoids(
    distance: np.ndarray, count: int, fixed: Sequence[int] = (), weights: np.ndarray | None = None
) -> list[int]:
    """The `count` conformers that stand for all best: the weighed sum of distances to the nearest of them is smallest.

    `fixed` ones are chosen in any case and come first; of the others, what comes first was the best to add to those
    before it. A local optimum: a greedy choice, then exchanges of one chosen for one other conformer while that helps,
    always the best such exchange (PAM).

    distance: (M, M), as RMSDs in angstrom; those that are not finite count as very far.
    weights:  (M,), how much it counts that a conformer has one near it; all alike if None.
    Source:   Kaufman and Rousseeuw, Finding Groups in Data, Wiley 1990, chapter 2; all exchanges at once after
              Schubert and Rousseeuw, Inf. Syst. 2021, 101, 101804.
    """
    cost = np.nan_to_num(distance, nan=1e6, posinf=1e6)
    weight = np.ones(len(cost)) if weights is None else np.asarray(weights, dtype=np.float64)
    chosen = _greedily(cost, min(count, len(cost)), list(fixed)[:count], weight)
    while len(fixed) < len(chosen) < len(cost):
        place, new, gain = _best_exchange(cost, chosen, len(fixed), weight)
        if gain <= 1e-9 * max(1.0, float(cost[chosen].min(axis=0) @ weight)):
            break
        chosen[place] = new
    return chosen


def _greedily(cost: np.ndarray, count: int, chosen: list[int], weight: np.ndarray) -> list[int]:
    """The chosen, and what is the best to add to those before it, until there are `count`.

    What one would bring only shrinks as others come in, so that most need not be worked out again each time.
    Source: Minoux, Optimization Techniques, Springer 1978, 234.
    """
    if not chosen and count:
        chosen = [int((cost @ weight).argmin())]
    if len(chosen) >= count:
        return chosen
    nearest = cost[chosen].min(axis=0)
    gain = np.maximum(nearest - cost, 0.0) @ weight
    gain[chosen] = -np.inf
    known = np.full(len(cost), len(chosen))  # how many were chosen when the gain was worked out
    while len(chosen) < count:
        best = int(gain.argmax())
        if known[best] < len(chosen):
            gain[best], known[best] = np.maximum(nearest - cost[best], 0.0) @ weight, len(chosen)
            continue
        chosen.append(best)
        gain[best] = -np.inf
        nearest = np.minimum(nearest, cost[best])
    return chosen


def _best_exchange(cost: np.ndarray, chosen: list[int], num_fixed: int, weight: np.ndarray) -> tuple[int, int, float]:
    """The place among the chosen, what to put there instead, and by how much that lowers the sum.

    Putting a conformer in helps those that it is nearer to than their first; taking one out costs its own followers
    the way to their second, or to the one put in if that is nearer.
    """
    own = cost[chosen]  # (count, M)
    rank = own.argsort(axis=0)
    rows = np.arange(len(cost))
    place = rank[0]
    first = own[place, rows]
    second = own[rank[1], rows] if len(chosen) > 1 else np.full(len(cost), max(float(cost.max()), 0.0))
    put_in = np.maximum(first - cost, 0.0) @ weight  # (M,)
    taken_out = np.bincount(place, (second - first) * weight, minlength=len(chosen))  # (count,)
    followers = np.zeros((len(cost), len(chosen)))
    followers[rows, place] = weight
    saved = (second - np.clip(cost, first, second)) @ followers  # (M, count)
    gain = put_in[:, None] - taken_out + saved
    gain[chosen] = -np.inf
    gain[:, :num_fixed] = -np.inf
    new, best = np.unravel_index(gain.argmax(), gain.shape)
    return int(best), int(new), float(gain[new, best])
