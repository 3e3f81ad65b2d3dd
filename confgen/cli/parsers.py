"""Values of options that several commands take."""

from __future__ import annotations

import typer


def whole_number(text: str | int) -> int:
    """A whole number from 1 on."""
    if not str(text).isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is not a whole number from 1 on")
    return int(text)


def whole_seed(text: str | int) -> int:
    """A whole number from 0 to 2^63 - 1."""
    if not str(text).isdecimal() or int(text) >= 2**63:
        raise typer.BadParameter(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)
