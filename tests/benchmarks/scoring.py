"""What an ensemble is worth against references: one record for each molecule and method, and tables made of them.

Coverage (COV) and average minimum RMSD (AMR) of recall (R) and precision (P) over heavy atoms, as in GeoMol (Ganea et
al., arXiv:2106.07802): strictly below the threshold is covered. A molecule without conformers covers nothing and has
no AMR.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from command import markdown
from peers import Made
from rdkit import Chem

from confgen.conformers import with_positions
from confgen.rmsd import ensemble_scores, rmsd_heavy_matrix
from confgen.scores import statistic
from confgen.stereo import mismatches_all
from confgen.validity import check

THRESHOLDS = (0.5, 0.75, 1.25)
MAIN_THRESHOLD = 0.75
MAIN_COLUMNS = (
    "method", "failed", "conformers", "COV-R", "AMR-R", "COV-P", "AMR-P",
    "stereo", "valid", "CPU ms / conformer", "peak MB",
)  # fmt: skip
MEANING = (
    "Means over molecules with the bootstrap 95% interval; heavy atoms; COV in %, covered is below "
    f"{MAIN_THRESHOLD} A; AMR in angstrom; stereo and valid in % of the conformers. A molecule without conformers is a "
    "failure: it has COV 0 and no AMR, and its CPU time counts."
)
DETAIL_COLUMNS = (
    "method", "over molecules",
    *(f"COV-{side} {threshold}" for side in "RP" for threshold in THRESHOLDS), "AMR-R", "AMR-P",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """How a method did on one molecule.

    setup:         what else decided the conformers: versions, seed, weights.     error: why there are none.
    cov_r, cov_p:  shares, 0 to 1, one for each of THRESHOLDS.     amr_r, amr_p: angstrom, None without conformers.
    right, valid:  conformers with the stereochemistry asked for, and those that pass all checks.
    peak_mb:       largest resident memory of the method's process until then, Python and libraries included.
    """

    file: str
    id: str
    method: str
    setup: str
    references: int
    asked: int
    returned: int = 0
    cov_r: list[float] = field(default_factory=lambda: [0.0] * len(THRESHOLDS))
    cov_p: list[float] = field(default_factory=lambda: [0.0] * len(THRESHOLDS))
    amr_r: float | None = None
    amr_p: float | None = None
    right: int = 0
    valid: int = 0
    failed_checks: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    error: str = ""


def score(blank: Record, made: Made, reference: Chem.Mol) -> Record:
    """The blank with scores of the conformers; `reference` is the molecule with its references as conformers.

    Stereochemistry is that of the reference's tags. Conformers with positions that are not finite do not count as
    returned.
    """
    made_pos = made.pos[np.isfinite(made.pos).all(axis=(1, 2))]
    if not len(made_pos):
        return replace(blank, error="no conformer came back")
    probe = with_positions(reference, made_pos)
    matrix = rmsd_heavy_matrix(probe, reference)
    at = [ensemble_scores(matrix, threshold) for threshold in THRESHOLDS]
    failed = check(probe)
    return replace(
        blank,
        returned=len(made_pos),
        cov_r=[scores.cov_r for scores in at],
        cov_p=[scores.cov_p for scores in at],
        amr_r=at[0].amr_r,
        amr_p=at[0].amr_p,
        right=sum(not names for names in mismatches_all(probe)),
        valid=sum(not names for names in failed),
        failed_checks=dict(Counter(name for names in failed for name in names)),
        sources=dict(Counter(made.sources)),
    )


def tables(records: Sequence[Record]) -> str:
    """Two Markdown tables: means over molecules at 0.75 angstrom; then all thresholds, medians, and without failures.

    Methods stand in the order of the records.
    """
    groups = by_method(records)
    main = [row for method, own in groups.items() for row in main_rows(method, own)]
    detail = [row for method, own in groups.items() for row in _detail_rows(method, own)]
    notes = [note for method, own in groups.items() for note in _notes(method, own)]
    return "\n".join(
        [
            MEANING,
            "",
            *markdown(MAIN_COLUMNS, main),
            "",
            "The same at all thresholds, with medians:",
            "",
            *markdown(DETAIL_COLUMNS, detail),
            *([""] if notes else []),
            *notes,
        ]
    )


def by_method(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each method."""
    return {method: [r for r in records if r.method == method] for method in dict.fromkeys(r.method for r in records)}


