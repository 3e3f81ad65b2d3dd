"""Promises of reading ensembles from Parquet files: every row is a molecule, and a bad one spoils no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from confgen.conformers import positions
from confgen.ensembles import read_ensembles
from confgen.errors import InputError
from confgen.molecule import read_molecule
from confgen.stereo import mismatches_all

Embed = Callable[..., Chem.Mol]


@pytest.fixture(scope="module")
def alcohol(embed_mol: Embed) -> Chem.Mol:
    return embed_mol(read_molecule("C[C@H](O)CC"), 3)


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_parquet_rows_come_with_energies_and_their_boltzmann_weights(
    tmp_path: Path, row_of: Callable[..., dict[str, Any]]
) -> None:
    rows = [{"id": "x", **row_of("CCO"), "energies": [0.0, 1.0]}, {"id": "y", **row_of("CCN"), "energies": None}]
    first, second = read_ensembles(parquet(tmp_path / "a.parquet", rows))
    assert (first.name, first.origin) == ("x", f"{tmp_path / 'a.parquet'} row 1")
    assert first.weights[0] / first.weights[1] == pytest.approx(np.exp(1 / (1.987204259e-3 * 298.15)))
    assert (second.energies, second.weights) == (None, None)
    np.testing.assert_allclose(positions(first.mol).ravel(), rows[0]["positions"])


def test_the_stereochemistry_of_parquet_is_that_of_its_smiles(
    tmp_path: Path, row_of: Callable[..., dict[str, Any]]
) -> None:
    row = row_of("C[C@H](O)CC")
    mirrored = row | {"positions": (-np.array(row["positions"])).tolist()}
    right, wrong = read_ensembles(parquet(tmp_path / "a.parquet", [row, mirrored]))
    assert [bool(names) for one in (right, wrong) for names in mismatches_all(one.mol)] == [False] * 2 + [True] * 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"smiles": "C1CC"}, "ring 1 is not closed"),
        ({"num_atoms": 5}, "num_atoms is 5"),
        ({"num_confs": 3}, "coordinates for 3 conformers"),
        ({"num_confs": 0, "positions": []}, "0 coordinates for 0 conformers"),
        ({"positions": None}, "0 coordinates"),
        ({"num_confs": 2.5}, "num_confs is no whole number"),
    ],
)
def test_a_bad_parquet_row_is_an_error_of_that_row(
    tmp_path: Path, row_of: Callable[..., dict[str, Any]], change: dict[str, Any], reason: str
) -> None:
    bad, good = read_ensembles(parquet(tmp_path / "a.parquet", [row_of("CCO") | change, row_of("CCO")]))
    assert (bad.mol, good.mol.GetNumConformers()) == (None, 2)
    assert reason in str(bad.error)
    assert "row 1" in str(bad.error)


@pytest.mark.parametrize("shape", [(2, -1, 3), (-1, 3)])
def test_nested_positions_and_whole_floats_are_the_same_molecule(
    tmp_path: Path, row_of: Callable[..., dict[str, Any]], shape: tuple[int, ...]
) -> None:
    row = row_of("CCO")
    nested = row | {"positions": np.reshape(row["positions"], shape).tolist(), "num_confs": float(row["num_confs"])}
    (found,) = read_ensembles(parquet(tmp_path / "a.parquet", [nested]))
    np.testing.assert_allclose(positions(found.mol).ravel(), row["positions"])


@pytest.mark.parametrize(
    ("energies", "said"),
    [([0.0], "there are 1 for 2 conformers"), ([0.0, float("nan")], "that of conformer 2 is not a finite number")],
)
def test_energies_of_no_use_are_left_out_and_named(
    tmp_path: Path, row_of: Callable[..., dict[str, Any]], energies: list[float], said: str
) -> None:
    (found,) = read_ensembles(parquet(tmp_path / "a.parquet", [row_of("CCO") | {"id": "x", "energies": energies}]))
    assert (found.energies, found.weights) == (None, None)
    assert found.notes == (f"{tmp_path / 'a.parquet'} row 1 'x': its energies are left out: {said}",)


def test_a_parquet_without_a_column_says_which(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'num_confs' is missing"):
        read_ensembles(parquet(tmp_path / "a.parquet", [{"smiles": "C"}]))
