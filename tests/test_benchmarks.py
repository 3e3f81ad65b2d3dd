"""Promises of the scripts in tests/benchmarks: right scores, complete tables, failures that count."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import typer
from rdkit import Chem
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import isolated
import peers
import quality
import scoring
import table

from confgen.conformers import positions
from confgen.errors import CannotStart, MoleculeError

APP = typer.Typer()
APP.command()(table.main)
NOT_RUN = scoring.Record(file="f", id="a", method="etkdg", setup="", references=3, asked=6)


@dataclass(frozen=True)
class Here:
    """A method that runs in this process."""

    make: peers.Run
    name: str = "test"
    setup: str = ""

    def run(self, mol: Chem.Mol, count: int) -> isolated.Outcome:
        return isolated.timed(peers.Method(self.name, self.setup, self.make), mol, count)


def nothing(mol: Chem.Mol, _: int) -> peers.Made:
    return peers.Made(np.zeros((0, mol.GetNumAtoms(), 3)))


def test_references_compared_with_themselves_are_covered_and_at_distance_zero(butanol: Chem.Mol) -> None:
    record = scoring.score(NOT_RUN, peers.Made(positions(butanol)), butanol)
    assert record.cov_r == record.cov_p == [1.0, 1.0, 1.0]
    assert (record.amr_r, record.amr_p) == pytest.approx((0.0, 0.0), abs=1e-5)
    assert (record.returned, record.right, record.valid) == (3, 3, 3)


def test_mirror_images_are_neither_right_nor_valid(butanol: Chem.Mol) -> None:
    record = scoring.score(NOT_RUN, peers.Made(positions(butanol) * [1, 1, -1]), butanol)
    assert (record.returned, record.right, record.valid) == (3, 0, 0)
    assert record.failed_checks == {"stereo": 3}


def test_positions_that_are_not_finite_do_not_count_as_returned(butanol: Chem.Mol) -> None:
    pos = positions(butanol)
    pos[0, 0, 0] = np.nan
    assert scoring.score(NOT_RUN, peers.Made(pos), butanol).returned == 2


def test_a_method_is_given_no_coordinates(butanol: Chem.Mol) -> None:
    seen: list[int] = []

    def run(mol: Chem.Mol, count: int) -> peers.Made:
        seen.append(mol.GetNumConformers())
        return peers.Made(positions(butanol)[:count])

    quality.measure(Here(run), butanol, NOT_RUN)
    assert seen == [0]


@pytest.mark.parametrize("failure", [MoleculeError("no luck"), RuntimeError("no luck"), ValueError("no luck")])
def test_a_method_that_fails_is_counted_as_a_failure(failure: Exception, butanol: Chem.Mol) -> None:
    def run(*_: object) -> peers.Made:
        raise failure

    record = quality.measure(Here(run), butanol, NOT_RUN)
    assert (record.returned, record.cov_r, record.amr_r) == (0, [0.0, 0.0, 0.0], None)
    assert "no luck" in record.error


def test_a_failure_lowers_coverage_and_is_left_out_of_amr_and_of_successes() -> None:
    good = replace(NOT_RUN, id="b", returned=6, cov_r=[1.0] * 3, cov_p=[1.0] * 3, amr_r=0.2, amr_p=0.2)
    lines = scoring.tables([good, NOT_RUN]).splitlines()
    row = "| `etkdg` | 1 of 2 | 6 of 12 | 50.0 (0.0-100.0) | 0.20 (0.20-0.20) |"
    assert any(line.startswith(row) for line in lines)
    assert any(line.startswith("| `etkdg` | mean, successes | 100.0 | 100.0 | 100.0 |") for line in lines)


def test_tables_have_every_column_in_every_row(butanol: Chem.Mol) -> None:
    text = scoring.tables([scoring.score(NOT_RUN, peers.Made(positions(butanol), ["network"] * 3), butanol)])
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == list(scoring.MAIN_COLUMNS)
    assert rows[3] == list(scoring.DETAIL_COLUMNS)
    assert {len(row) for row in rows[:3]} == {len(scoring.MAIN_COLUMNS)}
    assert {len(row) for row in rows[3:]} == {len(scoring.DETAIL_COLUMNS)}
    assert "conformers from network 3" in text


def test_a_method_whose_package_is_missing_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class WithoutConforge(Here):
        def __init__(self, spec: str, **_: object) -> None:
            if spec == "conforge":
                raise ImportError(name="CDPL")
            super().__init__(nothing, spec)

        def __enter__(self) -> WithoutConforge:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(quality, "Isolated", WithoutConforge)
    with ExitStack() as stack:
        assert [ready.name for ready in quality.available(["conforge", "etkdg"], stack)] == ["etkdg"]
    assert "conforge: left out, CDPL is not installed" in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on_where_it_stopped(butanol_file: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def run(mol: Chem.Mol, count: int) -> peers.Made:
        calls.append(count)
        return nothing(mol, count)

    counting, path, task = Here(run), tmp_path / "log.jsonl", quality.Task(butanol_file, 1, asks=(2, 4))
    with path.open("w") as log:
        first = quality.compare(task, [counting], log, {})
    with path.open("a") as log:
        log.write('{"file": "tiny.parquet", "id": "ha')  # the line that the kill cut short
    done = quality.already_done(path, butanol_file.name, [counting])
    with path.open("a") as log:
        assert quality.compare(task, [counting], log, done) == first
        quality.compare(replace(task, asks=(4, 8)), [counting], log, done)
    assert calls == [2, 4, 8]


def test_a_run_with_other_weights_does_not_go_on_from_this_one(butanol_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("w") as log:
        quality.compare(quality.Task(butanol_file, 1), [Here(nothing, setup="weights 1")], log, {})
    with pytest.raises(CannotStart, match="weights 1"):
        quality.already_done(path, butanol_file.name, [Here(nothing, setup="weights 2")])


def test_twice_as_many_conformers_are_asked_for_as_there_are_references(butanol_file: Path, tmp_path: Path) -> None:
    etkdg = Here(peers.build("etkdg", weights="", seed=42).run, "etkdg")
    with (tmp_path / "log.jsonl").open("w") as log:
        [record] = quality.compare(quality.Task(butanol_file, 5), [etkdg], log, {})
        [fewer] = quality.compare(quality.Task(butanol_file, 5, max_references=2), [etkdg], log, {})
    assert (record.references, record.asked, record.returned, record.right) == (3, 6, 6, 6)
    assert (fewer.references, fewer.asked, fewer.returned) == (2, 4, 4)


def cells(lines: list[str]) -> list[list[str]]:
    """The rows of Markdown tables, headings included and the lines below them not."""
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|") and "---" not in line]


def test_the_peers_table_counts_failures_both_ways() -> None:
    good = replace(NOT_RUN, id="b", returned=6, cov_r=[1.0] * 3, cov_p=[1.0] * 3, amr_r=0.2, amr_p=0.2)
    header, both, without = cells(table.ensembles_table({"tiny": [good, NOT_RUN]}))
    assert both[header.index("COV-R")].startswith("50.0 (0.0-100.0)")
    assert both[header.index("failed")] == "1 of 2"
    assert without[1] == "`etkdg`, without failures"
    assert without[header.index("COV-R")].startswith("100.0 ")
    assert {len(row) for row in (header, both, without)} == {len(scoring.MAIN_COLUMNS) + 1}


def test_bioactive_shapes_count_as_recovered_below_each_threshold_and_failures_as_not() -> None:
    one = replace(NOT_RUN, references=1, asked=10, returned=10)
    records = [replace(one, id="b", amr_r=0.4), replace(one, id="c", amr_r=1.2), replace(one, returned=0)]
    header, row = cells(table.recovery_table([*records, replace(NOT_RUN, id="d", asked=50)]))[:2]
    assert len(row) == len(header)
    values = dict(zip(header, row, strict=True))
    assert values["asked"] == "10"
    assert values["failed"] == "1 of 3"
    assert values["best RMSD"].startswith("0.80 (")
    assert [values[f"< {at} A"] for at in (0.5, 1.0, 1.5)] == ["33", "33", "67"]


@pytest.mark.parametrize("text", ["openff", "openff_val=0", "openff_val=x", "openff_val=", "openff_val,"])
def test_a_list_of_sets_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(CannotStart):
        table.chosen(text)


def test_sets_may_be_limited_in_their_molecules() -> None:
    assert [(each.name, each.molecules) for each in table.chosen("iridium_bioactive=7,openff_val")] == [
        ("iridium_bioactive", 7),
        ("openff_val", table.ALL),
    ]
    assert [each.name for each in table.chosen("")] == [each.name for each in table.SETS]


def test_bioactive_shapes_are_asked_for_in_the_numbers_given() -> None:
    asks = {each.name: each.asks for each in table.chosen("iridium_bioactive,openff_val", table.numbers("5,20"))}
    assert asks == {"iridium_bioactive": (5, 20), "openff_val": ()}
    for wrong in ("", "5,,6", "0", "ten"):
        with pytest.raises(CannotStart, match="10,50,200"):
            table.numbers(wrong)


def test_one_command_writes_the_table_and_goes_on_from_its_records(butanol_file: Path, tmp_path: Path) -> None:
    (tmp_path / "hutchison_val.parquet").write_bytes(butanol_file.read_bytes())
    arguments = [
        str(tmp_path),
        "--sets",
        "hutchison_val=1",
        "--methods",
        "etkdg",
        "--json",
        str(tmp_path / "log.jsonl"),
    ]
    run = CliRunner().invoke(APP, [*arguments, "--markdown", str(tmp_path / "table.md")])
    assert run.exit_code == 0, run.output
    again = CliRunner().invoke(APP, [*arguments, "--resume"])
    text = (tmp_path / "table.md").read_text()
    assert "| `hutchison_val` | `etkdg` | 0 of 1 | 6 of 6 |" in text
    assert cells(again.stdout.splitlines()) == cells(text.splitlines())  # the CPU time too: nothing ran again
    assert CliRunner().invoke(APP, arguments).exit_code == 2  # the records are there already


def test_a_set_that_is_not_in_the_folder_is_named(tmp_path: Path) -> None:
    run = CliRunner().invoke(APP, [str(tmp_path), "--sets", "openff_val", "--json", str(tmp_path / "log.jsonl")])
    assert run.exit_code == 2
    assert "openff_val.parquet: is not there" in run.output
