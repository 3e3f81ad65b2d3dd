"""Libraries that only some users need, imported when they are first used: those of optional extras."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from confgen.errors import CannotStart

INSTALL = "pip install 'confgen-mol[{}]'"


def imported(module: str, need: str, extra: str = "xtb") -> Any:
    """The module of that name. need: how the message begins, "GFN-FF needs gfnff".

    Raises CannotStart if the library is not installed, or cannot be loaded here.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        reason = "is not installed" if missing else f"cannot be loaded ({error.__cause__ or error})"
        raise CannotStart(f"{need}, which {reason}; install it with: {INSTALL.format(extra)}") from None
