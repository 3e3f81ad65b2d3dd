"""What was not matched, in words: why a reference has no partner, and why nothing was made of a generated molecule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confgen.matching import Identity, Matching

STRANGER = "no reference is matched with it"
ONE_TITLE = "give the conformers of one molecule one title, one after the other"


@dataclass(frozen=True)
class Sides:
    """Who is who in both files, who was paired with whom in which mode, and why generated ones could not be read."""

    made: Sequence[Identity]
    references: Sequence[Identity]
    matching: Matching
    mode: str
    errors: Sequence[str]


def absence(sides: Sides, number: int) -> str:
    """Why a reference has no partner; "" if it has one."""
    if sides.matching.partners[number] is not None:
        return ""
    wanted = sides.references[number]
    left_over = [(other, sides.made[other]) for other in sides.matching.left_over]
    for other, own in left_over:
        if _of_one_name(own, wanted, sides.mode):
            if sides.errors[other]:
                return sides.errors[other]
            return f"{own.label} is another molecule: {own.stereo}, not {wanted.stereo}"
    start = f"not among the generated molecules (matched by {sides.mode})"
    for reference, partner in enumerate(sides.matching.partners):
        if partner is not None and _alike(sides.made[partner], wanted, sides.mode):
            taken = f"{sides.made[partner].label} is paired with {sides.references[reference].label}"
            return f"{start}: {taken} already; {ONE_TITLE}"
    alike = [own for _, own in left_over if wanted.flat and own.flat == wanted.flat]
    # One that is the same in stereochemistry too is a better reason than one that is not.
    best = min(alike, key=lambda own: own.stereo != wanted.stereo, default=None)
    return start if best is None else f"{start}; {best.label} {_difference(best, wanted)}"


def left_over(sides: Sides, number: int) -> str:
    """Why a generated molecule is paired with no reference."""
    if sides.errors[number]:
        return sides.errors[number]
    own = sides.made[number]
    start = f"{own.label}: {STRANGER} ({own.stereo})"
    paired = list(zip(sides.references, sides.matching.partners, strict=True))
    for reference, partner in paired:
        if partner is None and _of_one_name(own, reference, sides.mode):
            return f"{own.label} is another molecule than {reference.label}: {own.stereo}, not {reference.stereo}"
    for reference, partner in paired:
        if partner is not None and _alike(own, reference, sides.mode):
            return f"{start}: {reference.label} is paired with {sides.made[partner].label} already; {ONE_TITLE}"
    alike = [reference for reference, partner in paired if partner is None and own.flat and reference.flat == own.flat]
    best = min(alike, key=lambda reference: own.stereo != reference.stereo, default=None)
    return start if best is None else f"{start}; {best.label} {_difference(best, own)}"


def _of_one_name(own: Identity, reference: Identity, mode: str) -> bool:
    """Whether the two should be the same, by their names, where these count."""
    return bool(own.name) and own.name == reference.name and mode in ("name", "auto")


def _alike(own: Identity, reference: Identity, mode: str) -> bool:
    """Whether the two would have been paired, had neither been taken."""
    if mode == "flat":
        return bool(own.flat) and own.flat == reference.flat
    if own.name and own.name == reference.name and own.flat and own.flat == reference.flat and mode != "stereo":
        return True
    return bool(own.stereo) and own.stereo == reference.stereo and mode != "name"


def _difference(one: Identity, other: Identity) -> str:
    """What keeps two molecules of one graph apart, and the mode that does not mind."""
    if one.stereo == other.stereo:
        return "has another name, --match stereo compares them"
    return "differs in stereochemistry, --match flat compares them"
