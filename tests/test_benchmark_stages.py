"""Promises of tests/benchmarks/stages.py: time is counted where it is spent, and nothing of it is lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import stages


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(100))


def idle() -> None: ...


def asleep(seconds: float) -> None:
    """Work that lets no signal through meanwhile."""
    numbers = list(range(1000))
    end = time.process_time() + seconds
    while time.process_time() < end:
        sorted(numbers * 50)


def test_time_is_counted_inside_the_functions_named() -> None:
    with stages.Clock({"busy": (busy,), "idle": (idle,), "long calls": (asleep,)}) as clock:
        busy(0.2)
        idle()
        asleep(0.1)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
    assert clock.spent["busy"] == pytest.approx(0.2, abs=0.05)
    assert clock.spent["long calls"] == pytest.approx(0.1, abs=0.05)
    assert clock.spent["idle"] < 0.02
    assert clock.spent["the rest"] == pytest.approx(0.1, abs=0.05)
    rows = {row.split("|")[1].strip(): float(row.split("|")[2]) for row in stages.table(clock.spent, 4)[2:]}
    assert rows["all"] == pytest.approx(sum(own for name, own in rows.items() if name != "all"), abs=0.2)
