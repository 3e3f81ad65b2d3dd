"""Conformer ensembles from files: multi-conformer SDF, extended XYZ, JSON lines, Parquet, and GEOM's pickles."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rdkit.Chem import Mol

from confgen.conformer_sets import ConformerSet, Making
from confgen.conformers import label, with_positions
from confgen.energies import complete, normalised, objections, relative, unless_unknown
from confgen.errors import InputError, MoleculeError
from confgen.frames import xyz_groups
from confgen.molecule import from_smiles
from confgen.parquet import read_batches
from confgen.pickled import PICKLES, from_directory, from_pickle
from confgen.pickles import read_pickle
from confgen.record_text import unicode_text
from confgen.sdf import Group, sdf_groups
from confgen.tags import set_tags
from confgen.textfile import READ_ERRORS, cause, open_text

# Columns of a Parquet file that need not be there.
OPTIONAL = ("name", "id", "energies", "boltzmann_weight", "tags", "theory", "energy_method", "seed", "weights")
ROWS = 64  # of a Parquet file held at once
JSON_LINES = (".jsonl", ".ndjson")
XYZ = (".xyz", ".extxyz")
KINDS = ".sdf, .xyz, .jsonl (also .gz), .parquet, .pickle, or a directory of pickles"


def read_ensembles(path: Path | str) -> Iterator[ConformerSet]:
    """The molecules of a file, in its order; one that cannot be had comes with its error, and reading goes on.

    .sdf: consecutive records of one title and one graph are one molecule. .xyz: those that confgen wrote. .jsonl: one
    line each, as confgen writes them. These may end in .gz. .parquet: one row each.
    .pickle, .pkl or a directory of them: GEOM's `rdkit_folder` form.
    Raises: InputError, at once, if the file cannot be read at all or holds no molecule; later, for a pickle of a
            directory that asks for more than molecules and plain data.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if path.name.lower().endswith(".gz") and suffix in (".parquet", *PICKLES):
        raise InputError(f"{path}: is compressed, which only files of text may be; unpack it first")
    if path.is_dir():
        sets = from_directory(path, KINDS)
    elif suffix in (".sdf", ".sd", ".mol", ".mdl"):
        sets = _from_groups(sdf_groups(path))
    elif suffix in XYZ:
        sets = _from_groups(xyz_groups(path))
    elif suffix in JSON_LINES:
        sets = json_lines(path)
    elif suffix == ".parquet":
        sets = _from_parquet(path)
    elif suffix in PICKLES:
        sets = (from_pickle(found, str(path), path.stem) for found in read_pickle(path))
    else:
        raise InputError(f"{path}: unknown kind of file; ensembles are read from {KINDS}")
    first = next(sets, None)
    if first is None:
        raise InputError(f"{path}: holds no molecules; give a file with conformers")
    return itertools.chain([first], sets)


def json_lines(path: Path) -> Iterator[ConformerSet]:
    """The lines that `confgen generate` writes; what makes a line unreadable is an error of its own."""
    with open_text(str(path)) as text:
        number = 0
        try:
            for number, line in enumerate(text, start=1):
                if line.strip():
                    yield _from_json(line, f"{path}:{number}")
        except READ_ERRORS as error:
            broken = f"{path}:{number + 1}: damaged or cut short here ({cause(error)}); repair the file"
            yield ConformerSet("", f"{path}:{number + 1}", None, error=MoleculeError(broken))


def _from_json(line: str, origin: str) -> ConformerSet:
    name = ""
    try:
        row: dict[str, Any] = json.loads(line)
        name = "" if row.get("name") is None else str(row["name"])
        mol = from_smiles(row["smiles"], name, origin, add_hydrogens=False)
        pos = np.array(row["positions"], dtype=np.float64).reshape(-1, mol.GetNumAtoms(), 3)
        if not len(pos):
            raise MoleculeError(f"{label(mol)}: has no conformers; leave it out")
        told = row.get("energies_kcal_mol") or row.get("relative_energies_kcal_mol")
        shares = row.get("boltzmann_weights")
        notes = objections(label(mol), len(pos), unless_unknown(told), unless_unknown(shares))
        energies = relative(complete(told, len(pos)))
        weights = normalised(complete(shares, len(pos)), energies)
        _set_tags(mol, row.get("tags"))
        making = _making({key: row.get(key) for key in OPTIONAL} | {"energy_method": row.get("energy_methods")})
    except MoleculeError as error:
        return ConformerSet(name, origin, None, error=error)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{origin}: no line of conformers ({str(error)[:80] or type(error).__name__}); write it with confgen"
        return ConformerSet(name, origin, None, error=MoleculeError(reason))
    mol = with_positions(mol, pos)
    return ConformerSet(name or row["smiles"], origin, mol, energies, weights, notes=notes, making=making)


