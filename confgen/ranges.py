"""What options may be: numbers in their ranges, and words of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from confgen.complaints import short
from confgen.errors import CannotStart


def is_whole(value: object) -> bool:
    """Whether it is a whole number, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether it is a number, of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Range:
    """Of a number that is checked alone: its name for the user, whether a value will do, and what to give."""

    name: str
    holds: Callable[[Any], bool]
    advice: str
    unit: str = ""
    whole: bool = False


def check_numbers(settings: object, ranges: Mapping[str, Range]) -> None:
    """Makes the whole numbers of a new settings object, which may be of NumPy, Python's own.

    ranges: by the names of its fields; one whose default is None may be None.
    Raises CannotStart for a number that is none or is out of its range.
    """
    for field, allowed in ranges.items():
        value = getattr(settings, field)
        if value is None and getattr(type(settings), field) is None:
            continue
        if not ((is_whole if allowed.whole else is_real)(value) and allowed.holds(value)):
            shown = f"{value}{allowed.unit}" if is_real(value) else short(repr(value))
            raise CannotStart(f"{allowed.name} is {shown}; give {allowed.advice}")
        if allowed.whole:
            object.__setattr__(settings, field, int(value))  # they are frozen


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raises CannotStart for an option that is none of the choices."""
    if not (isinstance(value, str) and value in choices):
        raise CannotStart(f"{name} is {short(repr(value))}; choose one of {', '.join(choices)}")
