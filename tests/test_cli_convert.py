"""`confgen data convert` brings ensembles into one form, and says what it leaves out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import confgen
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from typer.testing import Result

from confgen.ensembles import read_ensembles
from confgen.stereo import mismatches_all
from confgen.writer import write_ensembles


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def embedded(smiles: str, count: int) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, count, randomSeed=7)
    return mol


def single(mol: Chem.Mol, number: int) -> Chem.Mol:
    return Chem.Mol(mol, confId=number)


@pytest.fixture
def geom(tmp_path: Path) -> Path:
    """A folder of GEOM pickles: one good, with its lowest conformer second, and one damaged."""
    mol = embedded("C[C@H](O)CC", 3)
    numbers = [(1.5, 0.2), (0.0, 0.5), (0.7, 0.3)]
    conformers = [
        {"rd_mol": single(mol, k), "relativeenergy": energy, "boltzmannweight": weight}
        for k, (energy, weight) in enumerate(numbers)
    ]
    (tmp_path / "geom").mkdir()
    (tmp_path / "geom" / "a.pickle").write_bytes(pickle.dumps({"smiles": "C[C@H](O)CC", "conformers": conformers}))
    (tmp_path / "geom" / "b.pickle").write_bytes(b"damaged")
    return tmp_path / "geom"


def test_geom_is_converted_lowest_first_and_damage_named(geom: Path, folder: Path) -> None:
    result = confgen("data", "convert", geom, "--theory", "GFN2-xTB", "-o", "out.parquet")
    assert (result.exit_code, "b.pickle" in result.stderr) == (3, True)
    [row] = rows(folder / "out.parquet")
    assert (row["theory"], row["energies"], row["boltzmann_weight"]) == ("GFN2-xTB", [0, 0.7, 1.5], [0.5, 0.3, 0.2])
    [before], [after] = read_ensembles(geom / "a.pickle"), read_ensembles(folder / "out.parquet")
    assert before.mol is not None
    assert after.mol is not None
    assert not any(mismatches_all(after.mol))
    lengths = [np.sort(Chem.Get3DDistanceMatrix(mol, k).ravel()) for mol, k in ((before.mol, 1), (after.mol, 0))]
    np.testing.assert_allclose(*lengths, atol=1e-3)


def test_the_lowest_are_kept_and_their_weights_made_whole(geom: Path, folder: Path) -> None:
    confgen("data", "convert", geom / "a.pickle", "--max-confs", 2, "-o", "out.parquet")
    [row] = rows(folder / "out.parquet")
    assert (row["num_confs"], row["energies"], row["boltzmann_weight"]) == (2, [0, 0.7], [0.625, 0.375])


def test_small_ensembles_are_left_out(folder: Path) -> None:
    with Chem.SDWriter("two.sdf") as writer:
        for smiles, count in (("CCO", 1), ("CCCO", 2)):
            mol = embedded(smiles, count)
            mol.SetProp("_Name", smiles)
            for k in range(count):
                writer.write(mol, confId=k)
    result = confgen("data", "convert", "two.sdf", "--min-confs", 2, "-o", "out.parquet")
    assert (result.exit_code, "1 had fewer than 2" in result.stderr) == (0, True)
    [row] = rows(folder / "out.parquet")
    assert (row["name"], row["num_confs"], row["energies"]) == ("CCCO", 2, None)


def test_conformers_without_hydrogens_are_refused(folder: Path) -> None:
    with Chem.SDWriter("bare.sdf") as writer:
        writer.write(Chem.RemoveHs(embedded("CCO", 1)))
    result = confgen("data", "convert", "bare.sdf", "-o", "out.parquet")
    assert (result.exit_code, "hydrogens without coordinates" in result.stderr) == (4, True)
    assert not (folder / "out.parquet").exists()


def converted_sdf(*mols: Chem.Mol) -> Result:
    """`confgen data convert` of the conformers of molecules under one title."""
    with Chem.SDWriter("in.sdf") as writer:
        for mol in mols:
            mol.SetProp("_Name", "ala")
            for conformer in mol.GetConformers():
                writer.write(mol, confId=conformer.GetId())
    return confgen("data", "convert", "in.sdf", "-o", "out.parquet")


def test_another_isomer_of_the_same_title_is_not_put_into_the_row(folder: Path) -> None:
    result = converted_sdf(embedded("C[C@H](N)C(=O)O", 2), embedded("C[C@@H](N)C(=O)O", 1))
    assert (result.exit_code, "'ala': 1 of 3 conformers left out (3)" in result.stderr) == (0, True)
    [found] = read_ensembles(folder / "out.parquet")
    assert found.mol is not None
    assert mismatches_all(found.mol) == [[], []]


@pytest.mark.parametrize(("broken", "code", "left"), [(1, 0, [2]), (3, 4, [])])
def test_positions_that_are_no_numbers_are_not_written(folder: Path, broken: int, code: int, left: list[int]) -> None:
    assert converted_sdf(embedded("C[C@H](N)C(=O)O", 3)).exit_code == 0
    table = pq.read_table("out.parquet")
    [row] = table.to_pylist()
    pos = np.array(row["positions"]).reshape(3, -1)
    pos[:broken, 5] = np.nan
    pq.write_table(pa.Table.from_pylist([row | {"positions": pos.ravel()}], table.schema), "broken.parquet")
    result = confgen("data", "convert", "broken.parquet", "-o", "again.parquet")
    assert (result.exit_code, "positions that are not finite" in result.stderr) == (code, True)
    written = rows(folder / "again.parquet") if (folder / "again.parquet").exists() else []
    assert [row["num_confs"] for row in written] == left
    assert all(np.isfinite(row["positions"]).all() for row in written)


def test_no_seed_is_made_up(folder: Path) -> None:
    assert converted_sdf(embedded("CCO", 2)).exit_code == 0
    assert confgen("data", "convert", "out.parquet", "-o", "again.parquet", "--theory", "GFN2-xTB").exit_code == 0
    assert confgen("data", "convert", "again.parquet", "-o", "third.parquet").exit_code == 0
    assert [rows(folder / f"{name}.parquet")[0]["seed"] for name in ("out", "again", "third")] == [None] * 3


def test_what_a_line_of_json_says_of_its_making_is_kept(folder: Path) -> None:
    line = {"smiles": "[H][H]", "name": "a", "positions": [[[0, 0, 0], [0.74, 0, 0]]], "tags": {"batch": "7"}}
    line |= {"seed": 3, "weights": "drugs", "energies_kcal_mol": [1.5], "energy_methods": ["mmff94s"]}
    (folder / "in.jsonl").write_text(json.dumps(line) + "\n")
    assert confgen("data", "convert", "in.jsonl", "-o", "out.parquet").exit_code == 0
    [row] = rows(folder / "out.parquet")
    assert (row["seed"], row["weights"], row["energy_method"]) == (3, "drugs", ["mmff94s"])
    assert json.loads(row["tags"]) == {"batch": "7"}


@pytest.mark.parametrize("suffix", ["sdf", "xyz", "jsonl", "parquet"])
def test_what_confgen_wrote_of_its_making_is_kept(folder: Path, suffix: str) -> None:
    (folder / "in.csv").write_text("smiles,name,batch\nCCO,ethanol,7\n")
    made = ("--seed", "5", "--start", "etkdg", "--relax", "mmff94s", "-o", f"made.{suffix}")
    assert confgen("generate", "in.csv", "-n", "2", *made).exit_code == 0
    assert confgen("data", "convert", f"made.{suffix}", "-o", "out.parquet").exit_code == 0
    [row] = rows(folder / "out.parquet")
    assert (row["theory"], row["weights"], row["seed"]) == ("confgen drugs", "drugs", 5)
    assert row["energy_method"] == ["mmff94s"] * row["num_confs"]
    assert json.loads(row["tags"]) == {"batch": "7"}


def test_a_seed_of_0_is_one_too(folder: Path) -> None:
    assert confgen("generate", "CCO", "-n", "1", "--seed", "0", "--start", "etkdg", "-o", "made.sdf").exit_code == 0
    assert confgen("data", "convert", "made.sdf", "-o", "out.parquet").exit_code == 0
    assert rows(folder / "out.parquet")[0]["seed"] == 0
    write_ensembles(read_ensembles(folder / "made.sdf"), "again.sdf")
    assert next(iter(Chem.SDMolSupplier("again.sdf"))).GetProp("seed") == "0"


def test_half_specified_molecules_of_generate_keep_all_conformers(folder: Path) -> None:
    mol = embedded("C[C@@H](F)CC[C@@H](F)C", 3)  # meso, of which the first centre is asked for
    mol.SetProp("confgen_smiles", "C[C@@H](F)CCC(F)C")
    other = Chem.Mol(mol)
    other.SetProp("confgen_smiles", "C[C@H](F)CCC(F)C")
    for half in (mol, other):
        result = converted_sdf(half)
        assert (result.exit_code, "left out" in result.stderr) == (0, False)
        assert rows(folder / "out.parquet")[0]["num_confs"] == 3
        (folder / "out.parquet").unlink()
