"""Promises of tests/benchmarks/stages.py: time is counted where it is spent, and nothing of it is lost."""

from __future__ import annotations

import sys
import time
from cProfile import Profile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import stages


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(100))


def idle() -> None: ...


def test_time_is_counted_inside_the_functions_named(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(time.process_time)
    profile.runcall(lambda: (busy(0.1), idle()))
    assert stages.seconds(profile, (busy,)) == pytest.approx(0.1, rel=0.5)
    assert stages.seconds(profile, (idle,)) < 0.01
    monkeypatch.setattr(stages, "STAGES", {"busy": (busy,), "idle": (idle,)})
    rows = {row.split("|")[1].strip(): float(row.split("|")[2]) for row in stages.table(profile, 0.5, 4)[2:]}
    assert rows["all"] == pytest.approx(rows["busy"] + rows["idle"] + rows["the rest"], abs=0.11)
