"""What `confgen evaluate` says of molecules that have no scores, or only doubtful ones."""

from __future__ import annotations

from collections.abc import Sequence

from confgen.cli.console import NOTHING_DONE, say
from confgen.conformer_sets import ConformerSet
from confgen.errors import ConfgenError
from confgen.scores import Evaluation, MoleculeScores
from confgen.unmatched import STRANGER

LINES = 5  # of each kind; the rest is counted


class NothingScored(ConfgenError):
    """There is not one molecule that could be compared."""

    exit_code = NOTHING_DONE


def refuse_empty(reference: Sequence[ConformerSet], path: str) -> None:
    """Raises NothingScored if no molecule of the reference has conformers."""
    if not any(one.mol is not None and one.mol.GetNumConformers() for one in reference):
        errors = [str(one.error) for one in reference if one.error is not None]
        raise NothingScored(_and_more(errors) or f"{path}: no molecule in it has conformers; nothing can be compared")


def refuse_nothing(evaluations: Sequence[Evaluation], reference: str) -> None:
    """Raises NothingScored, with the reason, if no method has a molecule with scores. reference: its file."""
    if any(scores.num_references and not scores.failed for e in evaluations for scores in e.molecules):
        return
    first = evaluations[0]
    # That one file has a molecule which the other has not is the least that can be said of two.
    reasons = sorted(first.unmatched, key=lambda line: STRANGER in line)
    reasons = reasons or [scores.error for scores in first.molecules if scores.error]
    sources = ", ".join(evaluation.source for evaluation in evaluations)
    raise NothingScored(f"{sources}: no molecule in it can be compared with {reference}: {_and_more(reasons)}")


def remark(evaluations: Sequence[Evaluation], limit: int | None, *, quiet: bool) -> None:
    """One line on each, up to LINES of a kind. quiet: on failures only. limit: how many references were looked at."""
    unreadable = [scores.error for scores in evaluations[0].molecules if not scores.num_references]
    say_some(unreadable, "left out of the reference")
    for evaluation in evaluations:
        method = evaluation.method
        failed = [f"{method}: {_failure(scores)}" for scores in evaluation.molecules if scores.failed]
        say_some(failed, f"that failed in {method}")
        if not quiet:
            _notes(evaluation, limit)


def _notes(evaluation: Evaluation, limit: int | None) -> None:
    head = f"note: {evaluation.method}: "
    if limit is None:
        say_some([head + line for line in evaluation.unmatched], "without a reference")
    elif evaluation.unmatched:
        count = len(evaluation.unmatched)
        belong = "molecule belongs" if count == 1 else "molecules belong"
        say(f"{head}{count} {belong} to none of the first {limit} references")
    say_some([head + name for name in evaluation.ambiguous], "matches that are not unique")
    say_some([head + note for note in evaluation.notes], "notes")
    bounded = [scores.name or scores.origin for scores in evaluation.molecules if scores.bounded]
    say_some([f"{head}{name}: too many symmetries to try, RMSDs are upper bounds" for name in bounded], "such bounds")


def say_some(lines: Sequence[str], what: str) -> None:
    """The first LINES of them, and how many more there are of what."""
    for line in lines[:LINES]:
        say(line)
    if len(lines) > LINES:
        say(f"... and {len(lines) - LINES} more {what}; --json lists them all")


def _failure(scores: MoleculeScores) -> str:
    """Which molecule failed, and why; an error of its own making says which."""
    reason = scores.error or "no conformer has finite positions"
    return reason if scores.origin and scores.origin in reason else f"{scores.origin} '{scores.name}': {reason}"


def _and_more(lines: Sequence[str]) -> str:
    """The first line, and how many more there are."""
    return "".join(lines[:1]) + (f" (and {len(lines) - 1} more)" if lines[1:] else "")