def main_rows(method: str, records: Sequence[Record]) -> list[list[str]]:
    """The row of a method, and one more over the molecules it did not fail on, if it failed on some."""
    succeeded = [r for r in records if r.returned]
    rows = [_main_row(f"`{method}`", records)]
    if 0 < len(succeeded) < len(records):
        rows.append(_main_row(f"`{method}`, without failures", succeeded))
    return rows


def _main_row(label: str, records: Sequence[Record]) -> list[str]:
    at = THRESHOLDS.index(MAIN_THRESHOLD)
    return [
        label,
        f"{sum(not r.returned for r in records)} of {len(records)}",
        f"{sum(r.returned for r in records)} of {sum(r.asked for r in records)}",
        interval([100 * r.cov_r[at] for r in records], 1),
        interval([r.amr_r for r in records], 2),
        interval([100 * r.cov_p[at] for r in records], 1),
        interval([r.amr_p for r in records], 2),
        *cost_cells(records),
    ]


def cost_cells(records: Sequence[Record]) -> list[str]:
    """Cells for stereo, valid, CPU ms / conformer (the time of failures included) and peak MB."""
    returned = sum(r.returned for r in records)
    return [
        _share(sum(r.right for r in records), returned),
        _share(sum(r.valid for r in records), returned),
        f"{1000 * sum(r.cpu_s for r in records) / returned:.0f}" if returned else "-",
        f"{max(r.peak_mb for r in records):.0f}",
    ]


def interval(values: Sequence[float | None], digits: int) -> str:
    """Mean of the values that there are and the bootstrap 95% interval of it: `53.8 (48.1-59.5)`."""
    known = statistic(np.array([value for value in values if value is not None]))
    mean, low, high = (f"{value:.{digits}f}" for value in (known.mean, known.low, known.high))
    return f"{mean} ({low}-{high})" if known.count else "-"


def _detail_rows(method: str, records: Sequence[Record]) -> list[list[str]]:
    succeeded = [r for r in records if r.returned]
    lines: list[tuple[str, Callable[..., np.floating], Sequence[Record]]] = [
        ("mean", np.mean, records),
        ("median", np.median, records),
    ]
    if len(succeeded) < len(records):
        lines += [("mean, successes", np.mean, succeeded), ("median, successes", np.median, succeeded)]
    return [
        [
            f"`{method}`",
            name,
            *(_percent(average, [r.cov_r[at] for r in own]) for at in range(len(THRESHOLDS))),
            *(_percent(average, [r.cov_p[at] for r in own]) for at in range(len(THRESHOLDS))),
            _angstrom(average, [r.amr_r for r in own]),
            _angstrom(average, [r.amr_p for r in own]),
        ]
        for name, average, own in lines
    ]


def _notes(method: str, records: Sequence[Record]) -> list[str]:
    """What conformers failed, and where they came from, if there was something to tell."""
    failed: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for record in records:
        failed.update(record.failed_checks)
        sources.update(record.sources)
    notes = []
    if failed:
        notes.append(f"- `{method}`: conformers that failed {_listed(failed)}")
    if sources:
        notes.append(f"- `{method}`: conformers from {_listed(sources)}")
    return notes


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _percent(average: Callable[..., np.floating], shares: Sequence[float]) -> str:
    return f"{100 * average(shares):.1f}" if shares else "-"


def _angstrom(average: Callable[..., np.floating], values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{average(known):.3f}" if known else "-"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}" if total else "-"