def _from_groups(groups: Iterator[Group]) -> Iterator[ConformerSet]:
    for group in groups:
        if group.mol is None:
            yield ConformerSet(group.name, group.origin, None, error=group.error)
            continue
        mol = with_positions(group.mol, np.stack(group.positions))
        told, shares, count = group.energies(), group.numbers("boltzmann_weight"), len(group.positions)
        energies = relative(told)
        weights = normalised(complete(shares, count), energies)
        doubted = [unless_unknown(values) if group.is_own else values for values in (told, shares)]
        notes = objections(f"{group.origin} '{group.name}'", count, *doubted)
        yield ConformerSet(group.name, group.origin, mol, energies, weights, notes=notes, making=_making_of(group))


def _making_of(group: Group) -> Making | None:
    """What the records of a molecule agree on, if confgen wrote them."""
    if not group.is_own:
        return None
    told: dict[str, Any] = {"theory": None}
    for tag in ("energy_method", "seed", "weights"):
        values = {tags.get(tag, "") for tags in group.tags}
        told[tag] = values.pop() if len(values) == 1 else None
    told["seed"] = int(told["seed"]) if re.fullmatch(r"-?\d+", told["seed"] or "", re.ASCII) else None
    return _making(told)


def _from_parquet(path: Path) -> Iterator[ConformerSet]:
    number = 0
    for batch in read_batches(path, ROWS, OPTIONAL):
        for index in range(batch.num_rows):
            number += 1
            row = {name: batch.column(name)[index] for name in batch.schema.names}
            yield _from_row(row, f"{path} row {number}")


def _from_row(row: dict[str, Any], origin: str) -> ConformerSet:
    """A row of Arrow scalars as a molecule."""
    names = (row[key].as_py() for key in ("name", "id") if key in row)
    name = next((str(value) for value in names if value is not None and value != ""), "")
    try:
        mol = from_smiles(row["smiles"].as_py() or "", name, origin, add_hydrogens=False)
        count, num_atoms = row["num_confs"].as_py(), row["num_atoms"].as_py()
        if num_atoms != mol.GetNumAtoms():
            raise MoleculeError(f"{label(mol)}: num_atoms is {num_atoms}, but its SMILES has {mol.GetNumAtoms()} atoms")
        if count is None:
            raise MoleculeError(f"{label(mol)}: its num_confs is no whole number; give that of its conformers")
        values = row["positions"].values
        pos = np.zeros(0) if values is None else np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
        if count < 1 or len(pos) != 3 * count * num_atoms:
            raise MoleculeError(f"{label(mol)}: has {len(pos)} coordinates for {count} conformers of {num_atoms} atoms")
    except MoleculeError as error:
        return ConformerSet(name, origin, None, error=error)
    told = {key: row[key].as_py() if key in row else None for key in OPTIONAL[2:]}
    _set_tags(mol, told["tags"])
    energies = relative(complete(told["energies"], count))
    weights = normalised(complete(told["boltzmann_weight"], count), energies)
    notes = objections(label(mol), count, told["energies"], unless_unknown(told["boltzmann_weight"]))
    mol = with_positions(mol, pos.reshape(count, num_atoms, 3))
    return ConformerSet(
        name or row["smiles"].as_py(), origin, mol, energies, weights, notes=notes, making=_making(told)
    )


def _making(told: dict[str, Any]) -> Making:
    """What is said of it; other types than those of confgen say nothing."""
    methods = told["energy_method"] if isinstance(told["energy_method"], list) else [told["energy_method"]]
    texts = {"theory": told["theory"], "weights": told["weights"]}
    if not texts["theory"] and texts["weights"]:
        texts["theory"] = f"confgen {texts['weights']}"
    texts["energy_method"] = methods[0] if methods and all(method == methods[0] for method in methods) else ""
    seed = told["seed"] if type(told["seed"]) is int and abs(told["seed"]) < 2**63 else None
    return Making(seed=seed, **{key: unicode_text(text) for key, text in texts.items() if isinstance(text, str)})


def _set_tags(mol: Mol, tags: object) -> None:
    """Gives the molecule, in place, the tags of a dictionary or of a JSON object as text; what is neither has none."""
    try:
        told = json.loads(tags) if isinstance(tags, str) else tags
    except ValueError:
        return
    set_tags(mol, [(str(tag), str(text)) for tag, text in told.items()] if isinstance(told, dict) else [])
