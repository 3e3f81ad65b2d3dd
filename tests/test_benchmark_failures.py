"""Promises of tests/benchmarks/failures.py: molecules in their classes, right means and differences, clear errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from rdkit import Chem
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import classes
import failures
import scoring

from confgen.conformers import positions
from confgen.molecule import from_smiles

APP = typer.Typer()
APP.command()(failures.main)
MADE = scoring.Record("tiny.parquet", "a", "confgen", "", 3, 6, 6, cov_r=[0.2, 0.5, 1.0], cov_p=[0.1, 0.4, 0.9])
SMILES = {"propane": "CCC", "norbornane": "C1C[C@H]2CC[C@@H]1C2", "acetate": "CC(=O)[O-]", "thiophene": "c1ccsc1"}


def pair(own: float | None, peer: float | None, references: int = 3, smiles: str = "CCC") -> failures.Pair:
    """A molecule on which the methods have these AMR-R, with no conformers where it is None."""
    records = [
        replace(MADE, method=method, amr_r=amr, amr_p=amr, references=references)
        if amr is not None
        else replace(scoring.Record("tiny.parquet", "a", method, "", references, 6))
        for method, amr in (("confgen", own), ("etkdg+mmff", peer))
    ]
    return failures.Pair(*records, smiles, classes.classes_of(Chem.MolFromSmiles(smiles)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embed_mol: Callable[..., Chem.Mol]) -> Path:
    """A folder with tiny.parquet, the molecules of SMILES with a reference each."""
    rows = []
    for name, smiles in SMILES.items():
        mol = embed_mol(from_smiles(smiles))
        text = Chem.MolToSmiles(mol)
        order = list(mol.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"])
        row = {"id": name, "smiles": text, "num_confs": 1, "num_atoms": mol.GetNumAtoms()}
        rows.append(row | {"positions": positions(mol)[:, order].ravel().tolist()})
    path = tmp_path_factory.mktemp("data")
    pq.write_table(pa.Table.from_pylist(rows), path / "tiny.parquet")
    return path


def written(path: Path, records: Sequence[scoring.Record]) -> Path:
    """The file, with the records as its lines."""
    path.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records))
    return path


def rows_of(text: str) -> dict[str, dict[str, str]]:
    """The cells of the table of classes by kind and class, each by its column."""
    lines = [line.strip("|").split("|") for line in text.split("\n\n")[1].splitlines()]
    head, *rows = [[cell.strip() for cell in line] for line in lines]
    return {" ".join(row[:2]).strip(): dict(zip(head, row, strict=True)) for row in rows}


@pytest.mark.parametrize(
    ("smiles", "rings"),
    [
        ("CCO", {"none"}),
        ("c1ccc2[nH]ccc2c1", {"5- and 6-membered only"}),
        ("C1CC2CCC1C2", {"bridged"}),
        ("C1CCC2(C1)CCCC2", {"spiro"}),
        ("C1CCC2(C1)CC2", {"spiro", "3- or 4-membered"}),
        ("c1ccc2c(c1)CCCCN2", {"7- or 8-membered"}),
        ("O=C1CCCCCCCCCCO1", {"macrocycle"}),
    ],
)
def test_ring_systems_are_told_apart(smiles: str, rings: set[str]) -> None:
    assert {name for kind, name in classes.classes_of(Chem.MolFromSmiles(smiles)) if kind == "rings"} == rings


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCCCCCC", {"rotatable bonds": {"4-6"}, "heavy atoms": {"0-20"}, "charge": {"no formal charges"}}),
        ("C[N+](=O)[O-]", {"charge": {"charges that cancel"}, "elements": {"C, H, N, O only"}}),
        ("C[NH3+]", {"charge": {"cation"}, "stereo elements": {"0"}}),
        ("FC(Cl)C(=O)[O-]", {"charge": {"anion"}, "elements": {"halogen"}}),
        ("C[S@](=O)CBr", {"elements": {"halogen", "S or P"}, "stereo elements": {"1"}}),
        ("C[Si](C)(C)C", {"elements": {"others"}, "stereo elements": {"0"}}),
        ("C/C=C/[C@H](C)O", {"stereo elements": {"2+"}}),
        ("C" * 41, {"rotatable bonds": {"10+"}, "heavy atoms": {"41-60"}}),
    ],
)
def test_a_molecule_is_in_a_class_of_every_kind(smiles: str, expected: dict[str, set[str]]) -> None:
    found = classes.classes_of(Chem.MolFromSmiles(smiles))
    assert {kind for kind, _ in found} == set(classes.CLASSES)
    assert {kind: {name for own, name in found if own == kind} for kind in expected} == expected


def test_the_difference_is_that_of_the_same_molecules() -> None:
    of = [pair(0.5, 0.3), pair(0.9, 0.5), pair(0.2, 0.5), pair(None, 0.1), pair(3.0, None)]
    assert failures.difference(of) == "+0.10"  # of the first three: (0.2 + 0.4 - 0.3) / 3
    row = rows_of(failures.document(of, 1))["all"]
    assert row["AMR-R"] == "0.53 / 0.43"
    assert row["COV-R"] == "40.0 / 40.0"  # 50 % on four of five, nothing on the one that failed
    assert row["conformers"] == "24 / 24 of 30"


def test_an_interval_takes_several_molecules_and_holds_the_mean_of_equal_ones() -> None:
    assert failures.difference([pair(0.6, 0.5)] * failures.FEWEST) == "+0.10 (+0.10 to +0.10)"
    assert failures.difference([pair(0.5, 0.5)]) == "+0.00"
    assert failures.difference([pair(None, 0.5)]) == "-"


def test_precision_leaves_out_molecules_with_one_reference() -> None:
    row = rows_of(failures.document([pair(0.4, 0.2), pair(2.0, 2.0, references=1)], 1))["all"]
    assert (row["with several references"], row["AMR-P"], row["AMR-R"]) == ("1", "0.40 / 0.20", "1.20 / 1.10")


def test_a_molecule_without_conformers_is_the_worst_and_one_the_peer_failed_on_is_not_held_against_the_method() -> None:
    failed, bad, good, alone = pair(None, 0.5), pair(1.5, 1.4), pair(0.2, 0.4), pair(2.0, None)
    of = [good, bad, failed, alone]
    assert failures.worst(of, 3) == [failed, alone, bad]
    assert failures.most_behind(of, 3) == [failed, bad]


def test_of_several_numbers_asked_for_the_largest_that_both_were_given_counts() -> None:
    peer = replace(MADE, method="etkdg+mmff")
    records = [replace(MADE, asked=asked) for asked in (10, 50, 200)] + [replace(peer, asked=n) for n in (50, 10)]
    assert [(own.asked, other.asked) for own, other in failures.both(records, "confgen", "etkdg+mmff")] == [(50, 50)]


def test_one_command_writes_table_and_drawing(folder: Path, tmp_path: Path) -> None:
    amr = {"propane": (0.1, 0.1), "norbornane": (0.2, 0.3), "acetate": (0.3, 0.1), "thiophene": (0.1, 0.2)}
    records = [
        replace(MADE, id=name, method=method, amr_r=value, amr_p=value)
        for name, values in amr.items()
        for method, value in zip(("confgen", "etkdg+mmff"), values, strict=True)
    ]
    log = written(tmp_path / "records.jsonl", records)
    log.write_text(log.read_text() + '{"file": "tiny.parquet", "id": "ha')  # of a run that goes on
    before = log.read_bytes()
    target, png = tmp_path / "failures.md", tmp_path / "worst.png"
    options = ["--json", str(log), "--markdown", str(target), "--draw", str(png), "--worst", "2"]
    run = CliRunner().invoke(APP, [str(folder), *options])
    assert run.exit_code == 0, run.output
    text = target.read_text()
    rows = rows_of(text)
    assert rows["all"]["molecules"] == "4"
    assert (rows["rings bridged"]["molecules"], rows["rings bridged"]["AMR-R"]) == ("1", "0.20 / 0.30")
    assert rows["charge anion"]["AMR-R difference"] == "+0.20"
    assert "rings spiro" not in rows
    assert (
        "| 1 | tiny acetate | `CC(=O)[O-]` | 0 | 4 | anion, none, C, H, N, O only | 6 / 6 of 6 | 0.30 / 0.10 |" in text
    )
    assert png.read_bytes().startswith(b"\x89PNG")
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({}, ["--method", "confgen:preset=fast"], "the records have none of `confgen:preset=fast`, they are of"),
        ({"id": "ethane"}, [], "tiny.parquet: has no molecule 'ethane'"),
        ({"file": "gone.parquet"}, [], "gone.parquet: is not there"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    changed: dict[str, Any], options: list[str], message: str, folder: Path, tmp_path: Path
) -> None:
    own = replace(replace(MADE, id="propane"), **changed)
    log = written(tmp_path / "records.jsonl", [own, replace(own, method="etkdg+mmff")])
    run = CliRunner().invoke(APP, [str(folder), "--json", str(log), *options])
    assert (run.exit_code, run.stderr.count("\n")) == (2, 1)
    assert message in run.stderr


@pytest.mark.parametrize("text", [None, "no JSON\n", '{"file": "tiny.parquet"}\n', '{"wrong": 1}\n', "", "3\n"])
def test_a_file_that_is_none_of_records_is_told_in_one_line(text: str | None, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "records.jsonl"
    if text is not None:
        log.write_text(text)
    run = CliRunner().invoke(APP, [str(folder), "--json", str(log)])
    assert (run.exit_code, run.stderr.count("\n")) == (2, 1)
    assert "records" in run.stderr


def test_methods_that_share_no_molecule_are_told_so(folder: Path, tmp_path: Path) -> None:
    records = [replace(MADE, id="propane"), replace(MADE, id="acetate", method="etkdg+mmff")]
    run = CliRunner().invoke(APP, [str(folder), "--json", str(written(tmp_path / "records.jsonl", records))])
    assert run.exit_code == 2
    assert run.stderr == "no molecule was given to both `confgen` and `etkdg+mmff`; choose others\n"
