"""A template: a 3D structure whose coordinates a part of other molecules, the core, is held at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom

from confgen.complaints import quiet
from confgen.conformers import fragments, label, reduced
from confgen.core_checks import core_faults, within_reach, wrong_hands
from confgen.core_queries import FEWEST_ATOMS, core_queries, heavy_atoms, rings_agree
from confgen.errors import CannotStart, InputError, MoleculeError
from confgen.readers import KINDS, MOL2, SDF, read_records
from confgen.scaffold import Core

MAX_MATCHES = 2000  # ways to lay a core on a molecule that are looked at
MAX_CORES = 24  # of them, those that are kept


@dataclass(frozen=True)
class Template:
    """A molecule with one 3D conformer, where it came from, and the SMARTS of its core, None to find one.

    notes: what the user should know about how it was read.
    """

    mol: Mol
    origin: str
    smarts: str | None = None
    notes: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)


def read_template(path: str | Path, smarts: str | None = None) -> Template:
    """The template in an SDF, MOL or MOL2 file (also .gz): its first record, of a salt the largest fragment.

    Raises CannotStart if the file cannot be read, has no 3D coordinates or fewer than three heavy atoms, or if the
    SMARTS is none or is not in it.
    """
    path = str(path)
    if KINDS.get(Path(path.lower().removesuffix(".gz")).suffix) not in (SDF, MOL2):
        raise InputError(f"{path}: a template must be an .sdf, .mol or .mol2 file; convert it")
    records = read_records([path])
    first = next(records, None)
    if first is None:
        raise InputError(f"{path}: there is no molecule in it to take as a template")
    if first.mol is None:
        raise InputError(f"template {first.error}")
    if first.mol.GetNumConformers() == 0:
        raise InputError(f"template {label(first.mol)}: has no 3D coordinates; give a structure that has")
    notes = []
    if next(records, None) is not None:
        notes.append(f"template {label(first.mol)}: the first of several records; the others are not used")
    parts = sorted(Chem.GetMolFrags(first.mol, asMols=True), key=lambda part: -part.GetNumHeavyAtoms())
    if len(parts) > 1:
        notes.append(f"template {label(first.mol)}: the largest of its {len(parts)} fragments is used")
    return make_template(parts[0], first.origin, smarts, tuple(notes))


def make_template(mol: Mol, origin: str, smarts: str | None = None, notes: tuple[str, ...] = ()) -> Template:
    """The template that a molecule with one conformer is. Raises CannotStart as `read_template` does."""
    template = Template(mol, origin, smarts, notes)
    if mol.GetNumHeavyAtoms() < FEWEST_ATOMS:
        raise InputError(f"template {origin}: has {mol.GetNumHeavyAtoms()} heavy atoms; at least 3 are needed")
    if smarts is not None:
        if not isinstance(smarts, str):
            raise CannotStart(f"the SMARTS of the core is {smarts!r}; give text")
        with quiet():  # the line below says it
            query = Chem.MolFromSmarts(smarts)
        if query is None:
            raise CannotStart(f"the SMARTS of the core, {smarts!r}, cannot be read; correct it")
        bare, _ = heavy_atoms(mol)
        found = bare.GetSubstructMatches(query)
        if not found:
            raise CannotStart(f"the SMARTS of the core, {smarts!r}, is not in the template {origin}; correct it")
        if len(found[0]) < FEWEST_ATOMS:
            raise CannotStart(
                f"the SMARTS of the core, {smarts!r}, matches {len(found[0])} atoms; at least 3 are needed"
            )
    return template


def match_isomers(isomers: Sequence[Mol], template: Template) -> tuple[list[Mol], list[list[Core]]]:
    """The stereoisomers of one molecule whose core has the hand of the template, and the cores of each.

    The core is what the template's SMARTS matches in both; without one, the template as a whole if that is part of the
    molecule, else what the two have in common at most, rings as a whole and aromatic atoms on aromatic ones. The cores
    of an isomer are the distinct ways to lay it on the template, at most MAX_CORES, always in the same order. Two ways
    are the same if a symmetry of the molecule, substituents and stereochemistry included, leads from one to the other:
    a phenyl ring with an ortho substituent can be laid on another in two ways, one with a para substituent in only one.
    Ways that would overstretch or crush the molecule are left out if there are others.
    Raises MoleculeError if fewer than three heavy atoms match, or if every way contradicts the stereochemistry.
    """
    mappings = _mappings(isomers[0], template)
    fitting: list[Mol] = []
    cores: list[list[Core]] = []
    refused: MoleculeError | None = None
    for isomer in isomers:
        try:
            cores.append(_distinct(isomer, template, mappings))
            fitting.append(isomer)
        except MoleculeError as error:
            refused = error
    if refused is not None and not fitting:
        raise refused
    return fitting, cores


def core_notes(mol: Mol, cores: Sequence[Core]) -> list[str]:
    """What a user should know about the cores of a molecule: that there are several, and checks that fail in them.

    cores: of all its isomers, which may share them.
    """
    notes = []
    ways = len({(core.atoms.tobytes(), core.positions.tobytes()) for core in cores})
    if ways > 1:
        more = " or more" if ways >= MAX_CORES else ""
        spread = f"its core lies on the template in {ways}{more} ways; conformers are spread over them"
        notes.append(f"{label(mol)}: {spread}")
    faults = sorted({name for core in cores for name in core_faults(mol, core)})
    if faults:
        notes.append(f"{label(mol)}: fails {', '.join(faults)} in the template's own coordinates")
    return notes


def _mappings(mol: Mol, template: Template) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ways to lay the core on the template, whatever the stereochemistry: (C,) atoms of each of the two."""
    bare, heavy = heavy_atoms(mol)
    whole, template_heavy = heavy_atoms(template.mol)
    parts = {int(atom): number for number, atoms in enumerate(fragments(mol)) for atom in atoms}
    for query, of_template, searched in core_queries(bare, whole, template.smarts):
        found = searched.GetSubstructMatches(query, uniquify=False, maxMatches=MAX_MATCHES)
        pairs = [
            (heavy[list(own)], template_heavy[list(other)])
            for other in of_template
            for own in found
            if query.HasQuery() or rings_agree(query, bare, own)
        ][:MAX_MATCHES]
        pairs = [(own, other) for own, other in pairs if len({parts[int(atom)] for atom in own}) == 1]
        if pairs:
            return pairs
    what = f"the SMARTS {template.smarts!r} is not in it" if template.smarts else "fewer than 3 heavy atoms in common"
    raise MoleculeError(f"{label(mol)}: shares no core with the template {template.origin} ({what}); leave it out")


