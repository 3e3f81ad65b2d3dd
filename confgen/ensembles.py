"""Conformer ensembles from files: multi-conformer SDF, Parquet, and GEOM's pickles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit.Chem import Mol

from confgen.errors import MoleculeError


@dataclass(frozen=True)
class ConformerSet:
    """One molecule of an ensemble file with its K conformers, or why it could not be had.

    name, origin:  title or id; where it stood: `ref.parquet row 3`, `gen.sdf record 1`.
    mol:       with the hydrogens that the file has; its tags are the stereochemistry asked for (by a SMILES) or,
               without one, that of the first conformer.
    energies:  (K,) kcal/mol, relative.     weights: (K,) Boltzmann, sum 1.
    error:     why mol is None.     notes: what was left out of it, one line each.
    """

    name: str
    origin: str
    mol: Mol | None
    energies: np.ndarray | None = None
    weights: np.ndarray | None = None
    error: MoleculeError | None = None
    notes: tuple[str, ...] = ()


def read_ensembles(path: Path | str) -> Iterator[ConformerSet]:
    """The molecules of a file, in its order.

    .sdf and .sdf.gz: consecutive records of one title and one graph are one molecule. .parquet: one row each.
    .pickle, .pkl or a directory of them: GEOM's `rdkit_folder` form.
    Raises: InputError, at once, if the file cannot be read at all or holds no molecule.
    """
    raise NotImplementedError(path)
