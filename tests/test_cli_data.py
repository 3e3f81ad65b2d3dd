"""`confgen data` makes and converts ensembles, says what it could not, and can be stopped at any time."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import confgen
from rdkit import Chem
from typer.testing import Result

from confgen.cli.data import make_references
from confgen.crew import Begin, Lost
from confgen.dataset import Pack
from confgen.ensembles import read_ensembles
from confgen.packing import packed
from confgen.references import ReferenceSettings
from confgen.rows import read_about
from confgen.stereo import mismatches_all
from confgen.unfinished import Unfinished

INPUT = """\
C[C@H](N)C(=O)O alanine
CCCC butane
c1ccccc bad
CC(F)Cl open
[Na+].[Cl-] salt
C/C=C\\CF Z
"""
QUICK = ("--method", "mmff94s", "--pool", "6")


def references(*arguments: object, output: str = "out.parquet") -> Result:
    return confgen("data", "references", *arguments, *QUICK, "-o", output)


def here(jobs: Iterable[tuple[Any, Any]], begin: Begin, workers: int, limit_s: float | None) -> Iterator[Any]:
    """What `shared_out` does, without processes; a molecule called killed has none that lives."""
    del workers, limit_s
    work = begin()
    for about, payload in jobs:
        if about[1].name == "killed":
            yield about, Lost(-9)
        else:
            yield about, None if payload is None else work(payload)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the input, in which commands run without worker processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("confgen.cli.referencing.shared_out", here)
    (tmp_path / "in.smi").write_text(INPUT)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with references made by two processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("made"))
        Path("in.smi").write_text(INPUT)
        result = references("in.smi", "--workers", 2, "--failed", "failed.tsv")
        assert result.exit_code == 3
        assert "4 molecules, 2 molecules failed" in result.stderr
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


# References


def test_the_rows_are_in_the_order_of_the_input(made: Path) -> None:
    assert [row["id"] for row in rows(made / "out.parquet")] == ["alanine", "butane", "open", "Z"]
    assert [row["num_confs"] for row in rows(made / "out.parquet")][1] == 3


def test_failures_are_listed_so_that_they_can_be_the_next_input(made: Path) -> None:
    lines = [line.split("\t") for line in (made / "failed.tsv").read_text().splitlines()[1:]]
    assert [(smiles, name) for smiles, name, *_ in lines] == [("#c1ccccc", "bad"), ("[Cl-].[Na+]", "salt")]
    assert "ring 1 is not closed" in lines[0][3]


def test_nothing_is_left_of_the_unfinished_file(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {"in.smi", "out.parquet", "failed.tsv"}


def test_energies_rise_and_weights_fall(made: Path) -> None:
    for row in rows(made / "out.parquet"):
        assert row["energies"][0] == 0
        assert row["energies"] == sorted(row["energies"])
        assert sum(row["boltzmann_weight"]) == pytest.approx(1, abs=1e-5)
        assert row["boltzmann_weight"] == sorted(row["boltzmann_weight"], reverse=True)
        assert (row["theory"], row["charge"]) == ("MMFF94s", 0)


def test_the_stereochemistry_is_that_of_the_input(made: Path) -> None:
    for found in read_ensembles(made / "out.parquet"):
        assert found.mol is not None
        assert not any(mismatches_all(found.mol))
    [alanine, *_, z] = rows(made / "out.parquet")
    written = [Chem.MolToSmiles(Chem.MolFromSmiles(row["smiles"])) for row in (alanine, z)]
    assert written == [Chem.CanonSmiles(smiles) for smiles in ("C[C@H](N)C(=O)O", "C/C=C\\CF")]


def test_the_file_says_how_it_was_made(made: Path) -> None:
    about = read_about(made / "out.parquet")
    assert about is not None
    assert (about["method"], about["pool"], about["seed"]) == ("mmff94s", 6, 1)
    assert "rdkit" in about["versions"]
    assert about["command"].startswith("confgen data references in.smi --method=mmff94s --pool=6 ")


def test_it_is_what_training_reads(made: Path, tmp_path: Path) -> None:
    pack = Pack.load(packed(made / "out.parquet", tmp_path, workers=1))
    assert pack.num_confs.tolist() == [row["num_confs"] for row in rows(made / "out.parquet")]


def test_it_is_what_evaluation_reads(made: Path) -> None:
    path = made / "out.parquet"
    result = confgen("evaluate", path, path, "--json", "-", "--per-reference", "all")
    summary = json.loads(result.stdout)["evaluations"][0]["summary"]["failures_as_zero"]
    assert (summary["amr_r"]["mean"], summary["stereo"]["mean"]) == (pytest.approx(0, abs=1e-4), 1)


def test_neither_processes_nor_other_molecules_change_a_row(made: Path, folder: Path) -> None:
    assert references("in.smi", "--failed", "failed.tsv").exit_code == 3
    assert (folder / "out.parquet").read_bytes() == (made / "out.parquet").read_bytes()
    (folder / "back.smi").write_text("\n".join(reversed(INPUT.splitlines())))
    references("back.smi", "--force")
    ours, theirs = (sorted(rows(path / "out.parquet"), key=lambda row: row["id"]) for path in (folder, made))
    assert [row | {"source": ""} for row in ours] == [row | {"source": ""} for row in theirs]


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_run_that_was_stopped_does_the_rest(
    after: int, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, added, most = Unfinished.add, 0, after

    def counted(self: Unfinished, entry: dict[str, Any]) -> None:
        nonlocal added
        if added == most:
            raise KeyboardInterrupt
        added += 1
        add(self, entry)

    monkeypatch.setattr(Unfinished, "add", counted)
    stopped = references("in.smi")
    assert (stopped.exit_code, "--resume" in stopped.stderr) == (130, True)
    assert not (folder / "out.parquet").exists()
    assert references("in.smi").exit_code == 2  # and says that there is something to go on with
    added, most = 0, 99
    assert references("in.smi", "--resume").exit_code == 3
    assert added == 6 - after
    assert (folder / "out.parquet").read_bytes() == (made / "out.parquet").read_bytes()
    again = references("in.smi", "--resume", "--failed", "again.tsv")
    assert (again.exit_code, "nothing is left to do" in again.stderr) == (3, True)
    assert (folder / "again.tsv").read_text() == (made / "failed.tsv").read_text()
    assert references("in.smi", "--resume", "--failed", "again.tsv").exit_code == 3  # the same command once more
    other = references("in.smi", "--resume", "--seed", 2)
    assert (other.exit_code, "made otherwise (seed was 1, is 2)" in other.stderr) == (2, True)


def test_a_run_that_changed_cannot_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("confgen.cli.referencing._finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert references("in.smi").exit_code == 130
    other = references("in.smi", "--resume", "--seed", 2)
    assert (other.exit_code, "seed was 1, is 2" in other.stderr) == (2, True)
    (folder / "in.smi").write_text(INPUT.replace("alanine", "Ala"))
    other = references("in.smi", "--resume")
    assert (other.exit_code, "was begun otherwise (bytes was" in other.stderr) == (2, True)


def test_a_killed_worker_is_a_recorded_failure(folder: Path) -> None:
    (folder / "in.smi").write_text("CC killed\nC methane\n")
    result = references("in.smi")
    assert result.exit_code == 3
    assert "in.smi:1 'killed': its worker process was killed (signal 9, out of memory?)" in result.stderr
    assert [row["id"] for row in rows(folder / "out.parquet")] == ["methane"]


def test_a_random_choice_leaves_out_what_is_excluded(folder: Path) -> None:
    (folder / "known.smi").write_text("C[C@@H](N)C(=O)O\nCC(F)Cl\n")
    result = references("in.smi", "--shuffle", 1, "--limit", 4, "--exclude", "known.smi")
    assert {row["id"] for row in rows(folder / "out.parquet")} == {"butane", "Z"}
    assert "--exclude left out 2 molecules" in result.stderr


def test_each_isomer_can_be_a_row(folder: Path) -> None:
    assert references("CC(F)Cl", "--stereo", "enumerate").exit_code == 0
    assert [row["id"] for row in rows(folder / "out.parquet")] == ["CC(F)Cl", "CC(F)Cl~2"]


def test_nothing_to_write_is_said(folder: Path) -> None:
    (folder / "empty.smi").write_text("")
    result = references("empty.smi")
    assert (result.exit_code, "no molecules in it" in result.stderr) == (4, True)
    assert [path.name for path in folder.iterdir() if path.suffix != ".smi"] == []


def test_an_input_that_is_excluded_as_a_whole_is_no_empty_one(folder: Path) -> None:
    (folder / "known.smi").write_text("CCO\nCCN\n")
    result = references("known.smi", "--exclude", "known.smi", "-q")
    assert result.exit_code == 4
    assert result.stderr.startswith("known.smi: --exclude left out all of it, so nothing was written")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--timeout", "0"), "timeout"), (("--ewindow", "-1"), "energy window"), (("--exclude", "none.sdf"), "no such"),
     (("--exclude", "validaton"), "validaton: no such file"), (("none.smi",), "none.smi: no such file"),
     (("--failed", "in.smi"), "is an input")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    result = references("in.smi", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert not (folder / "out.parquet").exists()
    assert not (folder / "out.parquet.part").exists()


def test_another_format_and_an_output_that_exists_are_refused(folder: Path) -> None:
    assert "ends in .parquet" in references("in.smi", output="out.sdf").stderr
    (folder / "out.parquet").write_text("precious")
    assert "pass --force" in references("in.smi").stderr
    assert (folder / "out.parquet").read_text() == "precious"


def test_defaults_of_the_command_are_those_of_the_settings() -> None:
    told = {name: parameter.default for name, parameter in inspect.signature(make_references).parameters.items()}
    settings = {name.removesuffix("_k"): value for name, value in asdict(ReferenceSettings()).items()}
    assert {name: told[name] for name in settings} == settings


def test_help_needs_neither_torch_nor_rdkit() -> None:
    code = (
        "import atexit, sys; from confgen.cli import main\n"
        "atexit.register(lambda: print(*{'torch', 'rdkit', 'numpy'} & set(sys.modules), file=sys.stderr))\n"
        "sys.argv = ['confgen', 'data', 'references', '--help']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--ewindow" in done.stdout
    assert done.stderr.strip() == ""


# What was made, converted


def test_what_was_converted_can_be_converted_and_trained_on(made: Path, folder: Path) -> None:
    assert confgen("data", "convert", made / "out.parquet", "-o", "out.parquet").exit_code == 0
    for before, after in zip(rows(made / "out.parquet"), rows(folder / "out.parquet"), strict=True):
        assert before["energies"] == after["energies"]
        np.testing.assert_allclose(np.sort(before["positions"]), np.sort(after["positions"]), atol=2e-4)
    assert len(Pack.load(packed(folder / "out.parquet", folder / "cache", workers=1)).sizes) == 4


def test_what_parquet_says_of_how_it_was_made_is_kept(made: Path, folder: Path) -> None:
    kept = ("theory", "seed", "weights", "energy_method", "tags")
    told = {"theory": "B3LYP", "seed": 5, "weights": "drugs", "tags": '{"id": "7"}'}
    table = pq.read_table(made / "out.parquet")
    before = [row | told | {"energy_method": ["gfn2"] * row["num_confs"]} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(before, table.schema), "in.parquet")
    assert confgen("data", "convert", "in.parquet", "-o", "out.parquet").exit_code == 0
    for row, after in zip(before, rows(folder / "out.parquet"), strict=True):
        assert {key: after[key] for key in kept} == {key: row[key] for key in kept}
    confgen("data", "convert", "in.parquet", "-o", "other.parquet", "--theory", "GFN2-xTB")
    assert {row["theory"] for row in rows(folder / "other.parquet")} == {"GFN2-xTB"}