def _distinct(mol: Mol, template: Template, mappings: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Core]:
    """The cores of mappings that agree with the stereochemistry, one of those that symmetry makes the same."""
    bare, heavy = heavy_atoms(mol)
    coordinates = template.mol.GetConformer().GetPositions()
    seen: set[str] = set()
    cores: list[Core] = []
    strained: list[Core] = []
    wrong: list[str] = []
    with quiet():  # as in `confgen.graph`
        bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol)
    for own, other in mappings:
        key = _labelled(bare, np.searchsorted(heavy, own), other)
        if key in seen:
            continue
        seen.add(key)
        core = Core(own, coordinates[other])
        if names := wrong_hands(mol, core):
            wrong = wrong or names
        else:
            (cores if within_reach(core, bounds) else strained).append(core)
        if len(cores) == MAX_CORES:
            break
    cores = cores or strained[:MAX_CORES]
    if not cores:
        which = ", ".join(wrong)
        raise MoleculeError(
            f"{label(mol)}: the template {template.origin} has the other hand at {which}; "
            "correct the stereochemistry of either"
        )
    return cores


def _labelled(bare: Mol, own: np.ndarray, other: np.ndarray) -> str:
    """SMILES that two mappings share if a symmetry of the molecule leads from one to the other."""
    marked = Chem.Mol(bare)
    for atom in marked.GetAtoms():
        atom.SetAtomMapNum(0)
    for index, number in zip(own, other, strict=True):
        marked.GetAtomWithIdx(int(index)).SetAtomMapNum(int(number) + 1)
    return str(Chem.MolToSmiles(marked))
