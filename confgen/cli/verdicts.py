"""Verdicts on conformers as text: short, long, CSV and JSON, molecule by molecule."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from confgen.cli.console import counted
from confgen.inspection import CHECKS, Findings, Verdict

COLUMNS = ("file", "origin", "name", "conformer", "passed", *CHECKS, "energy_ratio", "asked", "shown", "details")
NAME_WIDTH = 24
WORDS = {True: "ok", False: "FAIL", None: "-"}


@dataclass
class Tally:
    """Counts of a run so far; unasked are molecules that nothing says the stereochemistry of."""

    molecules: int = 0
    unreadable: int = 0
    conformers: int = 0
    passed: int = 0
    unasked: int = 0
    no_energy: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, findings: Findings) -> None:
        self.molecules += 1
        self.unreadable += findings.error is not None
        self.conformers += len(findings.verdicts)
        self.passed += sum(not verdict.failed for verdict in findings.verdicts)
        self.unasked += any(
            "stereo" in verdict.unknown for verdict in findings.verdicts if "finite" not in verdict.failed
        )
        self.no_energy += any("energy" in v.unknown for v in findings.verdicts if "finite" not in v.failed)
        self.failed.update(name for verdict in findings.verdicts for name in verdict.failed)


@dataclass(frozen=True)
class Form:
    """A format: what comes first, what stands for each molecule of a file, and what comes last."""

    head: str
    body: Callable[[str, Findings], str]
    tail: Callable[[Tally], str]
    between: str = ""


def _short(file: str, findings: Findings) -> str:
    """One line: name, conformers, how many pass, and what fails in which."""
    del file
    if findings.error is not None:
        return f"{_name(findings)}: could not be checked\n"
    passed = sum(not verdict.failed for verdict in findings.verdicts)
    line = f"{_name(findings)}: {counted(len(findings.verdicts), 'conformer')}, {passed} passed"
    for name in CHECKS:
        numbers = [str(verdict.number) for verdict in findings.verdicts if name in verdict.failed]
        if numbers:
            which = ", ".join(numbers[:5]) + (", ..." if len(numbers) > 5 else "")
            line += f"; {name} failed by {len(numbers)} ({which})"
    isomers = {verdict.shown for verdict in findings.verdicts if "stereo" in verdict.unknown} - {""}
    if len(isomers) > 1:
        line += f"; {len(isomers)} stereoisomers among them"
    return f"{line}\n"


def _long(file: str, findings: Findings) -> str:
    """One line for each conformer: every check, then what is wrong."""
    del file
    start = f"{_name(findings)[:NAME_WIDTH]:<{NAME_WIDTH}}"
    if findings.error is not None:
        return f"{start} {'-':>4}  {WORDS[False]:<{len('readable')}}  {findings.error}\n"
    lines = []
    for verdict in findings.verdicts:
        cells = "  ".join(f"{WORDS[_result(verdict, name)]:<{len(name)}}" for name in CHECKS)
        reasons = [f"{name}: {text}" for name, text in verdict.details.items()]
        reasons += [f"shows {verdict.shown}"] if verdict.shown and not findings.asked else []
        lines.append(f"{start} {verdict.number:>4}  {cells}  {'; '.join(reasons)}".rstrip() + "\n")
    return "".join(lines)


def _csv(file: str, findings: Findings) -> str:
    rows: list[list[object]] = []
    common = [file, findings.origin, findings.name]
    if findings.error is not None:
        results = ["false" if name == "readable" else "" for name in CHECKS]
        rows.append([*common, "", "false", *results, "", findings.asked, "", str(findings.error)])
    for verdict in findings.verdicts:
        results = [{True: "true", False: "false", None: ""}[_result(verdict, name)] for name in CHECKS]
        ratio = "" if verdict.energy_ratio is None else f"{verdict.energy_ratio:.3f}"
        details = "; ".join(f"{name}: {text}" for name, text in verdict.details.items())
        passed = str(not verdict.failed).lower()
        rows.append([*common, verdict.number, passed, *results, ratio, findings.asked, verdict.shown, details])
    return _csv_lines(rows)


def _csv_lines(rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json(file: str, findings: Findings) -> str:
    conformers = [
        {
            "conformer": verdict.number,
            "passed": not verdict.failed,
            "checks": {name: _result(verdict, name) for name in CHECKS},
            "energy_ratio": verdict.energy_ratio if verdict.energy_ratio not in (float("inf"), None) else None,
            "shown": verdict.shown or None,
            "details": verdict.details,
        }
        for verdict in findings.verdicts
    ]
    row = {
        "file": file, "origin": findings.origin, "name": findings.name, "asked": findings.asked or None,
        "error": str(findings.error) if findings.error else None, "conformers": conformers,
    }  # fmt: skip
    return json.dumps(row, ensure_ascii=False)


def _json_tail(tally: Tally) -> str:
    summary = {
        "molecules": tally.molecules, "unreadable": tally.unreadable, "conformers": tally.conformers,
        "passed": tally.passed, "failed": dict(tally.failed), "stereo_not_asked": tally.unasked,
    }  # fmt: skip
    return f'\n], "summary": {json.dumps(summary)}}}\n'


def _result(verdict: Verdict, name: str) -> bool | None:
    """Whether a conformer passed a check, None if that is unknown."""
    return None if name in verdict.unknown else name not in verdict.failed


def _name(findings: Findings) -> str:
    return " ".join((findings.name or findings.origin).split())


_LONG_HEAD = f"{'molecule':<{NAME_WIDTH}} conf  {'  '.join(CHECKS)}\n"
FORMS = {
    "short": Form("", _short, lambda _: ""),
    "long": Form(_LONG_HEAD, _long, lambda _: ""),
    "csv": Form(_csv_lines([list(COLUMNS)]), _csv, lambda _: ""),
    "json": Form(f'{{"checks": {json.dumps(CHECKS)}, "molecules": [\n', _json, _json_tail, ",\n"),
}
