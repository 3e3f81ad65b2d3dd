"""Promises of `confgen.unfinished`: what is written down stays, and nothing else is taken for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from confgen.errors import OutputError
from confgen.unfinished import Unfinished

PLAN = {"method": "gfn2", "seed": 1}


@pytest.fixture
def output(tmp_path: Path) -> str:
    """The output of a run that was stopped after two entries and in the middle of a third."""
    path = str(tmp_path / "out.parquet")
    with Unfinished(path, PLAN) as begun:
        begun.add({"record": 1})
        begun.add({"record": 2, "name": "\N{GREEK SMALL LETTER ALPHA}"})
    with begun.path.open("ab") as file:
        file.write(b'{"record": 3, "na')
    return path


def test_a_run_goes_on_after_its_last_whole_entry(output: str) -> None:
    with Unfinished(output, PLAN, resume=True) as again:
        assert [entry["record"] for entry in again.entries()] == [1, 2]
        again.add({"record": 3})
        assert list(again.entries()) == [{"record": 1}, {"record": 2, "name": "α"}, {"record": 3}]  # noqa: RUF001
        again.remove()
    assert not again.path.exists()


def test_force_begins_anew_and_neither_is_refused(output: str) -> None:
    with pytest.raises(OutputError, match="--resume to go on"):
        Unfinished(output, PLAN).__enter__()
    with Unfinished(output, PLAN, force=True) as again:
        assert list(again.entries()) == []


def test_another_plan_is_refused_and_named(output: str) -> None:
    with pytest.raises(OutputError, match="seed was 1, is 2"):
        Unfinished(output, PLAN | {"seed": 2}, resume=True).__enter__()
    with Unfinished(output, PLAN, resume=True) as again:
        assert len(list(again.entries())) == 2


@pytest.mark.parametrize("content", [b"", b'{"method": "gf'])
def test_a_run_that_did_not_come_to_its_plan_begins(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out.parquet.part").write_bytes(content)
    with Unfinished(str(tmp_path / "out.parquet"), PLAN, resume=True) as begun:
        assert list(begun.entries()) == []


def test_what_is_damaged_is_not_taken_for_done(output: str) -> None:
    path = Path(f"{output}.part")
    path.write_bytes(path.read_bytes().replace(b'{"record":1}', b'{"rec\0\0\0":1'))
    with Unfinished(output, PLAN, resume=True) as again, pytest.raises(OutputError, match="damaged"):
        list(again.entries())


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks")
def test_two_runs_cannot_write_one_file(output: str) -> None:
    with Unfinished(output, PLAN, resume=True), pytest.raises(OutputError, match="another run"):
        Unfinished(output, PLAN, resume=True).__enter__()
