"""Promises of `confgen library`: shards that come whole, the same whatever ended the run, and can be gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import PROGRAM, confgen

from confgen.cli import sharding
from confgen.ensembles import read_ensembles
from confgen.errors import OutputError

SMILES = ["CCO", "CCN", "CCCC", "CC=O", "C1CC", "CCF", "COC"]
QUICK = ("-n", "2", "--start", "etkdg", "--shard-size", "2", "--workers", "1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.smi").write_text("".join(f"{smiles} m{number}\n" for number, smiles in enumerate(SMILES)))
    return tmp_path


def contents(library: str) -> dict[str, bytes]:
    """What is in the ensembles of a library, by the names of the shards."""
    return {path.name: path.read_bytes() for path in sorted(Path(library).glob("shard-*.sdf.gz"))}


def test_a_library_has_all_molecules_in_shards_and_a_summary() -> None:
    result = confgen("library", "in.smi", "-o", "lib", *QUICK)
    assert result.exit_code == 3
    assert "ring 1 is not closed" in result.stderr
    assert "is finished, 4 shards" in result.stderr
    names = [found.name for shard in contents("lib") for found in read_ensembles(f"lib/{shard}")]
    assert names == ["m0", "m1", "m2", "m3", "m5", "m6"]
    summary = json.loads(Path("lib/summary.json").read_text())
    assert (summary["shards"], summary["molecules"], summary["failed"]) == (4, 7, 1)
    assert Path("lib/failed.smi").read_text().splitlines()[1].startswith("#C1CC\tm4")
    assert sorted(path.name for path in Path("lib").glob("*.failed.smi")) == ["shard-00003.failed.smi"]
    assert len(Path("lib/shard-00001.report.jsonl").read_text().splitlines()) == 2
    assert [path.name for path in Path("lib").iterdir() if path.name.startswith(".")] == []


def test_parts_make_the_same_as_one_run() -> None:
    confgen("library", "in.smi", "-o", "whole", *QUICK)
    first = confgen("library", "in.smi", "-o", "parts", *QUICK, "--part", "2/2")
    assert (first.exit_code, "other parts are not finished" in first.stderr) == (0, True)
    assert confgen("library", "in.smi", "-o", "parts", *QUICK, "--part", "1/2").exit_code == 3
    assert contents("parts") == contents("whole")
    assert Path("parts/summary.json").read_text() == Path("whole/summary.json").read_text()


def test_a_run_that_ends_early_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    confgen("library", "in.smi", "-o", "whole", *QUICK)
    true_written, done = sharding.written, []

    def failing(ensemble: object, writer: object) -> object:
        done.append(1)
        if len(done) == 4:
            raise OutputError("the machine burns")
        return true_written(ensemble, writer)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sharding, "written", failing)
        assert confgen("library", "in.smi", "-o", "lib", *QUICK).exit_code == 2
    assert list(contents("lib")) == ["shard-00001.sdf.gz"]
    assert sorted(path.name for path in Path("lib").iterdir()) == [
        "plan.json", "shard-00001.json", "shard-00001.report.jsonl", "shard-00001.sdf.gz"
    ]  # fmt: skip
    refused = confgen("library", "in.smi", "-o", "lib", *QUICK)
    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)
    before = Path("lib/shard-00001.sdf.gz").stat().st_mtime_ns
    assert confgen("library", "in.smi", "-o", "lib", *QUICK, "--resume").exit_code == 3
    assert Path("lib/shard-00001.sdf.gz").stat().st_mtime_ns == before
    assert contents("lib") == contents("whole")
    again = confgen("library", "in.smi", "-o", "lib", *QUICK, "--resume")
    assert (again.exit_code, "is finished" in again.stderr) == (3, True)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_is_interrupted_leaves_whole_shards_only() -> None:
    Path("in.smi").write_text("".join(f"CC(C)CC(=O)NCCc1ccccc1CC m{number}\n" for number in range(40)))
    command = [sys.executable, "-c", PROGRAM, "library", "in.smi", "-o", "lib", *QUICK, "--no-progress"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not Path("lib/shard-00001.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "pass --resume" in said) == (143, True)
    finished = {path.name[:11] for path in Path("lib").glob("shard-*.json")}
    assert 0 < len(finished) < 20
    assert {path.name[:11] for path in Path("lib").glob("shard-*")} == finished
    assert [path.name for path in Path("lib").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(("arguments", "said"), [
    (("in.smi", "-o", "lib", "--part", "3/2"), "part 3/2 is none"),
    (("in.smi", "-o", "lib", "--part", "x"), "not of the form 2/8"),
    (("-", "-o", "lib"), "cannot be read again"),
    (("none.smi", "-o", "lib"), "no such file"),
    (("in.smi", "-o", "lib", "-w", "nothing"), "unknown"),
    (("in.smi", "-o", "lib", "--core", "CC"), "--template"),
    (("in.smi", "-o", "lib", "--template", "none.sdf"), "no such file"),
    (("in.smi", "-o", "lib", "--device", "cuda:99"), "cuda"),
    (("in.smi", "-o", "lib", "--ray", "127.0.0.1:9"), "ray"),
])  # fmt: skip
def test_what_cannot_be_done_is_refused_before_there_is_a_folder(arguments: tuple[str, ...], said: str) -> None:
    result = confgen("library", *arguments)
    assert (result.exit_code, said in result.stderr, Path("lib").exists()) == (2, True, False), result.stderr


def test_what_a_killed_run_left_of_a_shard_is_made_again() -> None:
    Path("in.smi").write_text("CCO\nCCN\n")
    confgen("library", "in.smi", "-o", "lib", *QUICK)
    expected = contents("lib")
    Path("lib/shard-00001.json").unlink()
    late = confgen("library", "in.smi", "-o", "lib", *QUICK, "--resume", "--timeout", "1e-4")
    assert (late.exit_code, contents("lib")) == (4, {})
    assert len(Path("lib/failed.smi").read_text().splitlines()) == 3
    Path("lib/shard-00001.json").unlink()
    assert confgen("library", "in.smi", "-o", "lib", *QUICK, "--resume").exit_code == 0
    assert (contents("lib"), Path("lib/failed.smi").exists()) == (expected, False)


def test_a_part_that_is_finished_ends_as_before() -> None:
    codes = [confgen("library", "in.smi", "-o", "lib", *QUICK, "--part", "1/2").exit_code for _ in range(2)]
    assert codes == [3, 3]


def test_a_file_may_be_called_anything() -> None:
    name = os.fsdecode(b"caf\xe9.smi")
    Path(name).write_text("CCO\n")
    assert confgen("library", name, "-o", "lib", *QUICK).exit_code == 0
    assert confgen("generate", name, "-n", "1", "--start", "etkdg", "-o", "out.sdf").exit_code == 0


def test_another_input_under_the_same_name_is_refused() -> None:
    confgen("library", "in.smi", "-o", "lib", *QUICK)
    Path("in.smi").write_text("CCO\nCCS\n")
    result = confgen("library", "in.smi", "-o", "lib", *QUICK, "--resume")
    assert (result.exit_code, "bytes was" in result.stderr) == (2, True)


def test_an_empty_input_is_told_of() -> None:
    Path("in.smi").write_text("# nothing\n")
    result = confgen("library", "in.smi", "-o", "lib", *QUICK)
    assert (result.exit_code, "no molecules in it" in result.stderr) == (4, True)


def test_the_options_are_those_of_generate() -> None:
    from confgen.cli.generate import generate
    from confgen.cli.library import OF_GENERATE_ALONE, library

    offered = set(library.__signature__.parameters)  # type: ignore[attr-defined]
    of_generate = set(generate.__annotations__) - {"return"}
    assert of_generate - offered == set(OF_GENERATE_ALONE) - {"inputs", "output", "format"}
    assert offered - of_generate == {"shard_size", "resume", "part", "ray"}
