"""Promises of the formats together: what confgen writes, confgen reads, and nothing is lost on the way."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
from ensembles import Ensemble, molecule, positions
from rdkit import Chem

from confgen.candidates import candidates
from confgen.ensembles import read_ensembles
from confgen.errors import InputError
from confgen.record_tags import OWN_TAGS, kept_tags
from confgen.writer import write_ensembles

KINDS = {
    "single atom": "[Ar]", "hydrogen": "[H][H]", "salt": "[Na+].[Cl-]", "zwitterion": "C[C@H]([NH3+])C(=O)[O-]",
    "radical": "C[CH]C", "isotopes": "[2H]C([13CH3])O", "centre": "C[C@@H](F)Cl", "double bond": "F/C=C\\F",
    "imine": "[H]/N=C/C", "sulfoxide": "C[S@](=O)CC",
}  # fmt: skip
FORMATS = ["sdf", "sdf.gz", "xyz", "xyz.gz", "jsonl", "jsonl.gz", "parquet"]
NAMES = ["two  words", "a \"b\" 'c'", "tab\there", "v1.2.3", "007", "T", "äöü 分子", "1 2 3", "back\\slash"]
TAGS = {
    "quote": 'say "no"',
    "lines": "a\nb > c",
    "unicode": "分子 µ",
    "number": "007",
    "flag": "true",
    "slash": 'a\\"b',
}


@dataclass(frozen=True)
class Relaxed(Ensemble):
    """An ensemble whose second conformer could not be relaxed."""

    energies: list[float] | None = field(default_factory=lambda: [-5.25, math.nan])
    boltzmann_weights: list[float] | None = field(default_factory=lambda: [1.0, math.nan])
    relaxations: list[str] = field(default_factory=lambda: ["converged", "refused: stereo"])
    energy_method: str = "gfn2"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_molecules_come_back_as_they_were(kind: str, ending: str, tmp_path: Path) -> None:
    made, path = Ensemble(molecule(KINDS[kind]), name=kind), tmp_path / f"out.{ending}"
    write_ensembles([made], path)
    (found,) = read_ensembles(path)
    assert found.error is None
    assert found.mol is not None
    assert found.name == kind
    mine, theirs = _in_place(found.mol), _in_place(made.mol)
    assert [facts for facts, _ in mine] == [facts for facts, _ in theirs]
    np.testing.assert_allclose([reach for _, reach in mine], [reach for _, reach in theirs], atol=1e-2)
    assert Chem.MolToSmiles(found.mol) == Chem.MolToSmiles(made.mol)
    np.testing.assert_allclose(_inner_distances(found.mol), _inner_distances(made.mol), atol=4e-4)


@pytest.mark.parametrize("ending", FORMATS)
def test_check_knows_the_stereochemistry_asked_for(ending: str, tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("C[C@@H](F)Cl"))], tmp_path / f"out.{ending}")
    (found,) = candidates(str(tmp_path / f"out.{ending}"))
    assert found.asked is not None
    assert Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(found.asked))) == Chem.CanonSmiles("C[C@@H](F)Cl")


@pytest.mark.parametrize("ending", ["xyz", "jsonl", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_names_come_back_to_the_letter(name: str, ending: str, tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"), name=name)], tmp_path / f"out.{ending}")
    (found,) = read_ensembles(tmp_path / f"out.{ending}")
    assert found.mol is not None
    assert found.mol.GetProp("_Name") == name


def test_tags_of_the_input_are_in_every_format(tmp_path: Path) -> None:
    mol = molecule("CCO")
    for tag, value in TAGS.items():
        mol.SetProp(tag, value)
    for ending in ("sdf", "xyz", "jsonl", "parquet"):
        write_ensembles([Ensemble(mol)], tmp_path / f"out.{ending}")
    record = next(iter(Chem.SDMolSupplier(str(tmp_path / "out.sdf"))))
    assert {tag: record.GetProp(tag) for tag in TAGS} == TAGS
    assert ase.io.read(tmp_path / "out.xyz", 0, format="extxyz").info["confgen"]["tags"] == TAGS
    assert json.loads((tmp_path / "out.jsonl").read_text())["tags"] == TAGS
    assert json.loads(pq.read_table(tmp_path / "out.parquet")["tags"][0].as_py()) == TAGS


@pytest.mark.parametrize("ending", FORMATS)
def test_tags_of_the_input_are_read_from_each_format(ending: str, tmp_path: Path) -> None:
    mol = molecule("C[C@@H](F)Cl")
    for tag, value in TAGS.items():
        mol.SetProp(tag, value)
    write_ensembles([Ensemble(mol)], tmp_path / f"out.{ending}")
    (found,) = read_ensembles(tmp_path / f"out.{ending}")
    assert found.mol is not None
    assert kept_tags(found.mol) == TAGS


@pytest.mark.parametrize("tags", ["", "no JSON", "[1]", "null"])
def test_tags_that_are_none_are_passed_over(tags: str, tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"))], tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    column = table.schema.get_field_index("tags")
    pq.write_table(table.set_column(column, "tags", [[tags]]), tmp_path / "other.parquet")
    (found,) = read_ensembles(tmp_path / "other.parquet")
    assert found.mol is not None
    assert kept_tags(found.mol) == {}


def test_what_is_empty_takes_nothing_with_it_in_xyz(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"), name="")], tmp_path / "out.xyz")
    frame = ase.io.read(tmp_path / "out.xyz", 0, format="extxyz")
    assert (frame.info["smiles"], frame.info["source"], frame.info["valid"]) == ("CCO", "network", True)
    assert {"name", "failed_checks"}.isdisjoint(frame.info)


@pytest.mark.parametrize("ending", FORMATS)
def test_energies_and_weights_are_read_from_each_format(ending: str, tmp_path: Path) -> None:
    made = Ensemble(molecule("CCO"), energies=[-5.0, -4.0])
    write_ensembles([made], tmp_path / f"out.{ending}")
    (found,) = read_ensembles(tmp_path / f"out.{ending}")
    assert found.energies is not None
    assert found.weights is not None
    assert found.energies.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(found.weights, [0.8439, 0.1561], atol=1e-4)


@pytest.mark.parametrize("first", ["sdf", "xyz", "jsonl", "parquet"])
@pytest.mark.parametrize("second", ["sdf", "xyz", "jsonl", "parquet"])
def test_what_was_read_can_be_written(first: str, second: str, tmp_path: Path) -> None:
    mol = molecule("C[C@@H](F)Cl")
    mol.SetProp("supplier", "x42")
    write_ensembles([Relaxed(mol, energies=[-5.0, -4.0], boltzmann_weights=[0.7, 0.3])], tmp_path / f"a.{first}")
    (found,) = read_ensembles(tmp_path / f"a.{first}")
    assert write_ensembles([found], tmp_path / f"b.{second}") == 2
    (again,) = read_ensembles(tmp_path / f"b.{second}")
    assert again.mol is not None
    assert found.mol is not None
    assert (again.name, kept_tags(again.mol), Chem.MolToSmiles(again.mol)) == (
        "ethanol", {"supplier": "x42"}, Chem.MolToSmiles(found.mol)
    )  # fmt: skip
    np.testing.assert_allclose(again.energies, [0.0, 1.0])  # type: ignore[arg-type]
    np.testing.assert_allclose(again.weights, [0.7, 0.3])  # type: ignore[arg-type]
    np.testing.assert_allclose(_inner_distances(again.mol), _inner_distances(found.mol), atol=4e-4)
    assert again.making == found.making


def test_nothing_is_made_up_of_what_was_read(tmp_path: Path) -> None:
    with Chem.SDWriter(str(tmp_path / "foreign.sdf")) as writer:
        writer.write(molecule("CCO", num_confs=1))
    for ending in ("sdf", "xyz", "jsonl", "parquet"):
        write_ensembles(read_ensembles(tmp_path / "foreign.sdf"), tmp_path / f"out.{ending}")
    unknown = {*OWN_TAGS} - {"conformer", "confgen_version", "confgen_smiles"}
    record = next(iter(Chem.SDMolSupplier(str(tmp_path / "out.sdf"))))
    assert unknown.isdisjoint(record.GetPropNames())
    assert unknown.isdisjoint(ase.io.read(tmp_path / "out.xyz", format="extxyz").info)
    line, (row,) = json.loads((tmp_path / "out.jsonl").read_text()), pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [line[key] for key in ("seed", "weights", "sources", "failed_checks", "energies_kcal_mol")] == [None] * 5
    assert [row[key] for key in ("seed", "weights", "conformer_sources", "failed_checks", "theory")] == [None] * 5


def test_xyz_leaves_no_property_of_its_own(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"))], tmp_path / "out.xyz")
    (found,) = read_ensembles(tmp_path / "out.xyz")
    assert found.mol is not None
    assert list(found.mol.GetPropNames()) == []


def test_an_energy_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    made = Relaxed(molecule("CCO"))
    for ending in ("sdf", "xyz", "jsonl", "parquet"):
        write_ensembles([made], tmp_path / f"out.{ending}")
    first, second = Chem.SDMolSupplier(str(tmp_path / "out.sdf"))
    assert (first.GetProp("energy_kcal_mol"), first.GetProp("relaxation")) == ("-5.25", "converged")
    assert (second.HasProp("energy_kcal_mol"), second.GetProp("relaxation")) == (0, "refused: stereo")
    _, frame = ase.io.iread(tmp_path / "out.xyz", format="extxyz")
    assert ("boltzmann_weight" in frame.info, frame.info["relaxation"]) == (False, "refused: stereo")
    assert json.loads((tmp_path / "out.jsonl").read_text())["energies_kcal_mol"] == [-5.25, None]
    (row,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["energies"], row["energy_kcal_mol"], row["energy_method"]) == (None, [-5.25, None], ["gfn2", None])
    assert (row["boltzmann_weight"], row["relaxation"]) == ([1.0, None], ["converged", "refused: stereo"])


def test_molecules_of_one_file_stay_apart(tmp_path: Path) -> None:
    twins = [Ensemble(molecule("CCO")), Ensemble(molecule("CCO")), Ensemble(molecule("CCN"))]
    write_ensembles(twins, tmp_path / "out.xyz")
    assert [one.mol and one.mol.GetNumConformers() for one in read_ensembles(tmp_path / "out.xyz")] == [2, 2, 2]


def test_xyz_of_other_programs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("2\nhydrogen\nH 0 0 0\nH 0 0 0.74\n")
    with pytest.raises(InputError, match="mapped_smiles"):
        read_ensembles(tmp_path / "a.xyz")


def test_xyz_cut_short_keeps_what_came_before(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"))], tmp_path / "a.xyz")
    lines = (tmp_path / "a.xyz").read_text().splitlines(keepends=True)
    (tmp_path / "a.xyz").write_text("".join(lines[:-3]))
    whole, broken = read_ensembles(tmp_path / "a.xyz")
    assert whole.mol is not None
    assert whole.mol.GetNumConformers() == 1
    assert "after frame 1" in str(broken.error)


def _in_place(mol: Chem.Mol) -> list[tuple[tuple[int, int, int, int], float]]:
    """What each atom is and how far in all from the others in conformer 0, whatever the order of the atoms."""
    reach = _inner_distances(mol, sort=False)[0].sum(axis=1)
    return sorted((_facts(atom), float(reach[atom.GetIdx()])) for atom in mol.GetAtoms())


def _facts(atom: Chem.Atom) -> tuple[int, int, int, int]:
    return atom.GetAtomicNum(), atom.GetIsotope(), atom.GetFormalCharge(), atom.GetNumRadicalElectrons()


def _inner_distances(mol: Chem.Mol, *, sort: bool = True) -> np.ndarray:
    """Distances between all atoms of each conformer; sorted they do not depend on the order of the atoms."""
    pos = positions(mol)
    distances = np.linalg.norm(pos[:, :, None] - pos[:, None], axis=-1)
    return np.sort(distances.reshape(len(pos), -1), axis=1) if sort else distances
