"""The folder of a library: ensembles of many molecules in shards, so that a run can stop and go on at any time.

    plan.json            what decides what is written; runs with another plan keep out
    shard-00001.sdf.gz   ensembles of the first molecules of the input, of the next and so on
    shard-00001.report.jsonl, shard-00001.failed.smi
    shard-00001.json     counts of the shard; written last, so that a shard that has them is finished
    summary.json, failed.smi   of all shards, once all are finished

Several runs may work on one folder, on as many machines: each has a part of the shards, and any of them sums up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confgen.errors import CannotStart, OutputError
from confgen.outfile import OutputFile
from confgen.unfinished import difference

PLAN, SUMMARY, FAILED = "plan.json", "summary.json", "failed.smi"
COUNTS = ("molecules", "failed", "conformers", "etkdg", "invalid")


@dataclass(frozen=True)
class Part:
    """The shards of one run among `of` runs: every `of`-th, from number `number` on, both from 1.

    Raises: CannotStart for a part that there is not.
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise CannotStart(f"part {self.number}/{self.of} is none; give 1/{self.of} to {self.of}/{self.of}")

    def has(self, shard: int) -> bool:
        """Whether a shard, numbered from 1, is one of its own."""
        return shard % self.of == self.number % self.of


class Library:
    """The folder, and what is finished in it.

    plan:   of JSON values.     ending: of the shards' names, `.sdf.gz` say.
    Raises: OutputError, from every method, if the folder cannot be written to or read from.
    """

    def __init__(self, folder: str, plan: Mapping[str, Any], ending: str) -> None:
        self.folder = Path(folder)
        self._plan = json.loads(json.dumps(plan))
        self._ending = ending

    def begin(self, *, go_on: bool) -> None:
        """Makes the folder with its plan, or finds it with the same one; OutputError if it has another, or none.

        go_on: there may be shards in it.
        """
        plan = self.folder / PLAN
        with _errors(self.folder):
            if not plan.exists() and self.folder.exists() and any(self.folder.iterdir()):
                raise OutputError(f"{self.folder}: has other files in it; name a new folder")
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._is_first(plan):
                return
            if not go_on and any(self.folder.glob("shard-*")):
                raise OutputError(f"{self.folder}: is there already; pass --resume to go on, or name a new folder")
            changed = difference(_read(plan), self._plan)
        if changed is not None:
            raise OutputError(f"{self.folder}: was begun otherwise ({changed}); give the same command, or a new folder")

    def _is_first(self, plan: Path) -> bool:
        """Writes the plan, whole, unless there is one: of runs that begin at once only one does."""
        temporary = self.folder / f".confgen-{secrets.token_hex(6)}.part"
        temporary.write_text(json.dumps(self._plan, indent=1, ensure_ascii=False) + "\n")
        try:
            os.link(temporary, plan)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def path(self, shard: int, ending: str | None = None) -> str:
        """The file of a shard, numbered from 1, with an ending: by default that of its ensembles."""
        return str(self.folder / f"shard-{shard:05d}{self._ending if ending is None else ending}")

    def is_finished(self, shard: int) -> bool:
        with _errors(self.folder):
            return Path(self.path(shard, ".json")).exists()

    def finish(self, shard: int, counts: Mapping[str, int | float]) -> None:
        """Writes down that all files of a shard are there; counts: of COUNTS, and what else is to be kept."""
        _write(self.path(shard, ".json"), json.dumps(dict(counts)).encode() + b"\n")

    def counts(self, shard: int) -> dict[str, int]:
        """Those of COUNTS of a finished shard."""
        found = _read(Path(self.path(shard, ".json")))
        return {name: int(found.get(name, 0)) for name in COUNTS}

    def sum_up(self, shards: int) -> dict[str, int] | None:
        """The counts of all shards, `shards` in number, and the lists of failed molecules in one; None if some are
        not finished."""
        if not all(self.is_finished(number) for number in range(1, shards + 1)):
            return None
        total = dict.fromkeys(COUNTS, 0)
        for number in range(1, shards + 1):
            for name, count in self.counts(number).items():
                total[name] += count
        _write(str(self.folder / SUMMARY), json.dumps({"shards": shards, **total}, indent=1).encode() + b"\n")
        lists = [path for number in range(1, shards + 1) if (path := Path(self.path(number, ".failed.smi"))).exists()]
        if lists:
            with _errors(self.folder):
                first, *others = [path.read_bytes() for path in lists]
                _write(str(self.folder / FAILED), first + b"".join(text.partition(b"\n")[2] for text in others))
        return total


def identity(inputs: Sequence[str]) -> list[dict[str, Any]]:
    """What tells whether inputs are the same as before: their names, and size and hash of those that are files."""
    found = []
    for source in inputs:
        path = Path(source)
        about: dict[str, Any] = {"input": source}
        with contextlib.suppress(OSError, ValueError):  # a SMILES
            if path.is_file():
                with path.open("rb") as file:
                    about |= {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        found.append(about)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OutputError(f"{path}: is damaged; remove it and what begins like it, or name a new folder")
    return found


def _write(path: str, data: bytes) -> None:
    output = OutputFile(path, compress=False, force=True)
    try:
        output.open()
        output.write(data)
        output.commit()
    finally:
        output.discard()


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or os.strerror(error.errno or 0)).lower()
        raise OutputError(f"{folder}: {reason}; choose another place") from error
