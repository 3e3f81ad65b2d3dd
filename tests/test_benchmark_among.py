"""Promises of tests/benchmarks/among.py: references are sought among the others only, methods against the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from rdkit import Chem
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import among

from confgen.conformers import positions, with_positions
from confgen.molecule import from_smiles

APP = typer.Typer()
APP.command()(among.main)


@pytest.fixture(scope="module")
def decane(embed_mol: Callable[..., Chem.Mol]) -> Chem.Mol:
    """Decane with two conformers that are the same, and a third."""
    mol = from_smiles("CCCCCCCCCC")
    pos = np.concatenate([positions(embed_mol(mol, seed=seed)) for seed in (1, 1, 4)])
    return with_positions(mol, pos)


def test_a_reference_is_no_match_for_itself(decane: Chem.Mol) -> None:
    cov_r, amr_r, cov_p, amr_p = among.among_each_other(decane)
    assert cov_r == cov_p == pytest.approx(200 / 3)
    assert amr_r == amr_p
    assert amr_r is not None
    assert amr_r > 0.1


def test_references_as_a_method_find_all_and_are_as_precise_as_among_each_other(decane: Chem.Mol) -> None:
    cov_r, amr_r, cov_p, amr_p = among.against_the_others(positions(decane), decane)
    assert cov_r == 100
    assert amr_r == pytest.approx(0, abs=1e-5)
    # The twins find one another whoever is left out, the third itself only while it is there.
    assert cov_p == pytest.approx(100 * (1 + 1 + 2 / 3) / 3)
    of_each_other = among.among_each_other(decane)[1]
    assert of_each_other is not None
    assert amr_p == pytest.approx(of_each_other / 3, abs=1e-5)


def test_the_command_gives_a_row_for_the_references_and_one_for_a_method(decane: Chem.Mol, tmp_path: Path) -> None:
    row = {"id": "a", "smiles": Chem.MolToSmiles(decane, allHsExplicit=True), "num_confs": 3}
    order = list(decane.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])
    row |= {"num_atoms": len(order), "positions": positions(decane)[:, order].ravel().tolist()}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "tiny.parquet")
    result = CliRunner().invoke(APP, [str(tmp_path / "tiny.parquet"), "--methods", "etkdg", "--min-confs", "3"])
    assert result.exit_code == 0, result.output
    assert "| the other references | 2 of 2 | 66.7 " in result.output
    assert "| `etkdg` | 2 of 2 |" in result.output


def test_too_few_references_are_refused(tmp_path: Path) -> None:
    nothing = pa.table(
        {"id": ["a"], "smiles": ["[H][H]"], "num_confs": [1], "num_atoms": [2], "positions": [[0.0] * 6]}
    )
    pq.write_table(nothing, tmp_path / "tiny.parquet")
    result = CliRunner().invoke(APP, [str(tmp_path / "tiny.parquet"), "--methods", "etkdg"])
    assert result.exit_code != 0
    assert "lower --min-confs" in result.output
