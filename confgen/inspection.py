"""Verdicts on every conformer of a molecule, with reasons: what `confgen check` reports."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen import validity
from confgen.conformers import positions, with_positions
from confgen.contacts import Limits, Pairs, atom_pairs
from confgen.errors import MoleculeError
from confgen.explain import worst_distances
from confgen.smiles import without_hydrogens
from confgen.stereo_tags import stereo_from_3d
from confgen.strain import STRAIN, energy_ratios
from confgen.wanted import forms, specifies, wrong_elements

# All checks in the order of reports; `readable` is that of a molecule of which no conformer could be looked at.
CHECKS = {
    "readable": "the molecule can be read and sanitised, and has 3D coordinates",
    **validity.CHECKS,
    "energy": "the force-field energy is near that of an ensemble",
}


@dataclass(frozen=True)
class Candidate:
    """A molecule of a file with its K conformers, or why it could not be had.

    asked:  the molecule with the stereochemistry asked for in its tags, in any order of atoms and with all hydrogens;
            None if nothing says what it should be.
    """

    name: str
    origin: str
    mol: Mol | None
    asked: Mol | None = None
    error: MoleculeError | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of one conformer.

    number:   counted from 1 in its molecule.
    failed, unknown:  names of checks; unknown are those that could not be made: `stereo` if nothing is asked for.
    energy_ratio:     to the mean of the ensemble; None if unknown.
    shown:    SMILES with the stereochemistry that the coordinates show, if nothing or something else was asked for.
    details:  what is wrong, for those checks that can say it.
    """

    number: int
    failed: tuple[str, ...]
    unknown: tuple[str, ...]
    energy_ratio: float | None
    shown: str
    details: dict[str, str]


@dataclass(frozen=True)
class Findings:
    """The verdicts on a molecule; none, and the error, if it could not be looked at. asked: SMILES, or empty."""

    name: str
    origin: str
    asked: str
    verdicts: list[Verdict]
    error: MoleculeError | None = None


def inspect(candidate: Candidate, *, energy: bool = True) -> Findings:
    """The verdicts on every conformer of a molecule; energy costs fifty times as much as all the rest.

    Hydrogens that the file left out are not judged.
    """
    asked = _smiles(candidate.asked)
    if candidate.mol is None:
        return Findings(candidate.name, candidate.origin, asked, [], candidate.error)
    mol = Chem.AddHs(candidate.mol, addCoords=True)
    ways = _ways(candidate.asked, mol)
    form = next(ways, None)
    if form is None:
        error = MoleculeError(
            f"{candidate.origin} '{candidate.name}': is not the molecule asked for, {asked}; give its own"
        )
        return Findings(candidate.name, candidate.origin, asked, [], error)
    added = mol.GetNumAtoms() > candidate.mol.GetNumAtoms()
    limits = Limits(hydrogens=not added)
    failed = validity.check(form, limits)
    wrong = [[] for _ in failed] if candidate.asked is None else _wrong_stereo(form, ways, failed)
    ratios = energy_ratios(mol if candidate.asked is None else form, relax_hydrogens=added) if energy else None
    pairs = atom_pairs(form, limits)
    bare, unasked = Chem.Mol(form, True), candidate.asked is None
    verdicts = [
        _verdict(bare, pos, k, failed[k], wrong[k], None if ratios is None else float(ratios[k]), pairs, unasked)
        for k, pos in enumerate(positions(form))
    ]
    return Findings(candidate.name, candidate.origin, asked, verdicts)


def _ways(asked: Mol | None, mol: Mol) -> Iterator[Mol]:
    """The molecule with the stereochemistry asked for, or none, and its conformers; see `wanted.forms`."""
    if asked is not None:
        return forms(asked, mol)
    plain = Chem.Mol(mol)
    Chem.RemoveStereochemistry(plain)
    return iter([plain])


def _wrong_stereo(form: Mol, ways: Iterator[Mol], failed: list[list[str]]) -> list[list[str]]:
    """Names of the wrong stereo elements of each conformer; `failed` is put right where another form fits."""
    if not any("stereo" in names for names in failed):
        return [[] for _ in failed]
    wrong = wrong_elements(itertools.chain([form], ways), len(failed))
    for names, elements in zip(failed, wrong, strict=True):
        if "stereo" in names and not elements:
            names.remove("stereo")
    return wrong


def _verdict(
    form: Mol,
    pos: np.ndarray,
    k: int,
    failed: list[str],
    wrong: list[str],
    ratio: float | None,
    pairs: Pairs,
    unasked: bool,
) -> Verdict:
    if "finite" in failed:
        rest = tuple(name for name in CHECKS if name not in ("readable", "finite"))
        return Verdict(k + 1, ("finite",), rest, None, "", {})
    details = worst_distances(form, pos, pairs) if set(failed) & {"bond_lengths", "bond_angles", "clash"} else {}
    if "stereo" in failed:
        details["stereo"] = ", ".join(wrong)
    if ratio is not None and ratio > STRAIN.ratio:
        failed = [*failed, "energy"]
        details["energy"] = f"{ratio:.3g} times the mean of an ensemble, at most {STRAIN.ratio:.0f} allowed"
    shown = _shown(form, pos) if unasked or "stereo" in failed else None
    unknown = [] if shown is None or not unasked or not specifies(shown) else ["stereo"]
    unknown += ["energy"] if ratio is None else []
    return Verdict(k + 1, tuple(failed), tuple(unknown), ratio, _smiles(shown), details)


def _shown(mol: Mol, pos: np.ndarray) -> Mol:
    """The molecule with the stereochemistry that positions (N, 3) show in its tags."""
    shown = with_positions(mol, pos[None])
    stereo_from_3d(shown)
    return shown


def _smiles(mol: Mol | None) -> str:
    return "" if mol is None else without_hydrogens(mol)
