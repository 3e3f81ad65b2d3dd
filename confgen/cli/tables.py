"""What `confgen evaluate` prints: tables that fit 80 columns for two methods, with bold titles on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import typer

from confgen.scores import Evaluation, MoleculeScores, Statistic, by_rotatable_bonds, summarise

WORST = 5
NONE = "-"
PROPERTIES = {
    "energy_kcal_mol": "energy kcal/mol",
    "dipole_debye": "dipole D",
    "gap_kcal_mol": "gap kcal/mol",
    "min_energy_kcal_mol": "lowest kcal/mol",
}


@dataclass(frozen=True)
class Table:
    """A title, names of columns, and rows of cells. words: columns of text; the others hold numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = (0,)


def tables(evaluations: Sequence[Evaluation]) -> list[Table]:
    """The tables of one or several methods that were judged by the same references."""
    found = [
        _coverage(evaluations), _otherwise(evaluations), _distance(evaluations), _conformers(evaluations),
        _by_bonds(evaluations), _properties(evaluations), _worst(evaluations),
    ]  # fmt: skip
    return [table for table in found if table.rows]


def text_of(heading: Sequence[str], shown: Sequence[Table], *, styled: bool) -> str:
    """The lines and tables as text. styled: with the titles in bold, for a terminal."""
    parts = ["\n".join(heading)]
    for table in shown:
        title = typer.style(table.title, bold=True) if styled else table.title
        parts.append("\n".join([title, *_aligned(table)]))
    return "\n\n".join(parts) + "\n"


def _aligned(table: Table) -> list[str]:
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index in table.words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _coverage(evaluations: Sequence[Evaluation]) -> Table:
    """A row for each method and threshold; a molecule that failed covers nothing."""
    rows = []
    for evaluation in evaluations:
        values = summarise(evaluation)
        for threshold in evaluation.protocol.thresholds:
            cells = [_cells(values.get(f"{side}@{threshold:g}"), 100, 1) for side in ("cov_r", "cov_p")]
            rows.append([evaluation.method, f"{threshold:g}", *cells[0], *cells[1]])
    title = "Coverage in %: mean over molecules, 95% interval, median; failures cover nothing"
    return Table(title, ["method", "A", "COV-R", "95%", "median", "COV-P", "95%", "median"], rows)


def _otherwise(evaluations: Sequence[Evaluation]) -> Table:
    """Coverage with failures left out, and by Boltzmann weight; no rows if there are neither."""
    failed = any(scores.failed for evaluation in evaluations for scores in evaluation.molecules)
    weighted = any(s.reference_weights is not None for e in evaluations for s in e.molecules)
    header = ["method", "A", *(["COV-R", "COV-P"] if failed else []), *(["Boltzmann COV-R"] if weighted else [])]
    rows = []
    for evaluation in evaluations if failed or weighted else []:
        values, successes = summarise(evaluation), summarise(evaluation, failures_as_zero=False)
        for threshold in evaluation.protocol.thresholds:
            cells = [_mean(successes.get(f"{side}@{threshold:g}"), 100, 1) for side in ("cov_r", "cov_p")]
            boltzmann = _mean(values.get(f"boltzmann_cov_r@{threshold:g}"), 100, 1)
            rows.append([evaluation.method, f"{threshold:g}", *(cells if failed else []), *([boltzmann] * weighted)])
    parts = (["with failures left out"] if failed else []) + (["by Boltzmann weight"] if weighted else [])
    return Table(f"Mean coverage in %, {' and '.join(parts)}", header, rows)


def _distance(evaluations: Sequence[Evaluation]) -> Table:
    rows = []
    for evaluation in evaluations:
        values = summarise(evaluation)
        rows.append([evaluation.method, *_cells(values.get("amr_r"), 1, 3), *_cells(values.get("amr_p"), 1, 3)])
    header = ["method", "AMR-R", "95%", "median", "AMR-P", "95%", "median"]
    return Table("Distance to the nearest in A: mean over molecules that did not fail", header, rows)


