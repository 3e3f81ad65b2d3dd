"""Conformers to be checked, from files, with the stereochemistry that they should have."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.columns import is_smiles_column
from confgen.conformer_sets import ConformerSet
from confgen.conformers import with_positions
from confgen.ensembles import JSON_LINES, XYZ, read_ensembles
from confgen.errors import InputError, MoleculeError
from confgen.inspection import Candidate
from confgen.molecule import from_smiles
from confgen.readers import KINDS, Record, read_records
from confgen.record_tags import SMILES_TAG, input_tags
from confgen.sdf import NO_SHAPE, Group, sdf_groups
from confgen.smiles import stereo_smiles
from confgen.wanted import forms, specifies

SDF = (".sdf", ".sd", ".mol", ".mdl")
TOLD = (".parquet", *JSON_LINES, *XYZ)  # files whose SMILES says what was asked for


def candidates(source: str, say: Callable[[str], None] | None = None) -> Iterator[Candidate]:
    """The molecules of a file: SDF (`-` on standard input), MOL2, or what `read_ensembles` reads.

    The SMILES tells what each should be: in SDF the tag `confgen_smiles`, or a usual tag such as `SMILES` if it fits
    and specifies something; in Parquet and JSON lines the column, in extended XYZ the comment
    line. MOL2 and pickles do not tell.
    say: is told of molecules that nothing is known to be asked of because `confgen_smiles` cannot be read.
    Raises: InputError, at once, if the file cannot be read at all.
    """
    suffix = _suffix(source)
    if source != "-" and not Path(source).exists():
        raise InputError(f"{source}: no such file; check the path")
    found: Iterator[Candidate]
    if source == "-" or suffix in SDF:
        found = (_from_group(group, say) for group in sdf_groups(Path(source)))
    elif suffix == ".mol2":
        found = (_from_record(record) for record in read_records([source]))
    elif suffix in KINDS:
        raise InputError(f"{source}: has no coordinates; check a file of conformers")
    else:
        found = (_from_set(one, told=suffix in TOLD) for one in read_ensembles(source))
    first = next(found, None)
    return iter(()) if first is None else itertools.chain([first], found)


def asking_for(smiles: str) -> Callable[[Candidate], Candidate]:
    """Function that has every molecule judged by one SMILES. Raises InputError if it cannot be read."""
    try:
        mol = from_smiles(smiles)
    except MoleculeError as error:
        raise InputError(f"--smiles: {error}") from None
    return lambda candidate: replace(candidate, asked=mol)


@dataclass(frozen=True)
class Reference:
    """A molecule that others are judged by, with all its hydrogens, or why it could not be read."""

    name: str
    origin: str
    mol: Mol | None
    error: MoleculeError | None = None


def read_references(path: str) -> list[Reference]:
    """What a file asks for: SMILES or SDF as `confgen generate` reads them, or an ensemble file.

    In SDF a SMILES tag wins over coordinates and drawings, as it does in `candidates`.
    Raises: InputError if it cannot be read at all or has no molecule that can.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; check the path")
    if _suffix(path) in KINDS:
        tagged = _suffix(path) in SDF
        found = [_reference(record, tagged=tagged) for record in read_records([path])]
    else:
        found = [
            Reference(one.name, one.origin, None if one.mol is None else Chem.AddHs(one.mol), one.error)
            for one in read_ensembles(path)
        ]
    if all(one.mol is None for one in found):
        nothing = f"{path}: holds no molecules; give a file of SMILES or conformers"
        raise InputError(next((str(one.error) for one in found if one.error), nothing))
    return found


def _reference(record: Record, *, tagged: bool) -> Reference:
    told = _told(record.mol, input_tags(record.mol)) if tagged and record.mol is not None else None
    return Reference(record.name, record.origin, told or record.mol, record.error)


