"""An evaluation as JSON (everything) and as CSV (a row for each molecule and method)."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import rdkit

from confgen.scores import Evaluation, MoleculeScores, Protocol, by_rotatable_bonds, curves, summarise
from confgen.version import confgen_version

FORMAT = "confgen-evaluation-1"  # goes up when a key changes its meaning or goes away; new keys may come without
CURVE = [round(0.05 * step, 2) for step in range(1, 51)]  # angstrom
DIGITS = 5


def json_text(evaluations: Sequence[Evaluation], reference: dict[str, object]) -> str:
    """One JSON document; lengths in angstrom, coverages and shares from 0 to 1, null for what there is not.

    Keys: format, confgen, versions, command; reference (file, molecules, conformers); protocol; evaluations, a list
    with, for each method: method, source, molecules, unreadable_references and failed (numbers),
    summary.failures_as_zero and summary.successes_only (tables of mean, median, low, high, count; see
    `scores.summarise`), failed_checks, by_rotatable_bonds, curves, properties, unmatched, ambiguous, notes, and scores,
    a list with one entry for each molecule of the reference, in its order: see `_molecule`.
    """
    document = {
        "format": FORMAT,
        "confgen": confgen_version(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "rdkit": rdkit.__version__},
        "command": command_line(),
        "reference": reference,
        "protocol": asdict(evaluations[0].protocol),
        "evaluations": [_evaluation(evaluation) for evaluation in evaluations],
    }
    return json.dumps(_plain(document), indent=1, allow_nan=False) + "\n"


def command_line() -> str:
    """What the user typed, as a shell takes it."""
    return shlex.join(["confgen", *sys.argv[1:]])


def csv_text(evaluations: Sequence[Evaluation]) -> str:
    """A header and a row for each molecule and method; empty where there is no number."""
    rows = [
        {"method": evaluation.method} | _row(scores, evaluation.protocol)
        for evaluation in evaluations
        for scores in evaluation.molecules
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    recall, precision = curves(evaluation, CURVE)
    checks: Counter[str] = Counter()
    for scores in evaluation.molecules:
        checks.update(scores.failed_checks)
    return {
        "method": evaluation.method,
        "source": evaluation.source,
        "molecules": len(evaluation.molecules),
        "unreadable_references": len(evaluation.molecules) - len(evaluation.comparable),
        "failed": sum(scores.failed for scores in evaluation.molecules),
        "summary": {
            "failures_as_zero": {key: asdict(value) for key, value in summarise(evaluation).items()},
            "successes_only": {
                key: asdict(value) for key, value in summarise(evaluation, failures_as_zero=False).items()
            },
        },
        "failed_checks": dict(checks),
        "by_rotatable_bonds": [asdict(part) for part in by_rotatable_bonds(evaluation)],
        "curves": {"thresholds": CURVE, "recall": recall, "precision": precision},
        "properties": evaluation.properties,
        "unmatched": evaluation.unmatched,
        "ambiguous": evaluation.ambiguous,
        "notes": evaluation.notes,
        "scores": [_molecule(scores, evaluation.protocol) for scores in evaluation.molecules],
    }


def _molecule(scores: MoleculeScores, protocol: Protocol) -> dict[str, Any]:
    """One molecule: the cells of the CSV, checks as a table, and the distance of every conformer to the nearest one."""
    return _row(scores, protocol) | {
        "failed_checks": scores.failed_checks,
        "recall": scores.recall,
        "precision": scores.precision,
        "reference_weights": scores.reference_weights,
    }


def _row(scores: MoleculeScores, protocol: Protocol) -> dict[str, Any]:
    coverage: dict[str, float | None] = {}
    for name in ("cov_r", "cov_p", "boltzmann_cov_r"):
        for threshold in protocol.thresholds:
            coverage[f"{name}@{threshold:g}"] = getattr(scores, name)(threshold, protocol.inclusive)
    cells = {
        "name": scores.name, "smiles": scores.smiles, "origin": scores.origin, "error": scores.error,
        "failed": scores.failed,
        "heavy_atoms": scores.heavy_atoms, "rotatable_bonds": scores.rotatable_bonds,
        "num_references": scores.num_references, "num_generated": scores.num_generated,
        "num_given": scores.num_given,
        "amr_r": scores.amr_r, "amr_p": scores.amr_p, **coverage,
        "right_stereo": scores.right_stereo, "wrong_stereo": scores.wrong_stereo, "valid": scores.valid,
        "failed_checks": "; ".join(f"{name} {count}" for name, count in scores.failed_checks.items()),
        "diversity": scores.diversity, "duplicates": scores.duplicates, "upper_bound": scores.bounded,
        "note": scores.note,
    }  # fmt: skip
    return {key: _plain(cell) for key, cell in cells.items()}


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: numbers rounded, None for what is no number, lists for arrays and tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
