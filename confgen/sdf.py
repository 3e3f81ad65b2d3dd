"""Molecules of a multi-conformer SDF: consecutive records of one title and one graph.

Most records of a molecule differ in their coordinates alone; of these nothing else is parsed again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.axes import renumbered
from confgen.complaints import quiet
from confgen.conformers import positions
from confgen.energies import relative
from confgen.errors import MoleculeError
from confgen.matching import same_atoms
from confgen.molecule import from_molblock, from_smiles
from confgen.record_tags import NUMBER_TAG, SMILES_TAG, VERSION_TAG, kept_tags
from confgen.splitting import sdf_blocks
from confgen.tags import sd_tags
from confgen.textfile import READ_ERRORS, cause, open_text
from confgen.wanted import best_form, most_shown

ISOMER_TAG = "stereoisomer"  # stereoisomers that confgen enumerated have one title
NO_SHAPE = "has no 3D coordinates; give conformers (`confgen generate` makes them)"


@dataclass
class Group:
    """The records of one molecule, or one record that has an error (`count` of one title and reason in a row).

    mol:        of the first record, with the hydrogens that it has; with the stereochemistry asked for, if that was
                written along (`confgen_smiles`), as it fits most records, else with what most of them show.
    positions:  (N, 3) angstrom of each record, in the atom order of `mol`.
    tags:       SD tags of each record.
    numbered:   the numbers that confgen gave them: one that comes again is of another molecule of that title.
    """

    name: str
    origin: str
    mol: Mol | None
    layout: str = ""
    positions: list[np.ndarray] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    error: MoleculeError | None = None
    count: int = 1
    numbered: set[str] = field(default_factory=set)

    @property
    def reason(self) -> str:
        """The error without where it is."""
        return str(self.error).removeprefix(self.origin)

    def numbers(self, tag: str) -> list[float | None] | None:
        """The value of a tag in each record, nan where it is no number; None where, or if nowhere, there is one."""
        texts = [tags.get(tag) for tags in self.tags]
        return None if set(texts) == {None} else [None if text is None else _number(text) for text in texts]

    def energies(self) -> list[float | None] | None:
        """Those of one of the two tags, the one that has all of them if there is one."""
        found = [self.numbers(tag) for tag in ("relative_energy_kcal_mol", "energy_kcal_mol")]
        known = [values for values in found if values]
        return next((values for values in known if relative(values) is not None), known[0] if known else None)

    @property
    def is_own(self) -> bool:
        """Whether confgen wrote the records."""
        return all(VERSION_TAG in tags for tags in self.tags)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def sdf_groups(path: Path) -> Iterator[Group]:
    """The molecules of a file, in its order; bad records come after the molecule that they stand in.

    Raises: InputError, as the first is asked for, if the file cannot be read.
    """
    with open_text(str(path)) as text, quiet():
        group: Group | None = None
        bad: list[Group] = []
        try:
            for number, block in enumerate(sdf_blocks(text), start=1):
                origin = f"{path} record {number}"
                if group is not None and _joins(group, block):
                    continue
                made = _group(block, origin)
                if made.mol is None:
                    if bad and made.name and bad[-1].name == made.name and bad[-1].reason == made.reason:
                        bad[-1].count += 1
                        continue
                    if group is not None and group.name != made.name:
                        yield from _finished(group, bad)
                        group, bad = None, []
                    bad.append(made)
                    continue
                yield from _finished(group, bad)
                group, bad = made, []
        except READ_ERRORS as error:
            broken = f"{path}: damaged or cut short here ({cause(error)}), the rest cannot be read; repair the file"
            bad.append(Group("", str(path), None, error=MoleculeError(broken)))
        yield from _finished(group, bad)


def _finished(group: Group | None, bad: list[Group]) -> Iterator[Group]:
    if group is not None:
        yield _fitted(group)
    for one in bad:
        if one.count > 1:
            more = f"{one.count - 1} more record{'' if one.count == 2 else 's'} of it"
            one.error = MoleculeError(f"{one.error} (and {more})")
        yield one


def _fitted(group: Group) -> Group:
    """The group with the stereochemistry asked for laid on its atoms as its conformers show it, see `best_form`; if
    none was, with that of most conformers."""
    if group.mol is not None:
        fitted = best_form if SMILES_TAG in group.tags[0] else most_shown
        form = fitted(group.mol, np.stack(group.positions))
        if form is not group.mol:
            for tag, text in kept_tags(group.mol).items():
                form.SetProp(tag, text)
            group.mol = form
    return group


def _group(block: str, origin: str) -> Group:
    """A group of one record."""
    title = block.partition("\n")[0].strip()
    try:
        mol = from_molblock(block, title, origin, add_hydrogens=False)
        if not mol.GetNumConformers():
            where = f"{origin} '{title}'" if title else origin
            raise MoleculeError(f"{where}: {NO_SHAPE}")
    except MoleculeError as error:
        return Group(title, origin, None, error=error)
    (layout, _), tags = _parts(block), dict(sd_tags(block))
    asked = _as_asked(mol, tags.get(SMILES_TAG, ""))
    for tag, text in kept_tags(mol).items():
        asked.SetProp(tag, text)
    numbered = {tags[NUMBER_TAG]} if VERSION_TAG in tags and NUMBER_TAG in tags else set()
    return Group(title, origin, asked, layout, [positions(mol)[0]], [tags], numbered=numbered)


def _as_asked(mol: Mol, smiles: str) -> Mol:
    """The molecule, without conformers, with the stereochemistry of a SMILES if that is the same graph."""
    bare = Chem.Mol(mol)
    bare.RemoveAllConformers()
    try:
        asked = from_smiles(smiles) if smiles else bare
    except MoleculeError:
        return bare
    if asked.GetNumAtoms() > mol.GetNumAtoms():
        asked = Chem.RemoveAllHs(asked, sanitize=False)
    match = same_atoms(bare, asked)
    return bare if match is None else renumbered(asked, match.tolist())


def _joins(group: Group, block: str) -> bool:
    """Whether a record is one more conformer of the group; then it has been added."""
    if block.partition("\n")[0].strip() != group.name or group.mol is None:
        return False
    tags = dict(sd_tags(block))
    if tags.get(ISOMER_TAG) != group.tags[0].get(ISOMER_TAG):
        return False
    number = tags.get(NUMBER_TAG) if VERSION_TAG in tags else None
    if number in group.numbered:
        return False
    layout, pos = _parts(block)
    if layout and layout == group.layout and pos[:, 2].any():
        group.positions.append(pos)
    else:
        made = _group(block, "")
        match = same_atoms(group.mol, made.mol) if made.mol is not None else None
        if match is None:
            return False
        group.positions.append(made.positions[0][match])
    group.tags.append(tags)
    if number is not None:
        group.numbered.add(number)
    return True


def _parts(block: str) -> tuple[str, np.ndarray]:
    """All of a V2000 record that makes its graph, as text, and its coordinates (N, 3); "" and nothing for another.

    Stereo marks are left out: 3D coordinates tell.
    """
    lines = block.split("\n")
    nothing = "", np.zeros((0, 3))
    try:
        num_atoms, num_bonds = int(lines[3][:3]), int(lines[3][3:6])
        atoms, bonds = lines[4 : 4 + num_atoms], lines[4 + num_atoms : 4 + num_atoms + num_bonds]
        pos = np.array([(float(line[:10]), float(line[10:20]), float(line[20:30])) for line in atoms])
        end = next(number for number, line in enumerate(lines) if line.startswith("M  END"))
    except (IndexError, ValueError, StopIteration):
        return nothing
    if "V2000" not in lines[3] or not np.isfinite(pos).all():
        return nothing
    graph = [line[30:39] + line[42:] for line in atoms] + [line[:9] for line in bonds]
    return "\n".join([lines[3][:6], *graph, *lines[4 + num_atoms + num_bonds : end]]), pos.reshape(-1, 3)
