"""What the arguments of `confgen evaluate` stand for: methods with their labels, and a protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from confgen.errors import CannotStart
from confgen.scores import PROTOCOLS, Protocol

GENERATED = "confgen"  # label of what is generated on the spot


def methods_of(paths: Sequence[str], *, generate: bool) -> tuple[list[tuple[str, str]], str]:
    """Label and path of every generated file, and the path of the reference, which comes last.

    Raises: CannotStart if nothing is generated, or two methods have one label.
    """
    *generated, reference = paths
    if not generated and not generate:
        raise CannotStart("name the generated ensembles and, last, the reference; or pass --generate to make them now")
    given = [_labelled(text) for text in generated]
    short = Counter(label or _stem(path) for label, path in given)
    labels = [label or (_stem(path) if short[_stem(path)] == 1 else path) for label, path in given]
    for label, times in Counter([*labels, GENERATED] if generate else labels).items():
        if times > 1:
            raise CannotStart(f"{label}: two methods have this name; give them others with LABEL=FILE")
    return list(zip(labels, (path for _, path in given), strict=True)), reference


def protocol_of(name: str, thresholds: Sequence[float], per_reference: int | None) -> Protocol:
    """The protocol of that name, with the thresholds given, of which the first is the main one, and 0 for all."""
    protocol = PROTOCOLS[name]
    if thresholds:
        protocol = replace(protocol, thresholds=tuple(sorted(set(thresholds))), main=thresholds[0])
    if per_reference is not None:
        protocol = replace(protocol, per_reference=per_reference or None)
    return protocol


def _labelled(text: str) -> tuple[str, str]:
    """Label ("" if none is given) and path of LABEL=FILE; a file whose own name has a = in it is meant as it is."""
    label, sign, path = text.partition("=")
    return ("", text) if not sign or not label or "/" in label or Path(text).exists() else (label, path)


def _stem(path: str) -> str:
    name = Path(path).name.removesuffix(".gz")
    return name.rpartition(".")[0] or name or path
