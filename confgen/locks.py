"""Files in use: a lock that tells other processes, and ends with the one that holds it, however that ends."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows; there nothing keeps two runs apart
    fcntl = None  # type: ignore[assignment]


def lock(file: IO[Any]) -> bool | None:
    """Locks an open file until it is closed: whether that could be done, or None where there are no such locks."""
    locked: bool | None = None
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            locked = False
        except OSError:  # on some network drives
            pass
    return locked


def is_abandoned(path: Path) -> bool:
    """Whether a file that is locked while it is written to has been left; not where there are no such locks."""
    with path.open("r+b") as file:
        return lock(file) is True
