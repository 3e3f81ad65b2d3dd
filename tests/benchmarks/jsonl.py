"""Records of a run as JSON lines, each written when it is made, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, TypeVar

from confgen.errors import CannotStart, InputError

Record = TypeVar("Record")


def refuse_existing(path: Path | None, resume: bool) -> None:
    """Raises CannotStart if there are records that the run is not to go on with, or no file to go on with."""
    if path is None and resume:
        raise CannotStart("--resume needs the --json file of the earlier run")
    if path is not None and path.exists() and not resume:
        raise CannotStart(f"{path}: exists; pass --resume to go on with it, or choose another name")


def read(path: Path | None, kind: type[Record]) -> list[Record]:
    """The records of an earlier run, none without a file; what a kill left of a last line is cut off the file."""
    text = path.read_text(encoding="utf-8") if path is not None and path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if path is not None and whole != text:
        path.write_text(whole, encoding="utf-8")
    return _parsed(whole, kind)


def kept(path: Path, kind: type[Record]) -> list[Record]:
    """The records of a run that is only looked at and may still go on: the file is left alone. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
        return _parsed(text[: text.rfind("\n") + 1], kind)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: no records can be read ({error}); give the file that table.py wrote") from error


def _parsed(text: str, kind: type[Record]) -> list[Record]:
    return [kind(**json.loads(line)) for line in text.splitlines()]


def opened(path: Path | None) -> IO[str]:
    """The file to add records to; one that forgets them if there is none."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    return (path or Path(os.devnull)).open("a", encoding="utf-8")


def add(log: IO[str], record: Any) -> None:
    """Writes the record, a dataclass, so that it is there whatever happens next."""
    log.write(json.dumps(asdict(record)) + "\n")
    log.flush()
