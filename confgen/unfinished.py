"""What a long run has done so far, in a file beside its output, so that it can be gone on with after any kind of end.

One line of JSON for each entry, on the disk before the next is begun; a line cut short by the end is done again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from confgen.complaints import short
from confgen.errors import OutputError
from confgen.locks import lock


class Unfinished:
    """The file `<output>.part`: a header, which is the plan of the run, and entries that are added one by one.

    plan:    what decides what will be written; a run with another plan cannot go on with the file.
    resume:  go on with it if it is there.     force: begin anew if it is there.
    Raises:  OutputError, when entered, if it is there and neither is given, has another plan, is damaged, in use, or
             cannot be written.
    """

    def __init__(self, output: str, plan: Mapping[str, Any], *, resume: bool = False, force: bool = False) -> None:
        self.path = Path(f"{output}.part")
        self._plan = json.loads(json.dumps(plan))
        self._resume, self._force = resume, force
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Unfinished:
        with self._errors():
            known = self.path.exists()
            if known and not (self._resume or self._force):
                raise OutputError(
                    f"{self.path}: a run was not finished; pass --resume to go on with it, --force to begin anew"
                )
            self._file = self.path.open("r+b" if known else "xb+")
            try:
                if lock(self._file) is False:
                    raise OutputError(f"{self.path}: another run is writing it; wait for that to end")
                if not (known and self._resume and self._taken_up()):
                    self._file.truncate(0)
                    self._file.seek(0)
                    self._append(self._plan)
            except BaseException:
                self._file.close()
                raise
        return self

    def add(self, entry: Mapping[str, Any]) -> None:
        """Writes an entry down; it is on the disk when this returns."""
        with self._errors():
            self._append(entry)

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries so far, those of earlier runs first."""
        with self._errors(), self.path.open("rb") as file:
            next(file)
            yield from map(self._parsed, file)

    def remove(self) -> None:
        """Ends with no file left, as the output has everything now."""
        with self._errors():
            self.path.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _taken_up(self) -> bool:
        """Whether there is a run to go on with; what follows its last whole line is cut off."""
        assert self._file is not None
        header, end = self._file.readline(), 0
        for line in itertools.chain([header], self._file):
            end += len(line) if line.endswith(b"\n") else 0
        if end == 0:
            return False
        if (changed := difference(self._parsed(header), self._plan)) is not None:
            raise OutputError(
                f"{self.path}: was begun otherwise ({changed}); give the same command, or --force to begin anew"
            )
        self._file.truncate(end)
        self._file.seek(end)
        return True

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise OutputError(f"{self.path}: is damaged, or another program's; pass --force to begin anew")
        return found

    def _append(self, entry: Mapping[str, Any]) -> None:
        assert self._file is not None, "enter it first"
        self._file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{self.path}: {reason}; choose another place") from error


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first thing in which two plans differ, in words."""
    for key in [*now, *(key for key in before if key not in now)]:
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return difference(old, new)
        if old != new:
            return f"{key} was {short(json.dumps(old))}, is {short(json.dumps(new))}"
    return None
