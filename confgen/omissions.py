"""Conformers that an ensemble is better without: those of no finite positions, and those of another stereoisomer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rdkit.Chem import Mol

from confgen.complaints import quiet
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.energies import normalised, relative
from confgen.errors import MoleculeError
from confgen.smiles import stereo_smiles, without_hydrogens
from confgen.stereo import mismatches_all
from confgen.stereo_tags import stereo_from_3d

MOST = 5  # numbers of conformers that a message lists


def finite_only(one: ConformerSet) -> ConformerSet:
    """The ensemble without the conformers whose positions are not all finite, and a note on them.

    With an error if none is left. One without conformers comes back as it is.
    """
    if one.mol is None or not one.mol.GetNumConformers():
        return one
    kept = np.array([np.isfinite(pos).all() for pos in positions(one.mol)])
    return _kept(one, kept, "positions that are not finite numbers")


def right_stereo_only(one: ConformerSet) -> ConformerSet:
    """The ensemble without the conformers that show other stereochemistry than its molecule has, and a note on them.

    With an error if none is left. All positions are finite. A conformer is left out if a stereo element is wrong and
    its coordinates give another SMILES: in strained cages and for symmetric molecules one of them alone may err.
    """
    if one.mol is None or not one.mol.GetNumConformers():
        return one
    with quiet():
        names = mismatches_all(one.mol)
        differs = np.array([bool(names[k]) and _another(one.mol, pos) for k, pos in enumerate(positions(one.mol))])
        if not differs.any():
            return one
        told = f"{without_hydrogens(one.mol)} ({names[int(differs.argmax())][0]})"
    return _kept(one, ~differs, f"other stereochemistry than {told}")


def _another(mol: Mol, pos: np.ndarray) -> bool:
    """Whether positions (N, 3) show another stereoisomer."""
    shown = with_positions(mol, pos[None])
    stereo_from_3d(shown)
    return stereo_smiles(shown) != stereo_smiles(mol)


def _kept(one: ConformerSet, kept: np.ndarray, what: str) -> ConformerSet:
    """The ensemble with some of its conformers; what: what the others have."""
    if kept.all():
        return one
    assert one.mol is not None
    where = f"{one.origin} '{one.name}'" if one.name else one.origin
    if not kept.any():
        error = MoleculeError(f"{where}: each of its conformers has {what}; correct them or leave it out")
        return replace(one, mol=None, energies=None, weights=None, error=error)
    lost = np.flatnonzero(~kept) + 1
    which = ", ".join(map(str, lost[:MOST])) + (", ..." if len(lost) > MOST else "")
    note = f"{where}: {len(lost)} of {len(kept)} conformers left out ({which}), with {what}"
    energies = None if one.energies is None else relative(one.energies[kept])
    weights = None if one.weights is None else normalised(one.weights[kept], energies)
    mol = with_positions(one.mol, positions(one.mol)[kept])
    return replace(one, mol=mol, energies=energies, weights=weights, notes=(*one.notes, note))
