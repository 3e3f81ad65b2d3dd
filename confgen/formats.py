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

import contextlib
import functools
import io
import json
import math
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Protocol

import numpy as np
from rdkit import Chem

from confgen.errors import MoleculeError
from confgen.smiles import mapped_smiles, without_hydrogens, written_with_order

if TYPE_CHECKING:
    import pyarrow as pa

BOLTZMANN_KCAL_MOL_K = 1.987204259e-3  # CODATA 2018 gas constant, 8.314462618 J/(mol K) / 4184
ROOM_TEMPERATURE_K = 298.15

# Of SD records, whose 3D coordinates would otherwise be all that is left of the stereochemistry asked for.
SMILES_TAG = "confgen_smiles"
# Tags of a conformer that was relaxed, or whose energy is known.
ENERGY_TAGS = ("energy_kcal_mol", "relative_energy_kcal_mol", "boltzmann_weight", "energy_method", "relaxation")
Tags = dict[str, str | float]
# Tags written by confgen; the same tags in the input describe some earlier conformer and are dropped.
OWN_TAGS = (
    "conformer",
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
    "confgen_version",
    SMILES_TAG,
)


class EnsembleLike(Protocol):
    """What a writer needs of an ensemble: K conformers of one molecule and, per conformer, where they stand."""

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
    def seed(self) -> int: ...
    @property
    def weights(self) -> str: ...
    @property
    def sources(self) -> Sequence[str]: ...
    @property
    def error(self) -> MoleculeError | None: ...


def sdf_text(ensemble: EnsembleLike, mol: Chem.Mol) -> str:
    """One SD record per conformer: the name as title, the input's own tags, then the tags of OWN_TAGS."""
    record = Chem.Mol(mol)
    for tag in mol.GetPropNames(includePrivate=True):  # the writer would write those of confgen, _confgen_origin say
        record.ClearProp(tag)
    for tag, value in _input_tags(mol).items():
        record.SetProp(_one_line(tag).translate({ord("<"): "(", ord(">"): ")"}), _sdf_value(value))
    record.SetProp("_Name", _title(ensemble.name))
    smiles = {SMILES_TAG: without_hydrogens(mol)}
    text = io.StringIO()
    writer = Chem.SDWriter(text)
    for conformer, tags in zip(record.GetConformers(), _conformer_tags(ensemble, mol), strict=True):
        for tag in OWN_TAGS:
            record.ClearProp(tag)  # so that the tags stand in the order of OWN_TAGS, and none is left over
        for tag, entry in (tags | smiles).items():
            record.SetProp(tag, _sdf_value(str(entry).lower() if isinstance(entry, bool) else str(entry)))
        writer.write(record, confId=conformer.GetId())
    writer.close()
    return text.getvalue()


