"""What `confgen evaluate` says of molecules that have no scores, or only doubtful ones."""

from __future__ import annotations

from collections.abc import Sequence

from confgen.cli.console import say
from confgen.errors import ConfgenError
from confgen.scores import Evaluation

LINES = 5  # of each kind; the rest is counted


class NothingScored(ConfgenError):
    """There is not one molecule that could be compared."""

    exit_code = 4


def refuse_nothing(evaluations: Sequence[Evaluation], reference: str) -> None:
    """Raises NothingScored, with the reason, if no method has a molecule with scores. reference: its file."""
    if any(scores.num_references and not scores.failed for e in evaluations for scores in e.molecules):
        return
    first = evaluations[0]
    if not first.comparable:
        raise NothingScored(f"{reference}: nothing to compare with; {_reasons(first)}")
    if first.unmatched and len(evaluations) == 1:
        raise NothingScored(
            f"{first.source}: no molecule in it is one of {reference} (such as {first.unmatched[0]}); "
            "check the files, or match by --match name|stereo|flat"
        )
    raise NothingScored(f"{', '.join(e.source for e in evaluations)}: nothing could be scored; {_reasons(first)}")


def remark(evaluations: Sequence[Evaluation], limit: int | None, *, quiet: bool) -> None:
    """One line on each, up to LINES of a kind. quiet: on failures only. limit: how many references were looked at."""
    unreadable = [scores.error for scores in evaluations[0].molecules if not scores.num_references]
    _listed([f"left out of the reference: {error}" for error in unreadable], "left out of the reference")
    for evaluation in evaluations:
        method = evaluation.method
        failed = [f"{method}: {scores.error}" for scores in evaluation.molecules if scores.failed]
        _listed(failed, f"that failed in {method}")
        if not quiet:
            _notes(evaluation, limit)


def _notes(evaluation: Evaluation, limit: int | None) -> None:
    head = f"note: {evaluation.method}: "
    if limit is None:
        _listed([f"{head}{name} is not in the reference" for name in evaluation.unmatched], "not in the reference")
    elif evaluation.unmatched:
        count = len(evaluation.unmatched)
        belong = "molecule belongs" if count == 1 else "molecules belong"
        say(f"{head}{count} {belong} to none of the first {limit} references")
    _listed([head + name for name in evaluation.ambiguous], "matches that are not unique")
    _listed([head + note for note in evaluation.notes], "notes")
    bounded = [scores.name or scores.origin for scores in evaluation.molecules if scores.bounded]
    _listed([f"{head}{name}: too many symmetries to try, RMSDs are upper bounds" for name in bounded], "such bounds")


def _listed(lines: Sequence[str], what: str) -> None:
    for line in lines[:LINES]:
        say(line)
    if len(lines) > LINES:
        say(f"... and {len(lines) - LINES} more {what}; --json lists them all")


def _reasons(evaluation: Evaluation) -> str:
    errors = [scores.error for scores in evaluation.molecules if scores.error]
    return (errors[0] if errors else "no reason is known") + (f" (and {len(errors) - 1} more)" if errors[1:] else "")
