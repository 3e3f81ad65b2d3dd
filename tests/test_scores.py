"""Promises of `confgen.scores`: the figures of the protocols, failures counted both ways, intervals that repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from confgen.scores import (
    PROTOCOLS,
    Evaluation,
    MoleculeScores,
    Protocol,
    by_rotatable_bonds,
    curves,
    statistic,
    summarise,
)

GOOD = MoleculeScores(
    name="good",
    smiles="CCO",
    origin="ref.sdf record 1",
    num_references=4,
    num_generated=2,
    recall=np.array([0.1, 0.5, 0.75, 2.0]),
    precision=np.array([0.1, 1.25]),
    reference_weights=np.array([0.7, 0.1, 0.1, 0.1]),
    rotatable_bonds=5,
    right_stereo=1,
    valid=2,
    diversity=0.8,
    duplicates=0.5,
)
FAILED = replace(
    GOOD,
    name="failed",
    num_generated=0,
    recall=np.full(4, np.inf),
    precision=np.zeros(0),
    rotatable_bonds=12,
    right_stereo=0,
    valid=0,
    diversity=None,
    duplicates=None,
    error="not in the file",
)
UNREADABLE = replace(FAILED, num_references=0, recall=np.zeros(0), reference_weights=None)


def evaluation(*molecules: MoleculeScores, protocol: Protocol = PROTOCOLS["geomol"]) -> Evaluation:
    return Evaluation(method="m", source="m.sdf", protocol=protocol, molecules=list(molecules))


def test_the_geomol_protocol_counts_strictly_below_the_threshold() -> None:
    summary = summarise(evaluation(GOOD))
    found = [summary[f"{side}@{threshold}"].mean for side in ("cov_r", "cov_p") for threshold in (0.5, 0.75, 1.25)]
    assert found == [0.25, 0.5, 0.75, 0.5, 0.5, 0.5]


def test_the_confgf_protocol_counts_the_threshold_itself() -> None:
    summary = summarise(evaluation(GOOD, protocol=PROTOCOLS["confgf"]))
    assert (summary["cov_r@0.5"].mean, summary["cov_p@1.25"].mean) == (0.5, 1.0)


def test_amr_is_the_mean_of_smallest_rmsds() -> None:
    assert GOOD.amr_r == pytest.approx(0.8375)
    assert GOOD.amr_p == pytest.approx(0.675)


def test_boltzmann_coverage_weighs_the_references() -> None:
    assert GOOD.boltzmann_cov_r(0.5) == pytest.approx(0.7)
    assert replace(GOOD, reference_weights=None).boltzmann_cov_r(0.5) is None


def test_a_failure_covers_nothing_or_is_left_out() -> None:
    both = evaluation(GOOD, FAILED)
    assert summarise(both)["cov_r@0.75"].mean == pytest.approx(0.25)
    assert summarise(both, failures_as_zero=False)["cov_r@0.75"].mean == pytest.approx(0.5)
    assert (summarise(both)["stereo"].mean, summarise(both, failures_as_zero=False)["stereo"].mean) == (0.25, 0.5)


def test_an_amr_is_over_successes_only() -> None:
    amr = summarise(evaluation(GOOD, FAILED))["amr_r"]
    assert (amr.mean, amr.count) == (pytest.approx(0.8375), 1)
    assert np.isnan(summarise(evaluation(FAILED))["amr_r"].mean)


def test_a_molecule_without_references_counts_nowhere() -> None:
    summary = summarise(evaluation(GOOD, UNREADABLE))
    assert (summary["cov_r@0.75"].mean, summary["cov_r@0.75"].count) == (0.5, 1)


def test_a_conformer_without_finite_positions_covers_nothing_and_has_no_part_in_the_mean() -> None:
    spoiled = replace(GOOD, precision=np.array([0.1, np.inf]))
    assert (spoiled.cov_p(0.75), spoiled.amr_p) == (0.5, 0.1)


def test_the_interval_repeats_and_holds_the_mean() -> None:
    values = np.random.default_rng(3).uniform(size=50)
    first = statistic(values, seed=1)
    assert first == statistic(values, seed=1)
    assert first != statistic(values, seed=2)
    assert first.low < first.mean < first.high


def test_the_interval_is_that_of_a_normal_mean() -> None:
    values = np.random.default_rng(3).normal(size=400)
    found = statistic(values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_curves_rise_to_one_at_a_large_threshold() -> None:
    recall, precision = curves(evaluation(GOOD), [0.0, 0.6, 5.0])
    np.testing.assert_allclose(recall, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(precision, [0.0, 0.5, 1.0])


def test_curves_of_a_failure_stay_at_zero_unless_it_is_left_out() -> None:
    assert curves(evaluation(GOOD, FAILED), [5.0])[0][0] == 0.5
    assert curves(evaluation(GOOD, FAILED), [5.0], failures_as_zero=False)[0][0] == 1.0


def test_molecules_are_binned_by_rotatable_bonds() -> None:
    small, large = by_rotatable_bonds(evaluation(GOOD, FAILED))
    assert (small.label, small.count, small.cov_r) == ("4-5", 1, 0.5)
    assert (large.label, large.amr_r, large.cov_r) == ("11+", None, 0.0)
