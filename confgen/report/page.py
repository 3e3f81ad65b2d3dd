"""The page put together: its sections, its script and its style, and the policy that keeps it off the network."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
import rdkit
from numpy.typing import NDArray

from confgen.report import plots, tables
from confgen.report.data import WORST, all_molecules, page_data
from confgen.scores import Evaluation, Protocol
from confgen.version import confgen_version

VIEWER = "3Dmol.js 2.5.5"
SCRIPTS = ("page.js", "molecules.js", "viewer.js")
GOOD_STEREO = "Every scored conformer has the stereochemistry asked for."
GOOD_CHECKS = "Every scored conformer passes every check."
STEPS = 40  # of the curves' thresholds


def report_html(
    evaluations: Sequence[Evaluation],
    *,
    command: str = "",
    made: datetime | None = None,
) -> str:
    """One self-contained page that compares the evaluations; UTF-8, it loads nothing and sends nothing.

    command:  how it was made, shown as given.     made: when; now if left out.
    """
    if not evaluations:
        raise ValueError("a report needs at least one evaluation")
    thresholds = curve_thresholds(evaluations)
    data = page_data(evaluations, thresholds)
    sections = _sections(evaluations, thresholds, data, command, made or datetime.now(UTC))
    style, library = _asset("page.css"), _asset("3Dmol-min.js")
    script = "(() => {\n" + "\n".join(_asset(name) for name in SCRIPTS) + "})();\n"
    page = Template(_asset("page.html")).substitute(
        policy=_policy(style, library, script),
        generator=escape(f"confgen {confgen_version()}"),
        style=style,
        lead=_lead(evaluations),
        links=" ".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in sections),
        sections="\n".join(
            f'<section id="{name}" aria-labelledby="{name}-h">'
            f'<h2 id="{name}-h">{escape(heading)}</h2>\n{body}</section>'
            for name, heading, body in sections
        ),
        data=script_json(data),
        library=library,
        script=script,
    )
    return page.encode("utf-8", "replace").decode()  # half of a surrogate pair, in a name, could not be written


def script_json(value: object) -> str:
    """JSON that may stand in a script element: no character in it can end or open one."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def curve_thresholds(evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
    """Thresholds of the curves: even steps to past the largest of the protocols, and theirs."""
    own = sorted({value for one in evaluations for value in (*one.protocol.thresholds, one.protocol.main)})
    top = np.ceil(own[-1] * 1.6 / 0.5) * 0.5
    return np.unique(np.round([*np.linspace(0, top, STEPS + 1), *own], 4))


def _sections(
    evaluations: Sequence[Evaluation],
    thresholds: NDArray[np.float64],
    data: dict[str, object],
    command: str,
    made: datetime,
) -> list[tuple[str, str, str]]:
    """Id, heading and body of each section; those with nothing to say left out, but for failures and stereo errors."""
    return [
        ("summary", "Summary", _summary(evaluations)),
        ("curves", "Coverage against threshold", plots.coverage(evaluations, thresholds, data)),
        ("molecules", "Molecules", _molecules(evaluations)),
        ("worst", "Worst molecules", Template(_asset("worst.html")).substitute(most=WORST)),
        ("rotors", "By rotatable bonds", plots.rotors(evaluations)),
        ("failures", "Failures and stereo errors", _problems(evaluations)),
        ("made", "How this was made", _made(evaluations, command, made)),
    ]


def _lead(evaluations: Sequence[Evaluation]) -> str:
    methods, molecules = len(evaluations), all_molecules(evaluations)
    references = sum(one.num_references for one in molecules.values())
    return (
        f"{methods} method{'s' if methods > 1 else ''} on {len(molecules):,} "
        f"molecule{'s' if len(molecules) != 1 else ''} with {references:,} reference conformers. "
        f"{escape(protocol_text(evaluations[0].protocol))}"
    )


def protocol_text(protocol: Protocol) -> str:
    """The protocol in words."""
    sign = "at most" if protocol.inclusive else "below"
    limit = "all generated conformers are scored"
    if protocol.per_reference == 1:
        limit = "the first generated conformer for each reference is scored"
    elif protocol.per_reference:
        limit = f"the first {protocol.per_reference} generated conformers for each reference are scored"
    return f"Protocol {protocol.name}: covered means an RMSD of heavy atoms {sign} {protocol.main:g} Å; {limit}."


def _summary(evaluations: Sequence[Evaluation]) -> str:
    differ = len({one.protocol for one in evaluations}) > 1
    warning = (
        '<p class="bad">The methods were scored by different protocols: do not compare them.</p>' if differ else ""
    )
    return (
        warning + tables.summary_table(evaluations) + '<p class="note">Means over molecules; below each, the 95% '
        "interval of the mean (bootstrap over molecules) and the median. A failed molecule covers nothing; AMR, "
        "stereo, validity, diversity and duplicates are over the molecules that have them. Recall asks of each "
        "reference how near the nearest generated conformer is, precision the reverse. Bold: the best mean, whether "
        "or not the intervals part it from the others.</p>"
    )


def _molecules(evaluations: Sequence[Evaluation]) -> str:
    return plots.distribution(evaluations) + _asset("table.html")


def _problems(evaluations: Sequence[Evaluation]) -> str:
    parts = []
    scored = any(one.num_generated for evaluation in evaluations for one in evaluation.molecules)
    nothing = "No conformer was scored."
    for heading, body, none in (
        ("Nothing to score", tables.failure_list(evaluations), "Every reference molecule was scored."),
        ("Stereo errors", tables.stereo_list(evaluations), GOOD_STEREO if scored else nothing),
        ("Failed checks", tables.check_list(evaluations), GOOD_CHECKS if scored else nothing),
        ("Matching and other notes", tables.note_list(evaluations), "Everything generated was matched, and uniquely."),
    ):
        parts.append(f'<h3>{heading}</h3><div class="text">{body or f"<p>{none}</p>"}</div>')
    return "".join(parts)


def _made(evaluations: Sequence[Evaluation], command: str, made: datetime) -> str:
    facts = [(f"Method {one.method}", f"{one.source}. {protocol_text(one.protocol)}") for one in evaluations]
    versions = f"confgen {confgen_version()}, RDKit {rdkit.__version__}, numpy {np.__version__}, "
    facts += [
        ("Versions", f"{versions}Python {platform.python_version()}; 3D view by {VIEWER}"),
        ("System", f"{platform.system()} {platform.machine()}"),
        ("Made", f"{made:%Y-%m-%d %H:%M} {made.tzname() or ''}"),
    ]
    if command:
        facts.insert(0, ("Command", command))
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    licence = escape(_asset("3Dmol-LICENSE.txt"))
    return (
        f'<dl>{items}</dl><p class="note">RMSDs are of heavy atoms, the smallest over rotations and the symmetries of '
        "the graph, mirror images not allowed. This page holds all it needs: it loads nothing and sends nothing.</p>"
        f"<details><summary>Licence of 3Dmol.js, which is part of this page</summary><pre>{licence}</pre></details>"
    )


def _policy(style: str, *scripts: str) -> str:
    """Content-Security-Policy that lets the page's own style and scripts run, by their hash, and nothing be loaded."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (files("confgen.report") / name).read_text(encoding="utf-8")
