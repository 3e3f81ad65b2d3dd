"""Conformer ensembles as text or table rows: one function for each file format.

Parquet, one row for each molecule of K conformers and N atoms:
id, name, smiles, num_atoms, num_confs, charge, theory, source (where the molecule stood), seed, weights,
confgen_version: of the molecule; `tags`: those of the input, a JSON object of strings.
positions: K x N x 3 numbers in angstrom, in the atom order of `smiles`, every conformer centred.
energies: K numbers, above the lowest.   failed_checks: K lists of names.   conformer_sources: K times `source`.
energy_kcal_mol, relative_energy_kcal_mol, boltzmann_weight, relaxation, energy_method: K entries each, as the tags of
the same names in other formats; null where nothing is known.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem

from confgen.conformers import positions, with_positions
from confgen.record_tags import (
    ENERGY_TAGS,
    OWN_TAGS,
    SMILES_TAG,
    EnsembleLike,
    Tags,
    conformer_tags,
    energy_tags,
    kept_tags,
)
from confgen.record_text import ase_json, ase_text, one_line, sdf_tag, sdf_title, sdf_value, unicode_text
from confgen.smiles import mapped_smiles, without_hydrogens, written_with_order
from confgen.stereo_tags import open_double_bonds, show_double_bonds
from confgen.tags import free_name
from confgen.version import confgen_version

if TYPE_CHECKING:
    import pyarrow as pa


def sdf_text(ensemble: EnsembleLike, mol: Chem.Mol) -> str:
    """One SD record per conformer: the name as title, the input's own tags, then the tags of OWN_TAGS."""
    record = Chem.Mol(mol)
    for tag in mol.GetPropNames(includePrivate=True):  # the writer would write those of confgen, _confgen_origin say
        record.ClearProp(tag)
    taken = set(OWN_TAGS)
    for tag, value in kept_tags(mol).items():
        name = free_name(sdf_tag(tag), taken)
        taken.add(name)
        record.SetProp(name, sdf_value(value))
    record.SetProp("_Name", sdf_title(ensemble.name))
    smiles = {SMILES_TAG: without_hydrogens(mol)}
    either = open_double_bonds(record)
    record = with_positions(record, record.GetConformer().GetPositions()[None]) if mol.GetNumConformers() else record
    text = io.StringIO()
    writer = Chem.SDWriter(text)
    for pos, tags in zip(positions(mol), conformer_tags(ensemble, mol), strict=True):
        for tag in OWN_TAGS:
            record.ClearProp(tag)  # so that the tags stand in the order of OWN_TAGS, and none is left over
        for tag, entry in (tags | smiles).items():
            record.SetProp(tag, sdf_value(str(entry).lower() if isinstance(entry, bool) else str(entry)))
        show_double_bonds(record, either, pos)  # no reader takes it from the coordinates
        record.GetConformer().SetPositions(pos)  # the writer copies all conformers of what it writes
        writer.write(record)
    writer.close()
    return text.getvalue()


def xyz_text(ensemble: EnsembleLike, mol: Chem.Mol) -> str:
    """One extended XYZ frame per conformer, readable by ASE; name, SMILES, charge and tags in the comment line.

    `mapped_smiles` has every atom, numbered from 1 by its line in the frame. Since readers take a name such as 007 for
    a number, `confgen` is a JSON object with the exact name, the origin and the tags of the input. What is empty (no
    name, no failed checks) is left out.
    """
    import ase
    import ase.io

    smiles, mapped = without_hydrogens(mol), mapped_smiles(mol)
    exact = ase_json({"name": ensemble.name, "origin": ensemble.origin, "tags": kept_tags(mol)})
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    frames = []
    for conformer, tags in zip(mol.GetConformers(), conformer_tags(ensemble, mol), strict=True):
        atoms = ase.Atoms(numbers=numbers, positions=conformer.GetPositions())
        info = {
            "name": ase_text(one_line(ensemble.name)),
            "smiles": ase_text(smiles),
            "charge": Chem.GetFormalCharge(mol),
            **tags,
            "mapped_smiles": ase_text(mapped),
            "confgen": exact,  # ASE reads text that begins with _JSON as such
        }
        atoms.info = {key: value for key, value in info.items() if value != ""}  # ASE takes the next entry for it
        frames.append(atoms)
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    return text.getvalue()


