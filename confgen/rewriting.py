"""Molecules that were read from an ensemble file, as the writers take ensembles."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdkit.Chem import Mol

from confgen.conformer_sets import ConformerSet, Making
from confgen.errors import MoleculeError


@dataclass(frozen=True)
class Reread:
    """A `ConformerSet` with the names of an ensemble; what its file did not say is None or empty, and is not written.

    energies: (K,) kcal/mol above the lowest; where that lies is not known.
    """

    mol: Mol | None
    name: str
    origin: str
    seed: int | None
    weights: str
    theory: str
    energy_method: str
    energies: list[float] | None
    boltzmann_weights: list[float] | None
    error: MoleculeError | None
    absolute: bool = False
    checks: list[list[str]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def reread(found: ConformerSet) -> Reread:
    """What the writers need of a molecule that was read."""
    making = found.making or Making()
    return Reread(
        mol=found.mol,
        name=found.name,
        origin=found.origin,
        seed=making.seed,
        weights=making.weights,
        theory=making.theory,
        energy_method=making.energy_method,
        energies=None if found.energies is None else found.energies.tolist(),
        boltzmann_weights=None if found.weights is None else found.weights.tolist(),
        error=found.error,
    )
