"""Promises of tests/benchmarks/hard.py: what a file has is counted, and what cannot be read is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import hard


def test_molecules_of_a_file_come_by_name_and_bad_lines_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "few.smi"
    path.write_text("CCO ethanol\nC1CC ring\nCC=CC butene\n")
    found = list(hard.of_file(path, ""))
    assert [(kind, name) for kind, name, _ in found] == [("few", "ethanol"), ("few", "butene")]
    assert "few.smi:2" in capsys.readouterr().err
    assert [name for _, name, _ in hard.of_file(path, "butene")] == ["butene"]


def test_of_many_only_what_fails_a_check_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hard, "MOST_SHOWN", 1)
    good = hard.Record("few", "right", "confgen", "setup", 3, 1, returned=1, valid=1)
    bad = hard.Record("few", "wrong", "confgen", "setup", 3, 1, returned=1, failed_checks={"clash": 1})
    text = hard.document([good, bad], [])
    assert "| few | wrong |" in text
    assert "| few | right |" not in text
    assert "2 of 2" in text