def _conformers(evaluations: Sequence[Evaluation]) -> Table:
    header = ["method", "failed", "conformers", "stereo %", "valid %", "diversity A", "duplicates %"]
    rows = []
    for evaluation in evaluations:
        values = summarise(evaluation, failures_as_zero=False)
        made = sum(scores.num_generated for scores in evaluation.comparable)
        wanted = (evaluation.protocol.per_reference or 0) * sum(s.num_references for s in evaluation.comparable)
        rows.append(
            [
                evaluation.method,
                f"{sum(scores.failed for scores in evaluation.molecules)} of {len(evaluation.comparable)}",
                f"{made} of {wanted}" if wanted else str(made),
                *(_mean(values.get(name), 100, 1) for name in ("stereo", "valid")),
                _mean(values.get("diversity"), 1, 3),
                _mean(values.get("duplicates"), 100, 1),
            ]
        )
    return Table("Molecules that failed, and the conformers of the others", header, rows)


def _by_bonds(evaluations: Sequence[Evaluation]) -> Table:
    """Methods in rows, bins in columns: recall, then precision."""
    binned = [by_rotatable_bonds(evaluation) for evaluation in evaluations]
    columns = {part.label: part.count for bins in binned for part in bins}
    header = ["method", "", *(f"{label} ({count})" for label, count in columns.items())]
    rows = []
    for name, key in (("AMR-R", "amr_r"), ("AMR-P", "amr_p")):
        for evaluation, bins in zip(evaluations, binned, strict=True):
            known = {part.label: getattr(part, key) for part in bins}
            rows.append([evaluation.method, name, *(_plain(known.get(label), 1, 3) for label in columns)])
    return Table("By rotatable bonds (number of molecules), A", header, rows, words=(0, 1))


def _properties(evaluations: Sequence[Evaluation]) -> Table:
    """Errors, and how many molecules and conformers they come from; no rows where they were not asked for."""
    rows = []
    for evaluation in evaluations:
        if (values := evaluation.properties) is not None:
            errors = [_plain(values[key], 1, 2) for key in PROPERTIES]
            pairs = [(values[f"{noun}_failed"], values[noun]) for noun in ("molecules", "conformers")]
            rows.append([evaluation.method, *errors, *(f"{failed:.0f} of {number:.0f}" for failed, number in pairs)])
    title = "Ensemble properties by GFN2-xTB: median absolute error; molecules and conformers that failed"
    return Table(title, ["method", *PROPERTIES.values(), "molecules", "conformers"], rows)


def _worst(evaluations: Sequence[Evaluation]) -> Table:
    """The molecules with the largest AMR-R, averaged over methods; those that failed in one come first."""
    together = list(zip(*(evaluation.molecules for evaluation in evaluations), strict=True))

    def badness(each: tuple[MoleculeScores, ...]) -> tuple[int, float]:
        distances = [scores.amr_r for scores in each if scores.amr_r is not None]
        return sum(scores.failed for scores in each), float(np.mean(distances)) if distances else 0.0

    counted = [each for each in together if each[0].num_references]
    worst = sorted(counted, key=badness, reverse=True)[:WORST] if len(counted) > 1 else []
    header = ["molecule", "rotatable", "references", *(f"AMR-R {e.method}" for e in evaluations), "SMILES"]
    rows = [
        [
            _short(each[0].name or each[0].origin, 24), str(each[0].rotatable_bonds), str(each[0].num_references),
            *("failed" if scores.failed else _plain(scores.amr_r, 1, 3) for scores in each), _short(each[0].smiles, 40),
        ]
        for each in worst
    ]  # fmt: skip
    return Table("Worst molecules", header, rows, words=(0, len(header) - 1))


def _cells(value: Statistic | None, scale: float, digits: int) -> list[str]:
    """Mean, interval and median."""
    if value is None or not np.isfinite(value.mean):
        return [NONE, "", NONE]
    low, high = (f"{scale * bound:.{digits}f}" for bound in (value.low, value.high))
    return [_mean(value, scale, digits), f"{low}-{high}", _plain(value.median, scale, digits)]


def _mean(value: Statistic | None, scale: float, digits: int) -> str:
    return _plain(None if value is None else value.mean, scale, digits)


def _plain(value: float | None, scale: float, digits: int) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{scale * value:.{digits}f}"


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
