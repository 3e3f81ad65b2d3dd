"""Shares of conformers at equilibrium."""

from __future__ import annotations

import numpy as np

BOLTZMANN_KCAL_MOL_K = 1.987204259e-3  # CODATA 2018 gas constant, 8.314462618 J/(mol K) / 4184
ROOM_TEMPERATURE_K = 298.15


def boltzmann_weights(energies_kcal_mol: np.ndarray, temperature_k: float = ROOM_TEMPERATURE_K) -> np.ndarray:
    """Shares (K,) of the conformers at equilibrium, without degeneracies; nan weighs 0, and so do all if all are nan.

    temperature_k: above 0.
    """
    known = np.isfinite(energies_kcal_mol)
    weights = np.zeros(len(energies_kcal_mol))
    if known.any():
        above = energies_kcal_mol[known] - energies_kcal_mol[known].min()
        weights[known] = np.exp(-above / (BOLTZMANN_KCAL_MOL_K * temperature_k))
        weights /= weights.sum()
    return weights
