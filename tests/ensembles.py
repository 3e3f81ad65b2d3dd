"""Ensembles as the writers take them, for the tests of writers and formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Geometry import Point3D

from confgen.errors import MoleculeError


@dataclass(frozen=True)
class Ensemble:
    mol: Chem.Mol
    name: str = "ethanol"
    origin: str = "mols.smi:7"
    checks: list[list[str]] = field(default_factory=lambda: [[], ["clash", "planarity"]])
    energies: list[float] | None = None
    seed: int = 7
    weights: str = "drugs"
    sources: list[str] = field(default_factory=lambda: ["network", "etkdg"])
    error: MoleculeError | None = None


def molecule(smiles: str, num_confs: int = 2) -> Chem.Mol:
    """A molecule with conformers of recorded random positions (writers do not judge geometry)."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    generator = np.random.default_rng(3)
    for _ in range(num_confs):
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.Set3D(True)
        for atom, place in enumerate(generator.normal(scale=3.0, size=(mol.GetNumAtoms(), 3)).round(4)):
            conformer.SetAtomPosition(atom, Point3D(*place.tolist()))
        mol.AddConformer(conformer, assignId=True)
    return mol


def positions(mol: Chem.Mol) -> np.ndarray:
    return np.stack([conformer.GetPositions() for conformer in mol.GetConformers()])


def sd_records(path: Path) -> list[Chem.Mol]:
    return list(Chem.SDMolSupplier(str(path), removeHs=False))


def only_file(folder: Path, name: str) -> bool:
    return [entry.name for entry in folder.iterdir()] == [name]
