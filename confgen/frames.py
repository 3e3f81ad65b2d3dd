"""Molecules of an extended XYZ file that confgen wrote: consecutive frames of one molecule.

XYZ knows no bonds. They come from `mapped_smiles` in the comment line, whose map numbers are the lines of the atoms.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.axes import renumbered
from confgen.errors import InputError, MoleculeError
from confgen.molecule import from_smiles
from confgen.sdf import Group
from confgen.stereo_tags import restore_overlooked
from confgen.tags import set_tags
from confgen.textfile import READ_ERRORS, cause, open_text

FOREIGN = "has no mapped_smiles in its comment line, and XYZ knows no bonds; use SDF, or XYZ that confgen wrote"


def xyz_groups(path: Path) -> Iterator[Group]:
    """The molecules of a file, in its order; a frame that is damaged ends it, with an error.

    Raises: InputError, as the first is asked for, if the file cannot be read or its first frame is not of confgen.
    """
    group: Group | None = None
    key: tuple[str, str, str] | None = None
    number = 0
    with open_text(str(path)) as text:
        try:
            for number, (info, numbers, pos) in enumerate(_frames(text), start=1):
                if number == 1 and not info.get("mapped_smiles"):
                    raise InputError(f"{path}: {FOREIGN}")
                found = _identity(info)
                if group is None or found != key or _conformer(info) == 1:
                    if group is not None:
                        yield group
                    group, key = _group(info, numbers, f"{path} frame {number}"), found
                group.positions.append(pos)
                group.tags.append({tag: str(value) for tag, value in info.items() if tag != "confgen"})
        except (*READ_ERRORS, ValueError, IndexError, KeyError) as error:
            if number == 0:
                raise InputError(f"{path}: cannot be read as extended XYZ ({_reason(error)}); get it again") from None
            broken = f"{path}: damaged or cut short after frame {number} ({_reason(error)}); repair the file"
            if group is not None:
                yield group
            yield Group("", str(path), None, error=MoleculeError(broken))
            return
    if group is not None:
        yield group


def _frames(text: TextIO) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Comment line, atomic numbers (N,) and positions (N, 3) in angstrom of each frame."""
    import ase.io

    while line := text.readline():
        if not line.strip():
            continue
        lines = [line, *(text.readline() for _ in range(int(line) + 1))]
        if not lines[-1].strip():
            raise ValueError("the frame is cut short")
        atoms = next(ase.io.iread(io.StringIO("".join(lines)), format="extxyz"))
        yield atoms.info, atoms.numbers, atoms.positions


def _identity(info: dict[str, Any]) -> tuple[str, str, str]:
    exact = info.get("confgen")
    exact = exact if isinstance(exact, dict) else {"name": info.get("name", "")}
    return str(exact.get("name", "")), str(exact.get("origin", "")), str(info.get("mapped_smiles", ""))


def _conformer(info: dict[str, Any]) -> object:
    return info.get("conformer")


def _group(info: dict[str, Any], numbers: np.ndarray, origin: str) -> Group:
    """A group without positions, with the molecule of the frame in the order of its lines."""
    name, _, smiles = _identity(info)
    try:
        mol = _molecule(smiles, name, origin, numbers)
    except MoleculeError as error:
        return Group(name, origin, None, error=error)
    exact = info.get("confgen")
    tags = exact.get("tags") if isinstance(exact, dict) else None
    set_tags(mol, [(str(tag), str(value)) for tag, value in tags.items()] if isinstance(tags, dict) else [])
    return Group(name, origin, mol)


def _molecule(smiles: str, name: str, origin: str, numbers: np.ndarray) -> Mol:
    where = f"{origin} '{name}'"
    if not smiles:
        raise MoleculeError(f"{where}: {FOREIGN}")
    mol = from_smiles(smiles, name, origin, add_hydrogens=False)
    places = [atom.GetAtomMapNum() for atom in mol.GetAtoms()]
    if sorted(places) != list(range(1, len(numbers) + 1)):
        raise MoleculeError(f"{where}: mapped_smiles does not number each of the {len(numbers)} atoms; write it again")
    mol = renumbered(mol, np.argsort(places).tolist())
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    if [atom.GetAtomicNum() for atom in mol.GetAtoms()] != numbers.tolist():
        raise MoleculeError(f"{where}: the elements are not those of mapped_smiles; write it again")
    mol.SetProp("_Name", name)  # renumbering drops it
    mol.SetProp("_confgen_origin", origin)
    raw = Chem.Mol(mol)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    restore_overlooked(mol, raw)
    return mol


def _reason(error: Exception) -> str:
    return cause(error) if isinstance(error, READ_ERRORS) else " ".join(str(error).split())[:80]
