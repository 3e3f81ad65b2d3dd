"""Ensembles out of pickles, those of GEOM's `rdkit_folder` above all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rdkit import Chem

from confgen.complaints import quiet
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.energies import complete, normalised, objections, relative
from confgen.errors import InputError, MoleculeError, first_line
from confgen.matching import same_atoms
from confgen.pickles import PickledEnsemble, RefusedPickle, read_pickle
from confgen.stereo_tags import stereo_from_3d
from confgen.wanted import most_shown

PICKLES = (".pickle", ".pkl")


def from_directory(path: Path, kinds: str) -> Iterator[ConformerSet]:
    """The molecules of all pickles in a directory. InputError if there are none; kinds: of files that there may be."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICKLES)
    if not files:
        raise InputError(f"{path}: is a directory without pickles; ensembles are read from {kinds}")
    for file in files:
        try:
            found = read_pickle(file)
        except RefusedPickle:
            raise
        except InputError as error:
            yield ConformerSet(file.stem, str(file), None, error=MoleculeError(str(error)))
            continue
        yield from (from_pickle(one, str(file), file.stem) for one in found)


def from_pickle(found: PickledEnsemble, origin: str, stem: str) -> ConformerSet:
    """The conformers that are the same graph as the first one, on that one's atoms."""
    name = found.name or stem
    with quiet():
        first = next((mol for mol in found.mols if mol.GetNumConformers()), None)
        if first is None or not first.GetNumAtoms():
            error = MoleculeError(f"{origin} '{name}': has no conformers; leave it out")
            return ConformerSet(name, origin, None, error=error)
        base = Chem.Mol(first)
        try:
            Chem.SanitizeMol(base)
        except (RuntimeError, ValueError) as error:
            text = f"{origin} '{name}': breaks the rules of valence ({first_line(error)}); leave it out"
            return ConformerSet(name, origin, None, error=MoleculeError(text))
        stereo_from_3d(base)
        parts, kept = [], []
        for number, mol in enumerate(found.mols):
            match = same_atoms(base, mol)
            if match is not None and mol.GetNumConformers():
                parts.append(positions(mol)[:, match])
                kept += [number] * mol.GetNumConformers()
        pos = np.concatenate(parts)
        base.RemoveAllConformers()
        base = most_shown(base, pos)
    notes = []
    if lost := len(found.mols) - len(set(kept)):
        reason = "have no coordinates or are another molecule, and are left out"
        notes.append(f"{origin} '{name}': {lost} of {len(found.mols)} conformers {reason}")
    told, shares = (
        [values[number] for number in kept] if values else None for values in (found.energies, found.weights)
    )
    notes += objections(f"{origin} '{name}'", len(kept), told, shares)
    energies = relative(told)
    weights = normalised(complete(shares, len(kept)), energies)
    base.SetProp("_Name", name)
    return ConformerSet(name, origin, with_positions(base, pos), energies, weights, notes=tuple(notes))
