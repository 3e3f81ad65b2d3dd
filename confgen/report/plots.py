"""The page's charts: coverage against threshold, AMR over molecules, AMR by rotatable bonds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from confgen.report.charts import Axis, Line, line_chart, ticks
from confgen.report.tables import NOTHING, UNIT, method_heads, table
from confgen.scores import Evaluation, RotatableBondBin, by_rotatable_bonds

SHARES = [(value / 5, f"{20 * value} %") for value in range(6)]
SIDES = (("recall", "Recall", "references covered"), ("precision", "Precision", "generated conformers that cover one"))


def coverage(evaluations: Sequence[Evaluation], thresholds: NDArray[np.float64], data: dict[str, object]) -> str:
    """Recall and precision curves, the slider that both follow, and a table of the values at its place."""
    protocol = evaluations[0].protocol
    top = float(thresholds[-1])
    across = Axis("threshold, Å", 0.0, top, ticks(0.0, top))
    up = Axis("mean coverage", 0.0, 1.0, SHARES)
    marks = [(value, f"{value:g}") for value in protocol.thresholds]
    start = int(np.abs(thresholds - protocol.main).argmin())
    figures, columns = [], []
    for key, name, what in SIDES:
        means = [np.array([np.nan if v is None else v for v in values]) for values in _lists(data[key])]
        lines = [Line(one.method, mean) for one, mean in zip(evaluations, means, strict=True)]
        at_main = "; ".join(f"{line.name} {_percent(line.y[start])}" for line in lines)
        label = f"{name}: share of {what} against the threshold. At {protocol.main:g} Å: {at_main}"
        svg = line_chart(label, thresholds, lines, across, up, marks=marks, guide=float(thresholds[start]))
        figures.append(f"<figure><figcaption><b>{name}</b>: share of {what}</figcaption>{svg}</figure>")
        columns.append([_percent(mean[start]) for mean in means])
    rows = [[head, *cells] for head, *cells in zip(method_heads(evaluations), *columns, strict=True)]
    readings = table(["Method", "Recall", "Precision"], rows, "Coverage at the threshold")
    return (
        f'<div class="charts">{"".join(figures)}</div>'
        '<p class="slider"><label for="threshold">Threshold</label><input type="range" id="threshold" min="0" '
        f'max="{len(thresholds) - 1}" value="{start}" step="1"><output id="threshold-text" for="threshold">'
        f"{protocol.main:g} Å</output></p>"
        f'<div id="threshold-table">{readings}</div>'
        '<p class="note">Move over a curve, or the slider, to read off values. Dotted lines: thresholds of the '
        "protocol. Failed molecules count as not covered.</p>"
    )


def distribution(evaluations: Sequence[Evaluation]) -> str:
    """Share of the molecules whose AMR is below a value; nothing if fewer than ten have one."""
    amr = [
        {"amr_r": [m.amr_r for m in one.comparable], "amr_p": [m.amr_p for m in one.comparable]} for one in evaluations
    ]
    known = [value for one in amr for values in one.values() for value in values if value is not None]
    if max(len(one.comparable) for one in evaluations) < 10 or not known:
        return ""
    top = max(float(np.quantile(known, 0.99)), 0.5)
    x = np.linspace(0.0, top, 51)
    across, up = Axis("AMR, Å", 0.0, top, ticks(0.0, top)), Axis("molecules below", 0.0, 1.0, SHARES)
    figures = []
    for key, name in (("amr_r", "Recall AMR"), ("amr_p", "Precision AMR")):
        lines = []
        for one, values in zip(evaluations, amr, strict=True):
            array = np.sort([value for value in values[key] if value is not None])
            below = np.searchsorted(array, x, side="right") / max(1, len(values[key]))
            lines.append(Line(one.method, below))
        label = (
            f"Share of the molecules whose {name} is below a value, for each method; the table below holds the values"
        )
        svg = line_chart(label, x, lines, across, up)
        figures.append(f"<figure><figcaption><b>{name}</b>: share of the molecules below</figcaption>{svg}</figure>")
    return f'<div class="charts">{"".join(figures)}</div>{_legend(evaluations)}'


def rotors(evaluations: Sequence[Evaluation]) -> str:
    """AMR by the number of rotatable bonds, as charts and as a table."""
    bins = [{one.label: one for one in by_rotatable_bonds(evaluation)} for evaluation in evaluations]
    counts = {label: one.count for found in bins for label, one in found.items()}
    labels = sorted(counts, key=lambda label: int(label.rstrip("+").split("-")[0]))
    if not labels:
        return "<p>No molecule could be compared.</p>"
    figures = []
    for key, name in (("amr_r", "Recall AMR"), ("amr_p", "Precision AMR")):
        values = np.array([[_number(getattr(found.get(label), key, None)) for label in labels] for found in bins])
        finite = values[np.isfinite(values)]
        top = max(float(finite.max()) * 1.08 if len(finite) else 0.0, 0.5)
        across = Axis("rotatable bonds (molecules)", -0.5, len(labels) - 0.5, [
            (place, f"{label} ({counts[label]:,})") for place, label in enumerate(labels)
        ])  # fmt: skip
        lines = [
            Line(
                one.method,
                row,
                [
                    f"{one.method}, {label} rotatable bonds: {value:.3f} Å"
                    for label, value in zip(labels, row, strict=True)
                ],
            )
            for one, row in zip(evaluations, values, strict=True)
        ]
        label = f"{name} by the number of rotatable bonds, for each method; the table below holds the values"
        svg = line_chart(
            label, np.arange(len(labels), dtype=float), lines, across, Axis(f"{name}, Å", 0.0, top, ticks(0.0, top))
        )
        figures.append(f"<figure><figcaption><b>{name}</b></figcaption>{svg}</figure>")
    shown = f'<div class="charts">{"".join(figures)}</div>{_legend(evaluations)}'
    return shown + _rotor_table(evaluations, labels, counts, bins)


def _legend(evaluations: Sequence[Evaluation]) -> str:
    if len(evaluations) == 1:
        return ""
    return f'<p class="legend">{"".join(f"<span>{head}</span>" for head in method_heads(evaluations))}</p>'


def _rotor_table(
    evaluations: Sequence[Evaluation],
    labels: Sequence[str],
    counts: dict[str, int],
    bins: Sequence[dict[str, RotatableBondBin]],
) -> str:
    heads = method_heads(evaluations)
    rows = [
        [
            escape(label), head, f"{counts[label]:,}",
            *[f"{value:.3f}" if value is not None else NOTHING for value in (found[label].amr_r, found[label].amr_p)],
            *[_percent(value) for value in (found[label].cov_r, found[label].cov_p)],
        ]
        for label in labels
        for head, found in zip(heads, bins, strict=True)
        if label in found
    ]  # fmt: skip
    head = [
        "Rotatable bonds",
        "Method",
        "Molecules",
        "Recall AMR",
        "Precision AMR",
        "Recall coverage",
        "Precision coverage",
    ]
    return f"<details><summary>As a table</summary>{table(head, rows, 'AMR and coverage by rotatable bonds')}</details>"


def _lists(value: object) -> list[list[float | None]]:
    assert isinstance(value, list)
    return value


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _percent(share: float) -> str:
    return f"{100 * share:.1f}{UNIT}" if np.isfinite(share) else NOTHING
