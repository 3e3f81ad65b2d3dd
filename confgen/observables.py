"""Energy, dipole moment and HOMO-LUMO gap of the conformers of one ensemble by GFN2-xTB, relaxed or as they are.

Cost, mean of 13 molecules of 25 heavy atoms (45 atoms), one core: a single point 0.07 s, a relaxation 4 s from ETKDG
coordinates and 2 s from those of B3LYP.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol
from threadpoolctl import threadpool_limits

from confgen.boltzmann import ROOM_TEMPERATURE_K, boltzmann_weights
from confgen.calculators import relaxed, require, single_point
from confgen.conformers import positions

LOST_BOND, MADE_BOND = 1.3, 1.15  # of the sum of covalent radii


@dataclass(frozen=True)
class PropertySettings:
    """How properties are computed; the defaults are the published protocol, but for `relax_reference`."""

    method: str = "gfn2"  # or "gfn1"
    relax: bool = True
    relax_reference: bool = True  # without effect if not `relax`
    fmax_ev_a: float = 0.02  # largest force on an atom, eV/angstrom, at which a relaxation has converged
    max_steps: int = 500
    max_conformers: int = 32  # of either ensemble
    max_molecules: int | None = 100  # chosen at random by `seed` where there are more; None for all
    temperature_k: float = ROOM_TEMPERATURE_K
    seed: int = 42
    threads: int = 1  # of each process; several workers do more than several threads


@dataclass(frozen=True)
class EnsembleAverages:
    """What an ensemble is judged by: Boltzmann-weighted averages, and the lowest energy; energies are absolute."""

    energy_kcal_mol: float
    dipole_debye: float
    gap_kcal_mol: float
    min_energy_kcal_mol: float


QUANTITIES = tuple(EnsembleAverages.__dataclass_fields__)


@dataclass(frozen=True)
class EnsembleProperties:
    """Properties of the K conformers of one ensemble; nan where the calculation failed.

    values:      (K, 3) absolute energy (kcal/mol), dipole moment (debye), HOMO-LUMO gap (kcal/mol).
    pos:         (K, N, 3) angstrom, relaxed if so asked; as they were where it failed.
    failures:    conformer (from 0) -> why there is nothing.
    unconverged: conformers whose relaxation took all its steps; they count as they stand.
    broken:      conformers that are another molecule after their relaxation; they count too, as in the protocol.
    """

    values: np.ndarray
    pos: np.ndarray
    failures: dict[int, str] = field(default_factory=dict)
    unconverged: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)

    def averages(self, temperature_k: float) -> EnsembleAverages:
        """Over the conformers that did not fail, of which there must be one; nan for a gap that does not exist."""
        known = self.values[np.isfinite(self.values[:, 0])]
        energy, dipole, gap = boltzmann_weights(known[:, 0], temperature_k) @ known
        return EnsembleAverages(float(energy), float(dipole), float(gap), float(known[:, 0].min()))


def ensemble_properties(mol: Mol, settings: PropertySettings = PropertySettings()) -> EnsembleProperties:
    """Properties of all conformers of a molecule with all its hydrogens; what a conformer does is never fatal.

    Raises: CannotStart if tblite is missing or the method unknown.
    """
    require(settings.method)
    pos = positions(mol)
    made = EnsembleProperties(np.full((len(pos), 3), np.nan), pos)
    with threadpool_limits(settings.threads), np.errstate(all="ignore"):
        for k, start in enumerate(pos.copy()):
            try:
                if settings.relax:
                    pos[k], converged = relaxed(settings.method, mol, start, settings.fmax_ev_a, settings.max_steps)
                    if not converged:
                        made.unconverged.append(k)
                point = single_point(settings.method, mol, pos[k])
            except (RuntimeError, ValueError) as error:  # of tblite, ASE and LAPACK
                made.failures[k] = " ".join(str(error).split())
                pos[k] = start
                continue
            made.values[k] = point.energy_kcal_mol, point.dipole_debye, point.gap_kcal_mol
            if settings.relax and _broken(mol, pos[k]):
                made.broken.append(k)
    return made


def _broken(mol: Mol, pos: np.ndarray) -> bool:
    """Whether a bond of the graph is too long to be one, or atoms without a bond are as close as if they had one."""
    table = Chem.GetPeriodicTable()
    radius = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    ratio = np.linalg.norm(pos[:, None] - pos, axis=2) / (radius[:, None] + radius)
    bonded = Chem.GetAdjacencyMatrix(mol).astype(bool)
    apart = ~bonded & ~np.eye(len(pos), dtype=bool)
    return bool((ratio[bonded] > LOST_BOND).any() or (ratio[apart] < MADE_BOND).any())
