"""Promises of `confgen.optional`: what is there is imported, and what is not is a line that says what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from confgen.errors import CannotStart
from confgen.optional import imported


def test_a_module_that_is_there_is_given() -> None:
    assert imported("json", "this needs json") is json


def test_one_that_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tblite", None)
    with pytest.raises(CannotStart, match=r"^this needs tblite, which is not installed; install it with: pip "):
        imported("tblite", "this needs tblite")


def test_one_that_cannot_be_loaded_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrongly_built.py").write_text("raise ImportError('libgomp.so.1 is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CannotStart, match=r"which cannot be loaded \(libgomp.so.1 is not there\)"):
        imported("wrongly_built", "this needs a library")
