"""What a file tells of ensembles, read by programs that are not confgen and by confgen, and how two accounts differ."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ase.io
import numpy as np
import pyarrow.parquet as pq
from rdkit import Chem

from confgen.conformers import positions
from confgen.ensembles import read_ensembles
from confgen.generate import Ensemble
from confgen.record_tags import kept_tags
from confgen.version import confgen_version

NUMBERS = ("conformer", "energy_kcal_mol", "relative_energy_kcal_mol", "boltzmann_weight", "seed")
TEXTS = ("energy_method", "relaxation", "valid", "failed_checks", "source", "weights", "confgen_version")
OF_SETS = ("relative_energy_kcal_mol", "boltzmann_weight")  # what confgen's reader of ensembles gives
SMILES = "confgen_smiles"
NEAR = 1e-4  # of numbers, which are written with four decimals
WITH_HYDROGENS = Chem.SmilesParserParams()
WITH_HYDROGENS.removeHs = False  # type: ignore[assignment] # RDKit's stubs have the wrong type

Facts = tuple[str, int, int]  # symbol, isotope, charge
Row = dict[str, float | str]


@dataclass(frozen=True)
class Told:
    """A molecule of K conformers: `pos` (K, N, 3) angstrom, facts of each atom, bonds between them, the stereoisomer as
    a SMILES, tags of the input, and of each conformer what confgen says of it; `keys` are those that are known."""

    name: str
    atoms: list[Facts]
    bonds: set[frozenset[int]]
    smiles: str
    pos: np.ndarray
    tags: dict[str, str]
    rows: list[Row]
    keys: tuple[str, ...] = NUMBERS + TEXTS


def of_ensemble(ensemble: Ensemble) -> Told:
    """What a file should tell of an ensemble that is in memory."""
    mol = ensemble.mol
    assert mol is not None
    energies = ensemble.energies or [math.nan] * mol.GetNumConformers()
    shares = ensemble.boltzmann_weights or [math.nan] * len(energies)
    lowest = min((energy for energy in energies if math.isfinite(energy)), default=math.nan)
    rows = [
        _row(
            {
                "conformer": k + 1, "energy_kcal_mol": energies[k], "relative_energy_kcal_mol": energies[k] - lowest,
                "boltzmann_weight": shares[k], "seed": ensemble.seed, "relaxation": ensemble.relaxations[k],
                "energy_method": ensemble.energy_method if math.isfinite(energies[k]) else None,
                "valid": not ensemble.checks[k], "failed_checks": ", ".join(ensemble.checks[k]),
                "source": ensemble.sources[k], "weights": ensemble.weights, "confgen_version": confgen_version(),
            }
        )
        for k in range(len(energies))
    ]  # fmt: skip
    return Told(ensemble.name, _atoms(mol), _bonds(mol), Chem.MolToSmiles(mol), positions(mol), kept_tags(mol), rows)


def by_rdkit(path: Path) -> list[Told]:
    """An SD file, records of one title together."""
    with _bytes(path) as stream:
        records = list(Chem.ForwardSDMolSupplier(stream, removeHs=False))
    found = []
    for name, group in itertools.groupby(records, key=lambda record: record.GetProp("_Name")):
        own = list(group)
        said = [record.GetPropsAsDict(autoConvertStrings=False) for record in own]
        tags = {tag: text for tag, text in said[0].items() if tag not in (*NUMBERS, *TEXTS, SMILES)}
        pos = np.concatenate([positions(record) for record in own])
        rows = [_row(one) for one in said]
        found.append(Told(name, _atoms(own[0]), _bonds(own[0]), said[0][SMILES], pos, tags, rows))
    return found


def by_ase(path: Path) -> list[Told]:
    """An extended XYZ file; elements are those of the frames, the bonds between them those of `mapped_smiles`."""
    with _bytes(path) as stream:
        text = stream.read().decode()
    (path.parent / "plain.xyz").write_text(text, encoding="utf-8")
    frames = list(ase.io.iread(path.parent / "plain.xyz", index=":", format="extxyz"))
    found = []
    for exact, group in itertools.groupby(frames, key=lambda frame: frame.info["confgen"]):
        own = list(group)
        mol = Chem.MolFromSmiles(own[0].info["mapped_smiles"], WITH_HYDROGENS)
        mol = Chem.RenumberAtoms(mol, np.argsort([atom.GetAtomMapNum() for atom in mol.GetAtoms()]).tolist())
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
        known = zip(own[0].symbols, _atoms(mol), strict=True)
        atoms = [(symbol, isotope, charge) for symbol, (_, isotope, charge) in known]
        rows = [_row(frame.info) for frame in own]
        pos = np.stack([frame.positions for frame in own])
        found.append(Told(exact["name"], atoms, _bonds(mol), own[0].info["smiles"], pos, exact["tags"], rows))
    return found


def by_json(path: Path) -> list[Told]:
    """JSON lines."""
    with _bytes(path) as stream:
        lines = [json.loads(line) for line in stream]
    plural = {
        "energy_kcal_mol": "energies_kcal_mol", "relative_energy_kcal_mol": "relative_energies_kcal_mol",
        "boltzmann_weight": "boltzmann_weights", "energy_method": "energy_methods", "relaxation": "relaxations",
        "source": "sources",
    }  # fmt: skip
    return [_of_table(line, np.array(line["positions"]), {key: line[own] for key, own in plural.items()}, line["tags"])
            for line in lines]  # fmt: skip


def by_pyarrow(path: Path) -> list[Told]:
    """A Parquet file."""
    found = []
    for line in pq.read_table(path).to_pylist():
        pos = np.array(line["positions"], float).reshape(line["num_confs"], line["num_atoms"], 3)
        own = ("energy_kcal_mol", "relative_energy_kcal_mol", "boltzmann_weight", "energy_method", "relaxation")
        columns = {key: line[key] for key in own} | {"source": line["conformer_sources"]}
        found.append(_of_table(line, pos, columns, json.loads(line["tags"])))
    return found


def by_confgen(path: Path) -> list[Told]:
    """Any of them, by the reader that `confgen evaluate` uses. Raises MoleculeError for what it cannot read."""
    found = []
    for one in read_ensembles(path):
        if one.mol is None:
            assert one.error is not None
            raise one.error
        count = one.mol.GetNumConformers()
        columns = zip(OF_SETS, (one.energies, one.weights), strict=True)
        known = {key: [None] * count if values is None else values.tolist() for key, values in columns}
        rows = [_row({key: values[k] for key, values in known.items()}) for k in range(count)]
        atoms, bonds, smiles = _atoms(one.mol), _bonds(one.mol), Chem.MolToSmiles(one.mol)
        found.append(Told(one.name, atoms, bonds, smiles, positions(one.mol), kept_tags(one.mol), rows, OF_SETS))
    return found


def compared(
    expected: Sequence[Told], found: Sequence[Told], *, reorders: bool, centres: bool
) -> tuple[float, list[str]]:
    """Largest difference of a coordinate in angstrom, and a line for each kind of thing that is lost or changed.

    reorders: the atoms may stand in another order.     centres: the conformers may be shifted to their middle.
    The difference is infinite if molecules or conformers are missing.
    """
    if [one.name for one in expected] != [one.name for one in found]:
        missing = [one.name for one in expected if one.name not in {other.name for other in found}]
        return math.inf, [f"names or order of molecules ({', '.join(missing) or 'order'})"]
    differences: list[float] = [0.0]
    lost: dict[str, list[str]] = {}
    for mine, theirs in zip(expected, found, strict=True):
        difference, own = _compared(mine, theirs, reorders=reorders, centres=centres)
        differences.append(difference)
        for what in own:
            lost.setdefault(what, []).append(mine.name)
    return max(differences), [f"{what} ({len(names)} molecules, first {names[0]})" for what, names in lost.items()]


def _compared(mine: Told, theirs: Told, *, reorders: bool, centres: bool) -> tuple[float, list[str]]:
    if mine.pos.shape != theirs.pos.shape:
        return math.inf, [f"conformers x atoms are {theirs.pos.shape[:2]}, not {mine.pos.shape[:2]}"]
    ours, read = (one.pos - one.pos.mean(1, keepdims=True) * centres for one in (mine, theirs))
    apart = np.linalg.norm(ours[0][:, None] - read[0], axis=-1)
    order = apart.argmin(axis=1) if reorders else np.arange(len(apart))  # my atom k is their atom order[k]
    if len(set(order)) < len(order):
        return math.inf, ["atoms: some lie nowhere near"]
    place = {int(there): here for here, there in enumerate(order)}
    lost = []
    if mine.atoms != [theirs.atoms[there] for there in order]:
        lost.append("elements, isotopes, charges or order of atoms")
    if mine.bonds != {frozenset(place[i] for i in bond) for bond in theirs.bonds}:
        lost.append("bonds")
    if _isomer(mine.smiles) != _isomer(theirs.smiles):
        lost.append(f"stereochemistry, {_isomer(theirs.smiles)} for {_isomer(mine.smiles)}")
    lost += [f"tag '{tag}'" for tag, text in mine.tags.items() if theirs.tags.get(tag) != text]
    lost += [f"a tag '{tag}' came in" for tag in theirs.tags if tag not in mine.tags]
    wrong = {
        key for own, other in zip(mine.rows, theirs.rows, strict=True) for key in theirs.keys
        if not _same(own.get(key), other.get(key))
    }  # fmt: skip
    return float(abs(ours - read[:, order]).max()), lost + [f"{key} of a conformer" for key in sorted(wrong)]


def _same(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= NEAR
    return one == other


def _row(said: Mapping[str, Any]) -> Row:
    """What is said of a conformer, numbers as such, without what is not known."""
    row: Row = {key: float(said[key]) for key in NUMBERS if said.get(key) is not None}
    row = {key: value for key, value in row.items() if math.isfinite(float(value))}
    for key in TEXTS:
        if said.get(key) not in (None, ""):  # XYZ cannot hold what is empty
            row[key] = str(said[key]).lower() if key == "valid" else str(said[key])
    return row


def _of_table(line: Mapping[str, Any], pos: np.ndarray, columns: Mapping[str, Any], tags: dict[str, str]) -> Told:
    """A molecule that is one row: what is said of conformers stands in columns, of all in the row."""
    mol = Chem.MolFromSmiles(line["smiles"], WITH_HYDROGENS)
    rows = []
    for k, failed in enumerate(line["failed_checks"]):
        own = {key: values[k] for key, values in columns.items() if values is not None}
        of_all = {key: line[key] for key in ("seed", "weights", "confgen_version")}
        rows.append(
            _row({"conformer": k + 1, "valid": not failed, "failed_checks": ", ".join(failed), **own, **of_all})
        )
    return Told(line["name"], _atoms(mol), _bonds(mol), line["smiles"], pos, tags, rows)


def _bytes(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _atoms(mol: Chem.Mol) -> list[Facts]:
    return [(atom.GetSymbol(), atom.GetIsotope(), atom.GetFormalCharge()) for atom in mol.GetAtoms()]


def _bonds(mol: Chem.Mol) -> set[frozenset[int]]:
    return {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}


def _isomer(smiles: str) -> str:
    """Canonical isomeric SMILES without hydrogens that it does not need."""
    return str(Chem.CanonSmiles(Chem.CanonSmiles(smiles)))
