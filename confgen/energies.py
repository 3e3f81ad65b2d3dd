"""Energies and Boltzmann weights of the conformers of a file, where it has one for each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from confgen.boltzmann import boltzmann_weights

Numbers = Sequence[float | None]


def objections(where: str, count: int, energies: Numbers | None, weights: Numbers | None) -> tuple[str, ...]:
    """A note on energies, and one on Boltzmann weights, that are of no use. where: the molecule, for messages."""
    found = _objection(energies, count, "energies"), _objection(weights, count, "weights", positive=True)
    return tuple(f"{where}: {reason}" for reason in found if reason)


def _objection(values: Numbers | None, count: int, what: str, *, positive: bool = False) -> str:
    """Why the numbers of a file are of no use; "" if they are, or there are none. positive: as weights are."""
    if not values:
        return ""
    if len(values) != count:
        return f"its {what} are left out: there are {len(values)} for {count} conformers"
    lacking = [number for number, value in enumerate(values, start=1) if value is None or not math.isfinite(value)]
    if lacking:
        return f"its {what} are left out: that of conformer {lacking[0]} is not a finite number"
    known = [value or 0.0 for value in values]
    if positive and min(known) < 0:
        return f"its {what} are left out: that of conformer {known.index(min(known)) + 1} is negative"
    return f"its {what} are left out: all of them are 0" if positive and not sum(known) else ""


def unless_unknown(values: Numbers | None) -> Numbers | None:
    """The numbers of confgen, None if it left one out, which is how it says that it does not know it."""
    return None if values and None in values else values


def complete(values: Numbers | None, count: int) -> list[float] | None:
    """The numbers, if there is one for each of `count` conformers."""
    known = [float(value) for value in values or () if value is not None]
    return known if count and len(known) == count and len(values or ()) == count else None


def relative(energies: Numbers | np.ndarray | None) -> np.ndarray | None:
    """Energies above the lowest, (K,); None unless all are known."""
    if energies is None or not len(energies) or any(value is None or not np.isfinite(value) for value in energies):
        return None
    values = np.array(energies, dtype=np.float64)
    above: np.ndarray = values - values.min()
    return above


def normalised(weights: Sequence[float] | np.ndarray | None, energies: np.ndarray | None) -> np.ndarray | None:
    """Weights with sum 1, those of the energies at room temperature if none are given."""
    if weights is None or min(weights) < 0 or not np.isfinite(sum(weights)) or sum(weights) <= 0:
        return None if energies is None else boltzmann_weights(energies)
    values = np.array(weights, dtype=np.float64)
    shares: np.ndarray = values / values.sum()
    return shares
