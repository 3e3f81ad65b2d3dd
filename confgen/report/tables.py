"""The page's tables as HTML: the summary, the bins of rotatable bonds, failures and stereo errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from confgen.report.charts import swatch
from confgen.scores import Evaluation, MoleculeScores, Statistic, summarise

UNFOLDED = 25  # lines of all methods up to which a list is shown unfolded
LISTED = 500  # lines of one method in one list; the rest is counted
BOUNDED = "too many symmetries to try them all: its RMSDs are upper bounds"
NOTHING = "\N{EN DASH}"
UNIT = "\N{NO-BREAK SPACE}%"
OF_CONFORMERS = "share of a molecule's conformers"
Cells = Sequence[str]
Row = tuple[str, list[list[str]]]  # what is measured, and for each method: value, interval or note, median


def table(head: Cells, rows: Iterable[Cells], caption: str) -> str:
    """A table of ready HTML cells, its first column a header of the row."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f'<caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def method_heads(evaluations: Sequence[Evaluation]) -> list[str]:
    """Each method's name behind a piece of its line in the charts."""
    return [f"{swatch(number)} {escape(one.method)}" for number, one in enumerate(evaluations)]


def summary_table(evaluations: Sequence[Evaluation]) -> str:
    """One row per measure, one column per method; the best mean of a row is bold. A single method gets wider rows."""
    rows = _summary_rows(evaluations)
    caption = "Summary: means over the reference molecules"
    if len(evaluations) == 1:
        head = ["Measure", *method_heads(evaluations), "95% interval", "Median"]
        return table(head, [[name, *(cells[0] + ["", ""])[:3]] for name, cells in rows], caption)
    joined = [
        [
            name,
            *[f"{value}<small>{' '.join(f'<span>{note}</span>' for note in notes)}</small>" for value, *notes in cells],
        ]
        for name, cells in _with_words(rows)
    ]
    return table(["Measure", *method_heads(evaluations)], joined, caption)


def failure_list(evaluations: Sequence[Evaluation]) -> str:
    """Every molecule with nothing to score, and why."""
    return _listed(evaluations, ("Molecule", "Where it stands", "Why there is nothing to score"), [
        [[one.name, one.origin, why_not(one)] for one in evaluation.molecules if why_not(one)]
        for evaluation in evaluations
    ])  # fmt: skip


def stereo_list(evaluations: Sequence[Evaluation]) -> str:
    """Every molecule with a conformer of another stereoisomer than asked for."""
    return _listed(evaluations, ("Molecule", "Where it stands", "Wrong conformers", "What is wrong"), [
        [
            [one.name, one.origin, f"{one.num_generated - one.right_stereo} of {one.num_generated}", one.wrong_stereo]
            for one in evaluation.molecules
            if one.right_stereo < one.num_generated
        ]
        for evaluation in evaluations
    ])  # fmt: skip


def check_list(evaluations: Sequence[Evaluation]) -> str:
    """How many conformers fail which check, the most frequent first; empty if none does."""
    totals: list[dict[str, int]] = []
    for evaluation in evaluations:
        total: dict[str, int] = {}
        for one in evaluation.molecules:
            for check, count in one.failed_checks.items():
                total[check] = total.get(check, 0) + count
        totals.append(total)
    checks = sorted({check for total in totals for check in total}, key=lambda c: -sum(t.get(c, 0) for t in totals))
    rows = [[escape(check), *[f"{total.get(check, 0):,}" for total in totals]] for check in checks]
    head = ["Check", *method_heads(evaluations)]
    return table(head, rows, "Conformers that fail each check") if rows else ""


def note_list(evaluations: Sequence[Evaluation]) -> str:
    """What was generated for no reference, matches that were not unique, and what else a reader should know."""
    return _listed(evaluations, ("What", "What it means"), [
        [[text, "generated, but no reference belongs to it: not scored"] for text in evaluation.unmatched]
        + [[text, "the match is not unique"] for text in evaluation.ambiguous]
        + [[text, "left out by the reader"] for text in evaluation.notes]
        + [[f"{one.name} ({one.origin})", one.note] for one in evaluation.molecules if one.note]
        + [[f"{one.name} ({one.origin})", BOUNDED] for one in evaluation.molecules if one.bounded]
        for evaluation in evaluations
    ])  # fmt: skip


def _listed(evaluations: Sequence[Evaluation], head: Sequence[str], lists: list[list[list[str]]]) -> str:
    """One folded table per method that has lines; empty if none has."""
    parts = []
    unfolded = " open" if sum(map(len, lists)) <= UNFOLDED else ""
    for number, (evaluation, lines) in enumerate(zip(evaluations, lists, strict=True)):
        if not lines:
            continue
        rows = [[escape(cell) for cell in line] for line in lines[:LISTED]]
        more = f"<p>… and {len(lines) - LISTED:,} more.</p>" if len(lines) > LISTED else ""
        parts.append(
            f"<details{unfolded}><summary>{swatch(number)} {escape(evaluation.method)}: "
            f"{len(lines):,}</summary>{table([escape(h) for h in head], rows, f'{head[-1]}: {evaluation.method}')}"
            f"{more}</details>"
        )
    return "".join(parts)