def asking_for_those_of(path: str, references: Sequence[Reference]) -> Callable[[Candidate], Candidate]:
    """Function that has every molecule judged by the one of its name in a file, or by the only one there is.

    A molecule has an error if there is none, if that one could not be read, or if several different ones have the name.
    path, references: the file and what `read_references` found there.
    """
    by_name: defaultdict[str, list[Reference]] = defaultdict(list)
    for one in references:
        by_name[one.name].append(one)
    known = {name: (called[0].mol, _doubt(path, called)) for name, called in by_name.items()}
    only = next(iter(known.values())) if len(known) == 1 else (None, f"{path} has no molecule of that name; add it")

    def ask(candidate: Candidate) -> Candidate:
        asked, doubt = known.get(candidate.name, only)
        if doubt and candidate.error is None:
            error = MoleculeError(f"{candidate.origin} '{candidate.name}': {doubt}")
            return Candidate(candidate.name, candidate.origin, None, error=error)
        return replace(candidate, asked=asked)

    return ask


def _doubt(path: str, called: Sequence[Reference]) -> str:
    """Why the references of one name do not say what a molecule should be; "" if they do."""
    unread = [one.origin for one in called if one.mol is None]
    if unread:
        return f"what is asked for cannot be read ({unread[0]}); correct it"
    first, *rest = [(_one_smiles(one.mol), one.origin) for one in called if one.mol is not None]
    other = next(((smiles, origin) for smiles, origin in rest if smiles != first[0]), None)
    if other is None:
        return ""
    several = f"{first[0]} ({first[1]}) and {other[0]} ({other[1]})"
    return f"different molecules of {path} could be asked for, {several}; give each a name of its own"


def _one_smiles(mol: Mol) -> str:
    """`stereo_smiles`, with relative groups: the same of a racemate, whichever of its hands was written."""
    if not mol.GetStereoGroups():
        return stereo_smiles(mol)
    bare = Chem.RemoveHs(mol, sanitize=False)
    return str(Chem.MolToCXSmiles(bare, Chem.SmilesWriteParams(), Chem.CXSmilesFields.CX_ENHANCEDSTEREO))


def _suffix(source: str) -> str:
    return Path(source.lower().removesuffix(".gz")).suffix


def _from_group(group: Group, say: Callable[[str], None] | None) -> Candidate:
    if group.mol is None:
        return Candidate(group.name, group.origin, None, error=group.error)
    mol = with_positions(group.mol, np.stack(group.positions))
    asked = _told(mol, group.tags[0])
    if say is not None and asked is None and SMILES_TAG in group.tags[0]:
        where = f"{group.origin} '{group.name}'" if group.name else group.origin
        say(f"{where}: its tag {SMILES_TAG} cannot be read, {group.tags[0][SMILES_TAG]!r}, so its "
            "stereochemistry is not checked; correct it or give --smiles")  # fmt: skip
    return Candidate(group.name, group.origin, mol, asked)


def _told(mol: Mol, tags: dict[str, str]) -> Mol | None:
    """The molecule of a SMILES tag: that of confgen as it is, another if it is of this molecule and says something."""
    if SMILES_TAG in tags:
        return _understood(tags[SMILES_TAG])
    whole = Chem.AddHs(mol)
    for tag, text in tags.items():
        if is_smiles_column(tag):
            asked = _understood(text)
            if asked is not None and specifies(asked) and next(forms(asked, whole), None) is not None:
                return asked
    return None


def _understood(smiles: str) -> Mol | None:
    try:
        return from_smiles(smiles)
    except MoleculeError:
        return None


def _from_record(record: Record) -> Candidate:
    mol, error = _shaped(record.mol, f"{record.origin} '{record.name}'", record.error)
    return Candidate(record.name, record.origin, mol, error=error)


def _from_set(one: ConformerSet, *, told: bool) -> Candidate:
    mol, error = _shaped(one.mol, f"{one.origin} '{one.name}'", one.error)
    return Candidate(one.name, one.origin, mol, Chem.AddHs(mol) if told and mol is not None else None, error)


def _shaped(mol: Mol | None, where: str, error: MoleculeError | None) -> tuple[Mol | None, MoleculeError | None]:
    """The molecule, or the error that it has no conformers."""
    if mol is not None and not mol.GetNumConformers():
        return None, MoleculeError(f"{where}: {NO_SHAPE}")
    return mol, error
