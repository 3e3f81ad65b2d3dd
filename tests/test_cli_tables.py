"""The tables and files of an evaluation show what is in it, and nothing that is not."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from confgen.cli.results import csv_text, json_text
from confgen.cli.tables import PROPERTIES, tables, text_of
from confgen.observables import QUANTITIES
from confgen.scores import PROTOCOLS, Evaluation, MoleculeScores

REFERENCE: dict[str, object] = {"file": "ref.sdf", "molecules": 12, "conformers": 36}


def molecule(index: int, distance: float, *, failed: bool = False, weighted: bool = False) -> MoleculeScores:
    made = 0 if failed else 6
    return MoleculeScores(
        name=f"molecule {index}", smiles="C" * (index + 1), origin=f"ref.sdf record {index}", num_references=3,
        num_generated=made, recall=np.full(3, np.inf if failed else distance), precision=np.full(made, distance),
        reference_weights=np.full(3, 1 / 3) if weighted else None, rotatable_bonds=index, heavy_atoms=index + 1,
        right_stereo=made, valid=made // 2, failed_checks={} if failed else {"clash": 3}, diversity=None,
        duplicates=None if failed else 0.5, error="it failed" if failed else "",
    )  # fmt: skip


def evaluation(method: str = "etkdg", *, failed: tuple[int, ...] = (), weighted: bool = False) -> Evaluation:
    """Twelve molecules; the nth is n/10 angstrom off."""
    molecules = [molecule(n, n / 10, failed=n in failed, weighted=weighted) for n in range(12)]
    return Evaluation(method, f"{method}.sdf", PROTOCOLS["geomol"], molecules)


def shown(*evaluations: Evaluation, styled: bool = False) -> str:
    return text_of(["heading"], tables(evaluations), styled=styled)


def table(text: str, title: str) -> list[str]:
    """The rows under the title that begins so."""
    return next(part for part in text.split("\n\n") if part.startswith(title)).splitlines()[2:]


def test_coverage_stands_with_its_threshold() -> None:
    rows = [line.split() for line in table(shown(evaluation()), "Coverage")]
    assert [(row[1], row[2]) for row in rows] == [("0.5", "41.7"), ("0.75", "66.7"), ("1.25", "100.0")]


def test_failures_are_counted_both_ways() -> None:
    text = shown(evaluation(failed=(0, 1, 2)))
    assert table(text, "Coverage")[1].split()[2] == "41.7"  # 5 of 12
    assert table(text, "Mean coverage")[1].split()[2] == "55.6"  # 5 of 9
    assert "3 of 12" in text


def test_what_there_is_not_takes_no_room() -> None:
    assert "Boltzmann" not in shown(evaluation())
    assert "Boltzmann" in shown(evaluation(weighted=True))
    assert "left out" not in shown(evaluation())
    assert "GFN2" not in shown(evaluation())


def test_properties_stand_with_their_failures() -> None:
    numbers = {"molecules": 12, "molecules_failed": 1, "conformers": 72, "conformers_failed": 2}
    properties = {**dict.fromkeys(PROPERTIES, 0.5), "gap_kcal_mol": float("nan"), **numbers}
    (row,) = table(shown(replace(evaluation(), properties=properties)), "Ensemble properties")
    assert row.split() == ["etkdg", "0.50", "0.50", "-", "0.50", "1", "of", "12", "2", "of", "72"]
    assert set(PROPERTIES) == set(QUANTITIES)


def test_the_worst_molecules_come_first_and_failures_before_them() -> None:
    rows = table(shown(evaluation(failed=(3,)), evaluation("other")), "Worst")
    assert [row.split()[1] for row in rows] == ["3", "11", "10", "9", "8"]
    assert "failed" in rows[0]


def test_two_methods_fit_eighty_columns() -> None:
    text = shown(evaluation("etkdg+mmff", failed=(1,), weighted=True), evaluation("confgen"))
    assert max(len(line) for line in text.split("Worst")[0].splitlines()) <= 80


def test_only_a_terminal_gets_bold_titles() -> None:
    assert "\x1b" not in shown(evaluation())
    assert "\x1b[1mCoverage" in shown(evaluation(), styled=True)


@pytest.mark.parametrize("failed", [(), (4,), tuple(range(12))])
def test_json_has_null_for_what_is_no_number(failed: tuple[int, ...]) -> None:
    text = json_text([evaluation(failed=failed)], REFERENCE)
    assert not {"NaN", "Infinity"} & set(text.replace(",", " ").split())
    (made,) = json.loads(text)["evaluations"]
    assert made["failed"] == len(failed)
    for n in failed:
        assert made["scores"][n]["recall"] == [None, None, None]
        assert made["scores"][n]["amr_r"] is None
        assert made["scores"][n]["cov_r@0.75"] == 0.0


def test_csv_cells_are_empty_where_there_is_no_number() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([evaluation(failed=(4,))]))))
    assert len(rows) == 12
    assert (rows[4]["amr_r"], rows[4]["error"], rows[5]["failed_checks"]) == ("", "it failed", "clash 3")