def jsonl_text(ensemble: EnsembleLike, mol: Chem.Mol) -> str:
    """One line per molecule; `positions` is K x N x 3 in angstrom, in the atom order of `smiles`."""
    smiles, positions = _in_smiles_order(mol)
    per_conformer = energy_tags(ensemble, mol.GetNumConformers())
    row = {
        "name": ensemble.name,
        "origin": ensemble.origin,
        "smiles": smiles,
        "charge": Chem.GetFormalCharge(mol),
        "num_atoms": mol.GetNumAtoms(),
        "num_confs": mol.GetNumConformers(),
        "positions": positions.round(4).tolist(),
        "energies_kcal_mol": _column(per_conformer, "energy_kcal_mol"),
        "relative_energies_kcal_mol": _column(per_conformer, "relative_energy_kcal_mol"),
        "boltzmann_weights": _column(per_conformer, "boltzmann_weight"),
        "energy_methods": _column(per_conformer, "energy_method"),
        "relaxations": _column(per_conformer, "relaxation"),
        "failed_checks": [list(failed) for failed in ensemble.checks] or None,
        "sources": list(ensemble.sources) or None,
        "seed": ensemble.seed,
        "weights": ensemble.weights or None,
        "confgen_version": confgen_version(),
        "tags": kept_tags(mol),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def parquet_row(ensemble: EnsembleLike, mol: Chem.Mol) -> dict[str, object]:
    """One row of an ensemble file as `confgen train` reads it; conformers centred, energies relative to the lowest."""
    smiles, positions = _in_smiles_order(mol)
    positions = positions - positions.mean(axis=1, keepdims=True)
    per_conformer = energy_tags(ensemble, mol.GetNumConformers())
    relative = _column(per_conformer, "relative_energy_kcal_mol")
    return {
        "name": unicode_text(ensemble.name),
        "smiles": smiles,
        "num_atoms": mol.GetNumAtoms(),
        "num_confs": mol.GetNumConformers(),
        "positions": positions.round(4).astype(np.float32).ravel(),
        "energies": None if relative is None or None in relative else relative,
        "charge": Chem.GetFormalCharge(mol),
        "theory": getattr(ensemble, "theory", "") or (f"confgen {ensemble.weights}" if ensemble.weights else None),
        "source": unicode_text(ensemble.origin),
        "seed": ensemble.seed,
        "weights": ensemble.weights or None,
        "confgen_version": confgen_version(),
        "failed_checks": [list(failed) for failed in ensemble.checks] or None,
        "conformer_sources": list(ensemble.sources) or None,
        **{tag: _column(per_conformer, tag) for tag in ENERGY_TAGS},
        "tags": unicode_text(json.dumps(kept_tags(mol), ensure_ascii=False)),
    }


def parquet_schema() -> pa.Schema:
    """Names and types of the columns of `parquet_row`, and the `id` before them."""
    import pyarrow as pa

    text, integer = pa.string(), pa.int32()
    fields = {
        "id": text,
        "name": text,
        "smiles": text,
        "num_atoms": integer,
        "num_confs": integer,
        "positions": pa.list_(pa.float32()),
        "energies": pa.list_(pa.float64()),
        "charge": integer,
        "theory": text,
        "source": text,
        "seed": pa.int64(),
        "weights": text,
        "confgen_version": text,
        "failed_checks": pa.list_(pa.list_(text)),
        "conformer_sources": pa.list_(text),
        **dict.fromkeys(ENERGY_TAGS[:3], pa.list_(pa.float64())),
        **dict.fromkeys(ENERGY_TAGS[3:], pa.list_(text)),
        "tags": text,
    }
    return pa.schema(list(fields.items()))


def _column(rows: list[Tags], tag: str) -> list[str | float | None] | None:
    """A tag of all conformers, None if no conformer has it."""
    return [row.get(tag) for row in rows] if any(tag in row for row in rows) else None


def _in_smiles_order(mol: Chem.Mol) -> tuple[str, np.ndarray]:
    """Isomeric SMILES with explicit hydrogens, and positions (K, N, 3) in its order of atoms.

    Read it with `SmilesParserParams.removeHs = False` to get the atoms in that order.
    """
    smiles, order = written_with_order(mol)
    return smiles, np.stack([conformer.GetPositions()[order] for conformer in mol.GetConformers()])
