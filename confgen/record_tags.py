"""What is written beside the coordinates of an ensemble: tags of each conformer, and those that the input had.

A tag of the input with a name that confgen gives to its own (`source`) is written as `input_source`. Only if the input
has a `confgen_smiles`, so was written by confgen, do such tags describe an earlier conformer, and are dropped.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from rdkit import Chem

from confgen.boltzmann import boltzmann_weights
from confgen.errors import MoleculeError
from confgen.tags import free_name, renamed
from confgen.version import confgen_version

# Of SD records, whose 3D coordinates would otherwise be all that is left of the stereochemistry asked for.
SMILES_TAG = "confgen_smiles"
VERSION_TAG = "confgen_version"
NUMBER_TAG = "conformer"
# Tags of a conformer that was relaxed, or whose energy is known.
ENERGY_TAGS = ("energy_kcal_mol", "relative_energy_kcal_mol", "boltzmann_weight", "energy_method", "relaxation")
Tags = dict[str, str | float]
# Tags written by confgen.
OWN_TAGS = (
    NUMBER_TAG,
    "energy_kcal_mol",
    "relative_energy_kcal_mol",
    "boltzmann_weight",
    "energy_method",
    "relaxation",
    "valid",
    "failed_checks",
    "source",
    "seed",
    "weights",
    VERSION_TAG,
    SMILES_TAG,
)


class EnsembleLike(Protocol):
    """What a writer needs of an ensemble: K conformers of one molecule and, per conformer, where they stand.

    checks and sources may be empty, seed None and weights "" where they are not known.
    """

    @property
    def mol(self) -> Chem.Mol | None: ...
    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def checks(self) -> Sequence[Sequence[str]]: ...
    @property
    def energies(self) -> Sequence[float] | None: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def weights(self) -> str: ...
    @property
    def sources(self) -> Sequence[str]: ...
    @property
    def error(self) -> MoleculeError | None: ...


def conformer_tags(ensemble: EnsembleLike, mol: Chem.Mol) -> list[dict[str, str | int | float | bool]]:
    """The tags of every conformer, in the order of OWN_TAGS; what is not known has none.

    Raises: ValueError for checks, sources, energies and the like of another number of conformers.
    """
    count = mol.GetNumConformers()
    for what in ("checks", "sources"):
        _refuse_other_number(getattr(ensemble, what), count, what, none=True)
    per_conformer = energy_tags(ensemble, count)
    version = confgen_version()
    rows = []
    for index, energies in enumerate(per_conformer):
        row: dict[str, str | int | float | bool] = {NUMBER_TAG: index + 1, **energies}
        if ensemble.checks:
            row["valid"] = not ensemble.checks[index]
            row["failed_checks"] = ", ".join(ensemble.checks[index])
        if ensemble.sources:
            row["source"] = ensemble.sources[index]
        if ensemble.seed is not None:
            row["seed"] = ensemble.seed
        if ensemble.weights:
            row["weights"] = ensemble.weights
        row[VERSION_TAG] = version
        rows.append(row)
    return rows


def energy_tags(ensemble: EnsembleLike, count: int) -> list[Tags]:
    """What is known of each conformer's energy and relaxation, as tags of ENERGY_TAGS; what is not known is left out.

    The ensemble need not have `boltzmann_weights`, `energy_method`, `relaxations` or `absolute`, which is False if its
    energies are above the lowest. Without weights they follow from the energies, if all of those are known.
    """
    energies = _floats(ensemble.energies, count)
    known = [energy for energy in energies if energy is not None]
    given = getattr(ensemble, "boltzmann_weights", None)
    if given is None and known and len(known) == count:
        given = boltzmann_weights(np.array(known)).tolist()
    weights = _floats(given, count)
    relaxations = list(getattr(ensemble, "relaxations", None) or [""] * count)
    _refuse_other_number(relaxations, count, "relaxations")
    lowest = min(known, default=0.0)
    rows = []
    for energy, weight, relaxation in zip(energies, weights, relaxations, strict=True):
        row: Tags = {}
        if energy is not None:
            if getattr(ensemble, "absolute", True):
                row["energy_kcal_mol"] = round(energy, 4)
            row["relative_energy_kcal_mol"] = round(energy - lowest, 4)
        if weight is not None:
            row["boltzmann_weight"] = round(weight, 6)
        if energy is not None and (method := getattr(ensemble, "energy_method", "")):
            row["energy_method"] = method
        if relaxation:
            row["relaxation"] = relaxation
        rows.append(row)
    return rows


def _floats(values: Sequence[float] | None, count: int) -> list[float | None]:
    """A number for each of `count` conformers, None where it is not finite or there are none."""
    if values is None:
        return [None] * count
    _refuse_other_number(values, count, "energies or weights")
    return [float(value) if math.isfinite(value) else None for value in values]


def _refuse_other_number(values: Sequence[object], count: int, what: str, *, none: bool = False) -> None:
    """ValueError unless there is one for each of `count` conformers, or, if so allowed, none at all."""
    if len(values) != count and not (none and not len(values)):
        raise ValueError(f"{len(values)} {what} for {count} conformers")


def input_tags(mol: Chem.Mol) -> dict[str, str]:
    """What the input said of the molecule: its public properties, as text, without those that are not UTF-8."""
    tags = {}
    for tag in mol.GetPropNames(includePrivate=False, includeComputed=False):
        with contextlib.suppress(UnicodeDecodeError):  # readers decode what they read; the molecule must not be lost
            tags[tag] = mol.GetProp(tag)
    return tags


def kept_tags(mol: Chem.Mol) -> dict[str, str]:
    """The tags of the input that are written along, those of OWN_TAGS under another name or not at all."""
    given = input_tags(mol)
    tags: dict[str, str] = {}
    for tag, value in given.items():
        if tag not in OWN_TAGS:
            tags[tag] = value
        elif SMILES_TAG not in given:
            tags[free_name(renamed(tag), given)] = value
    return tags