def why_not(scores: MoleculeScores) -> str:
    """Why a molecule has no scores; empty if it has."""
    if scores.num_references and not scores.failed:
        return ""
    return scores.error or ("nothing was generated" if scores.num_references else "no reference conformers")


def _failed(evaluation: Evaluation) -> int:
    return sum(one.failed for one in evaluation.molecules)


def _keys(summaries: Sequence[dict[str, Statistic]], start: str) -> list[str]:
    """Keys of any of the summaries that begin so, by threshold."""
    found = {key for summary in summaries for key in summary if key.startswith(start)}
    return sorted(found, key=lambda key: float(key.partition("@")[2]))


def _coverage_name(side: str, key: str, addition: str = "") -> str:
    return f"{side} coverage <small>at {float(key.partition('@')[2]):g} Å{addition}</small>"


def _summary_rows(evaluations: Sequence[Evaluation]) -> list[Row]:
    zero = [summarise(one) for one in evaluations]
    success = [summarise(one, failures_as_zero=False) for one in evaluations]
    failed = any(_failed(one) for one in evaluations)
    rows = [("Molecules scored", [_scored(one) for one in evaluations])]
    rows.append(("Conformers scored", [_confs(one) for one in evaluations]))
    for letter, side in (("r", "Recall"), ("p", "Precision")):
        keys = _keys(zero, f"cov_{letter}@")
        rows += [(_coverage_name(side, key), _statistics(zero, key, percent=True)) for key in keys]
        if failed:
            key = f"cov_{letter}@{evaluations[0].protocol.main:g}"
            rows.append((_coverage_name(side, key, ", failures left out"), _statistics(success, key, percent=True)))
        rows.append(
            (f"{side} AMR <small>mean smallest RMSD, Å</small>", _statistics(zero, f"amr_{letter}", lower=True))
        )
    key = f"boltzmann_cov_r@{evaluations[0].protocol.main:g}"
    if any(key in one for one in zero):
        rows.append((_coverage_name("Boltzmann-weighted recall", key), _statistics(zero, key, percent=True)))
    share = f"<small>{OF_CONFORMERS}{', failures left out' if failed else ''}</small>"
    rows.append((f"Stereo as asked {share}", _statistics(success, "stereo", percent=True)))
    rows.append((f"Valid {share}", _statistics(success, "valid", percent=True)))
    rows.append(("Diversity <small>mean pairwise RMSD, Å</small>", _statistics(zero, "diversity", best=False)))
    name = "Duplicates <small>within 0.1 Å of an earlier one</small>"
    rows.append((name, _statistics(zero, "duplicates", percent=True, lower=True)))
    for name in dict.fromkeys(name for one in evaluations for name in one.properties or {}):
        values = [(one.properties or {}).get(name) for one in evaluations]
        cells = [[NOTHING if value is None else f"{value:.3f}"] for value in values]
        rows.append((f"{escape(name)} <small>median absolute error</small>", cells))
    return rows


def _statistics(
    summaries: Sequence[dict[str, Statistic]],
    key: str,
    *,
    percent: bool = False,
    lower: bool = False,
    best: bool = True,
) -> list[list[str]]:
    """Mean, interval and median of each method.    lower: the smallest mean is the best one."""
    found = [summary.get(key) for summary in summaries]
    values = [None if one is None or math.isnan(one.mean) else one for one in found]
    means = {one.mean for one in values if one is not None}
    top = (min if lower else max)(means) if len(means) > 1 and best else None

    def written(number: float) -> str:
        return f"{100 * number:.1f}" if percent else f"{number:.3f}"

    cells = []
    for one in values:
        if one is None:
            cells.append([NOTHING])
            continue
        tag = "strong" if one.mean == top else "b"
        mean = f"<{tag}>{written(one.mean)}{UNIT if percent else ''}</{tag}>"
        cells.append([mean, f"{written(one.low)} to {written(one.high)}", written(one.median)])
    return cells


def _with_words(rows: Sequence[Row]) -> list[Row]:
    """The same rows, medians named as such."""
    return [(name, [[*cell[:2], *[f"median {text}" for text in cell[2:]]] for cell in cells]) for name, cells in rows]


def _scored(evaluation: Evaluation) -> list[str]:
    total, failed = len(evaluation.comparable), _failed(evaluation)
    notes = [f'<em class="bad">{failed:,} failed</em>' if failed else "none failed"]
    if unread := len(evaluation.molecules) - total:
        notes[0] += f'<br><em class="bad">{unread:,} without a readable reference</em>'
    return [f"{total - failed:,} of {total:,}", *notes]


def _confs(evaluation: Evaluation) -> list[str]:
    generated = sum(one.num_generated for one in evaluation.molecules)
    return [f"{generated:,}", f"for {sum(one.num_references for one in evaluation.molecules):,} references"]
