"""Molecules of ensemble files with what the files say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit.Chem import Mol

from confgen.conformers import reduced
from confgen.errors import MoleculeError


@dataclass(frozen=True)
class Making:
    """What a file says of how the conformers of a molecule were made, see `formats`; empty or None where nothing."""

    theory: str = ""
    energy_method: str = ""
    seed: int | None = None
    weights: str = ""


@dataclass(frozen=True)
class ConformerSet:
    """One molecule of an ensemble file with its K conformers, or why it could not be had.

    name, origin:  title or id; where it stood: `ref.parquet row 3`, `gen.sdf record 1`.
    mol:       with the hydrogens that the file has; its tags are the stereochemistry asked for (by a SMILES) or,
               without one, that of the first conformer. Its properties are the tags that the input of confgen had.
    energies:  (K,) kcal/mol, relative.     weights: (K,) Boltzmann, sum 1.
    error:     why mol is None.     notes: what was left out of it, one line each.
    making:    how it was made, of a row of Parquet, a line of JSON, or records of confgen's; its tags are those of the
               molecule then, and elsewhere may be those of the first conformer only.
    """

    name: str
    origin: str
    mol: Mol | None
    energies: np.ndarray | None = None
    weights: np.ndarray | None = None
    error: MoleculeError | None = None
    notes: tuple[str, ...] = ()
    making: Making | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)
