"""Promises of tests/benchmarks/curve.py: right lines, and no line through too few points."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import curve
import scoring

MADE = scoring.Record("f", "a", "m", "", 3, 6, returned=6, cov_r=[0.2, 0.5, 1.0], cov_p=[0.1, 0.4, 0.9])
POINTS = [curve.Point("etkdg", samples, (cov, 1.0, 50.0, 0.9)) for samples, cov in ((1_000, 40.0), (10_000, 44.0))]


def test_the_line_is_that_of_points_that_lie_on_it() -> None:
    slope, there = curve.line([100, 1_000, 10_000], [1.2, 1.0, 0.8])
    assert slope == pytest.approx(-0.2)
    assert there == pytest.approx(0.6)


def test_a_failure_has_no_coverage_and_no_distance() -> None:
    good = replace(MADE, amr_r=0.7, amr_p=0.9)
    failed = scoring.Record("f", "b", "m", "", 3, 6, error="none came")
    made = curve.point("etkdg", 5, [good, failed])
    assert made.means == pytest.approx((25.0, 0.7, 20.0, 0.9))


def test_two_points_make_no_line_and_three_do(tmp_path: Path) -> None:
    third = curve.Point("etkdg", 100_000, (48.0, 1.0, 50.0, 0.9))
    assert not any("slope" in row for row in curve.table(POINTS))
    rows = curve.table([*POINTS, third])
    [slope] = [row for row in rows if "slope" in row]
    [ahead] = [row for row in rows if "1,000,000 by the line" in row]
    assert "+4.0" in slope
    assert "52.0" in ahead
    curve.draw([*POINTS, third], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
