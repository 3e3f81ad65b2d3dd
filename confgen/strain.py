"""Strain of conformers: their force-field energy beside the mean of an ensemble that ETKDG makes of the molecule.

Source: PoseBusters, Buttenschoen et al., Chem. Sci. 2024, 15, 3130 (doi 10.1039/D3SC04185A): UFF energies, 50
conformers relaxed by 200 steps, a ratio of 100 at most. Departures: fewer conformers, since the verdicts stay the same
(tests/benchmarks/posebusters_agreement.py); the ensemble is made of the molecule itself, not of its InChI, which
forgets tautomers and charges; and a mean near zero, as of a molecule of a few atoms, does not make conformers bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom, rdForceFieldHelpers

from confgen.complaints import quiet


@dataclass(frozen=True)
class StrainSettings:
    """How strain is judged."""

    ratio: float = 100.0  # of the conformer's energy to the mean of the ensemble, at most
    num_confs: int = 5
    floor_kcal_mol: float = 1.0  # what a smaller mean, or a negative one, is taken for
    seed: int = 42
    timeout_s: int = 10


STRAIN = StrainSettings()


def energy_ratios(
    mol: Mol, settings: StrainSettings = STRAIN, *, mean: float | None = None, relax_hydrogens: bool = False
) -> np.ndarray | None:
    """UFF energy of every conformer over the mean of an ensemble, (K,); inf where it is no number.

    None if it cannot be told: UFF does not know an atom, or the molecule cannot be embedded.
    mol:              with all its hydrogens.
    mean:             the `ensemble_mean`, if it is known already.
    relax_hydrogens:  settle the hydrogens first (they were added, say), heavy atoms held fixed.
    """
    mean = ensemble_mean(mol, settings) if mean is None else mean
    if mean is None:
        return None
    with quiet():
        energies = [_energy(mol, conformer.GetId(), relax_hydrogens) for conformer in mol.GetConformers()]
    return np.nan_to_num(np.array(energies) / max(mean, settings.floor_kcal_mol), nan=np.inf)


def ensemble_mean(mol: Mol, settings: StrainSettings = STRAIN) -> float | None:
    """Mean UFF energy, kcal/mol, of conformers of ETKDGv3 after a short relaxation; None if it cannot be told."""
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = settings.seed  # type: ignore[assignment] # RDKit's stubs are wrong, here and below
    parameters.useRandomCoords = True  # type: ignore[assignment]
    parameters.timeout = settings.timeout_s  # type: ignore[assignment]
    copy = Chem.Mol(mol)
    with quiet():
        if not rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
            return None
        try:
            rdDistGeom.EmbedMultipleConfs(copy, settings.num_confs, parameters)
        except (ValueError, RuntimeError):  # bounds that contradict each other
            return None
        if not copy.GetNumConformers():  # not what the call gives back: if time is up, that is one id, -1
            return None
        relaxed = [energy for _, energy in rdForceFieldHelpers.UFFOptimizeMoleculeConfs(copy, maxIters=200)]
    return float(np.mean(relaxed))


def _energy(mol: Mol, conf_id: int, relax_hydrogens: bool) -> float:
    """UFF energy of a conformer, kcal/mol."""
    if not np.isfinite(mol.GetConformer(conf_id).GetPositions()).all():
        return np.nan
    copy = Chem.Mol(mol, confId=conf_id)
    field = rdForceFieldHelpers.UFFGetMoleculeForceField(copy, confId=conf_id)
    if relax_hydrogens:
        field.Initialize()
        for atom in copy.GetAtoms():
            if atom.GetAtomicNum() > 1:
                field.AddFixedPoint(atom.GetIdx())
        field.Minimize()
    return float(field.CalcEnergy())
