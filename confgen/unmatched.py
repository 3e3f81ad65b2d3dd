"""What was not matched, in words: why a reference has no partner, and why nothing was made of a generated molecule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def made_alone(self) -> _First:
        """Generated molecules without a partner."""
        return _First((number, self.made[number]) for number in self.matching.left_over)

    @cached_property
    def references_alone(self) -> _First:
        """References without a partner."""
        partners = enumerate(self.matching.partners)
        return _First((number, self.references[number]) for number, partner in partners if partner is None)

    @cached_property
    def made_paired(self) -> _First:
        """Generated molecules with a partner, by the number of that."""
        partners = enumerate(self.matching.partners)
        return _First((number, self.made[partner]) for number, partner in partners if partner is not None)

    @cached_property
    def references_paired(self) -> _First:
        """References with a partner."""
        partners = enumerate(self.matching.partners)
        return _First((number, self.references[number]) for number, partner in partners if partner is not None)

    def pair(self, number: int) -> tuple[Identity, Identity]:
        """The generated molecule that a reference is paired with, and that reference."""
        partner = self.matching.partners[number]
        assert partner is not None
        return self.made[partner], self.references[number]


class _First:
    """The first of some molecules by each of the keys that one may be looked for."""

    def __init__(self, molecules: Iterable[tuple[int, Identity]]) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        for number, own in molecules:
            for parts in (("name",), ("flat",), ("stereo",), ("name", "flat"), ("flat", "stereo")):
                self._numbers.setdefault(_key(own, parts), number)

    def same(self, own: Identity, *parts: str) -> int | None:
        """The first that is the same as another in these parts, none of which may be empty."""
        return self._numbers.get(_key(own, parts)) if all(getattr(own, part) for part in parts) else None

    def of_one_name(self, own: Identity, mode: str) -> int | None:
        """The first that should be the same as another, by their names, where these count."""
        return self.same(own, "name") if mode in ("name", "auto") else None

    def alike(self, own: Identity, mode: str) -> int | None:
        """The first that would have been paired with another, had neither been taken."""
        if mode == "flat":
            return self.same(own, "flat")
        by_name = self.same(own, "name", "flat") if mode != "stereo" else None
        by_stereo = self.same(own, "stereo") if mode != "name" else None
        return min((number for number in (by_name, by_stereo) if number is not None), default=None)

    def of_one_graph(self, own: Identity) -> int | None:
        """The first of the same graph, and of the same stereochemistry if there is one: a better reason."""
        found = self.same(own, "flat", "stereo")
        return self.same(own, "flat") if found is None else found


def _key(own: Identity, parts: Sequence[str]) -> tuple[str, ...]:
    return (*parts, *(getattr(own, part) for part in parts))


def absence(sides: Sides, number: int) -> str:
    """Why a reference has no partner; "" if it has one."""
    if sides.matching.partners[number] is not None:
        return ""
    wanted = sides.references[number]
    other = sides.made_alone.of_one_name(wanted, sides.mode)
    if other is not None:
        own = sides.made[other]
        return sides.errors[other] or f"{own.label} is another molecule: {own.stereo}, not {wanted.stereo}"
    start = f"not among the generated molecules (matched by {sides.mode})"
    rival = sides.made_paired.alike(wanted, sides.mode)
    if rival is not None:
        made, reference = sides.pair(rival)
        return f"{start}: {made.label} is paired with {reference.label} already; {ONE_TITLE}"
    best = sides.made_alone.of_one_graph(wanted)
    return start if best is None else f"{start}; {sides.made[best].label} {_difference(sides.made[best], wanted)}"


def left_over(sides: Sides, number: int) -> str:
    """Why a generated molecule is paired with no reference."""
    if sides.errors[number]:
        return sides.errors[number]
    own = sides.made[number]
    start = f"{own.label}: {STRANGER} ({own.stereo})"
    other = sides.references_alone.of_one_name(own, sides.mode)
    if other is not None:
        wanted = sides.references[other]
        return f"{own.label} is another molecule than {wanted.label}: {own.stereo}, not {wanted.stereo}"
    rival = sides.references_paired.alike(own, sides.mode)
    if rival is not None:
        made, reference = sides.pair(rival)
        return f"{start}: {reference.label} is paired with {made.label} already; {ONE_TITLE}"
    best = sides.references_alone.of_one_graph(own)
    if best is None:
        return start
    return f"{start}; {sides.references[best].label} {_difference(sides.references[best], own)}"


def _difference(one: Identity, other: Identity) -> str:
    """What keeps two molecules of one graph apart, and the mode that does not mind."""
    if one.stereo == other.stereo:
        return "has another name, --match stereo compares them"
    return "differs in stereochemistry, --match flat compares them"