def xyz_text(ensemble: EnsembleLike, mol: Chem.Mol) -> str:
    """One extended XYZ frame per conformer, readable by ASE; name, SMILES, charge and tags in the comment line.

    `mapped_smiles` has every atom, numbered from 1 by its line in the frame. Since readers take a name such as 007 for
    a number, `confgen` is a JSON object with the exact name, the origin and the tags of the input.
    """
    import ase
    import ase.io

    smiles, mapped = without_hydrogens(mol), mapped_smiles(mol)
    exact = _ase_json({"name": ensemble.name, "origin": ensemble.origin, "tags": _kept_tags(mol)})
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    frames = []
    for conformer, tags in zip(mol.GetConformers(), _conformer_tags(ensemble, mol), strict=True):
        atoms = ase.Atoms(numbers=numbers, positions=conformer.GetPositions())
        atoms.info = {
            "name": _ase_text(_one_line(ensemble.name)),
            "smiles": _ase_text(smiles),
            "charge": Chem.GetFormalCharge(mol),
            **tags,
            "mapped_smiles": _ase_text(mapped),
            "confgen": exact,  # ASE reads text that begins with _JSON as such
        }
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
        "failed_checks": [list(failed) for failed in ensemble.checks],
        "sources": list(ensemble.sources),
        "seed": ensemble.seed,
        "weights": ensemble.weights,
        "confgen_version": confgen_version(),
        "tags": _kept_tags(mol),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def parquet_row(ensemble: EnsembleLike, mol: Chem.Mol) -> dict[str, object]:
    """One row of an ensemble file as `confgen train` reads it; conformers centred, energies relative to the lowest."""
    smiles, positions = _in_smiles_order(mol)
    positions = positions - positions.mean(axis=1, keepdims=True)
    per_conformer = energy_tags(ensemble, mol.GetNumConformers())
    relative = _column(per_conformer, "relative_energy_kcal_mol")
    return {
        "name": _unicode(ensemble.name),
        "smiles": smiles,
        "num_atoms": mol.GetNumAtoms(),
        "num_confs": mol.GetNumConformers(),
        "positions": positions.round(4).astype(np.float32).ravel(),
        "energies": None if relative is None or None in relative else relative,
        "charge": Chem.GetFormalCharge(mol),
        "theory": f"confgen {ensemble.weights}",
        "source": _unicode(ensemble.origin),
        "seed": ensemble.seed,
        "weights": ensemble.weights,
        "confgen_version": confgen_version(),
        "failed_checks": [list(failed) for failed in ensemble.checks],
        "conformer_sources": list(ensemble.sources),
        **{tag: _column(per_conformer, tag) for tag in ENERGY_TAGS},
        "tags": _unicode(json.dumps(_kept_tags(mol), ensure_ascii=False)),
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


# Tags and names


def _conformer_tags(ensemble: EnsembleLike, mol: Chem.Mol) -> list[dict[str, str | int | float | bool]]:
    """The tags of every conformer, in the order of OWN_TAGS; those of energies only if there are energies."""
    count = mol.GetNumConformers()
    assert len(ensemble.checks) == len(ensemble.sources) == count, "one entry for each conformer"
    per_conformer = energy_tags(ensemble, count)
    version = confgen_version()
    rows = []
    for index, (failed, source) in enumerate(zip(ensemble.checks, ensemble.sources, strict=True)):
        row: dict[str, str | int | float | bool] = {"conformer": index + 1, **per_conformer[index]}
        row["valid"] = not failed
        row["failed_checks"] = ", ".join(failed)
        row["source"] = source
        row["seed"] = ensemble.seed
        row["weights"] = ensemble.weights
        row["confgen_version"] = version
        rows.append(row)
    return rows


def energy_tags(ensemble: EnsembleLike, count: int) -> list[Tags]:
    """What is known of each conformer's energy and relaxation, as tags of ENERGY_TAGS; what is not known is left out.

    The ensemble need not have `boltzmann_weights`, `energy_method` or `relaxations`. Without weights they follow from
    the energies, if all of those are known.
    """
    energies = _floats(ensemble.energies, count)
    known = [energy for energy in energies if energy is not None]
    given = getattr(ensemble, "boltzmann_weights", None)
    weights = _floats(boltzmann_weights(known) if given is None and known and len(known) == count else given, count)
    relaxations = list(getattr(ensemble, "relaxations", None) or [""] * count)
    assert len(relaxations) == count, "one relaxation for each conformer"
    rows = []
    for energy, weight, relaxation in zip(energies, weights, relaxations, strict=True):
        row: Tags = {}
        if energy is not None:
            row["energy_kcal_mol"] = round(energy, 4)
            row["relative_energy_kcal_mol"] = round(energy - min(known), 4)
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
    assert len(values) == count, "one number for each conformer"
    return [float(value) if math.isfinite(value) else None for value in values]


def _column(rows: list[Tags], tag: str) -> list[str | float | None] | None:
    """A tag of all conformers, None if no conformer has it."""
    return [row.get(tag) for row in rows] if any(tag in row for row in rows) else None


def boltzmann_weights(energies: Sequence[float], temperature_k: float = ROOM_TEMPERATURE_K) -> list[float]:
    """Share of each conformer at equilibrium, summing to 1; `energies` in kcal/mol, symmetry numbers ignored."""
    lowest = min(energies)
    factors = [math.exp(-(energy - lowest) / (BOLTZMANN_KCAL_MOL_K * temperature_k)) for energy in energies]
    return [factor / sum(factors) for factor in factors]


def _input_tags(mol: Chem.Mol) -> dict[str, str]:
    """What the input said of the molecule: its public properties, as text, without those that are not UTF-8."""
    tags = {}
    for tag in mol.GetPropNames(includePrivate=False, includeComputed=False):
        with contextlib.suppress(UnicodeDecodeError):  # readers decode what they read; the molecule must not be lost
            tags[tag] = mol.GetProp(tag)
    return tags


def _kept_tags(mol: Chem.Mol) -> dict[str, str]:
    """The tags of the input that are written along, all but those of OWN_TAGS."""
    return {tag: value for tag, value in _input_tags(mol).items() if tag not in OWN_TAGS}


def _unicode(text: str) -> str:
    """The text with what no file can hold (stray bytes of a file name, say) as question marks."""
    return text.encode(errors="replace").decode()


def _one_line(text: str) -> str:
    """The text with every run of white space, line breaks among it, made one space."""
    return " ".join(_unicode(text).split())


def _title(name: str) -> str:
    """A first line for a record; four dollars there would end the record before it begins."""
    title = _one_line(name)
    return f"_{title}" if title.startswith("$$$$") else title


def _sdf_value(value: str) -> str:
    """The text without what ends a value (an empty line) or a record (four dollars)."""
    lines = (line.rstrip() for line in value.splitlines())
    return "\n".join(f" {line}" if line.startswith("$$$$") else line for line in lines if line)


def _ase_json(content: object) -> str:
    """JSON as ASE reads it in a comment line, where it takes single backslashes for its own."""
    text = json.dumps(content).replace('\\"', "\\u0022").replace("\\", "\\\\")
    return f"_JSON {text}"


def _ase_text(text: str) -> str:
    """Text as ASE reads it in a comment line, where a backslash is doubled if the text stands in quotes."""
    import ase.io.extxyz

    quoted = ase.io.extxyz.escape(text).startswith('"')
    return text.replace("\\", "\\\\") if quoted else text


def _in_smiles_order(mol: Chem.Mol) -> tuple[str, np.ndarray]:
    """Isomeric SMILES with explicit hydrogens, and positions (K, N, 3) in its order of atoms.

    Read it with `SmilesParserParams.removeHs = False` to get the atoms in that order.
    """
    smiles, order = written_with_order(mol)
    return smiles, np.stack([conformer.GetPositions()[order] for conformer in mol.GetConformers()])


@functools.cache
def confgen_version() -> str:
    """The version installed; `unknown` in a checkout that was never installed."""
    try:
        return metadata.version("confgen-mol")
    except metadata.PackageNotFoundError:
        return "unknown"
