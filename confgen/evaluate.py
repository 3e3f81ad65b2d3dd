"""Generated ensembles against reference ensembles: coverage, precision, stereochemistry, validity."""

from __future__ import annotations

from collections.abc import Iterable

from confgen.ensembles import ConformerSet
from confgen.scores import PROTOCOLS, Evaluation, Protocol


def evaluate(
    generated: Iterable[ConformerSet],
    reference: Iterable[ConformerSet],
    protocol: Protocol = PROTOCOLS["geomol"],
    *,
    match: str = "auto",
    method: str = "",
    source: str = "",
) -> Evaluation:
    """Scores of every reference molecule; what could not be matched is named in the evaluation."""
    raise NotImplementedError(list(generated), list(reference), protocol, match, method, source)
