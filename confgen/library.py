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
import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confgen.errors import CannotStart, OutputError
from confgen.locks import is_abandoned
from confgen.outfile import OutputFile
from confgen.unfinished import difference

PLAN, SUMMARY, FAILED = "plan.json", "summary.json", "failed.smi"
BESIDE = (".failed.smi", ".report.jsonl")  # endings of the other files of a shard
ABANDONED_S = 60.0  # younger files may be of a run that is about to lock them
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # on drives without hard links
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
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [path for path in self.folder.iterdir() if path.name != PLAN and not _is_temporary(path)]
            if others and not plan.exists():
                raise OutputError(f"{self.folder}: has other files in it; name a new folder")
            if self._is_first(plan):
                return
            for path in filter(_is_temporary, self.folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):  # another run is done with it
                    if time.time() - path.stat().st_mtime > ABANDONED_S and is_abandoned(path):
                        path.unlink()
            if not go_on and any(self.folder.glob("shard-*")):
                raise OutputError(f"{self.folder}: is there already; pass --resume to go on, or name a new folder")
            changed = difference(_read(plan), self._plan)
        if changed is not None:
            raise OutputError(f"{self.folder}: was begun otherwise ({changed}); give the same command, or a new folder")

    def _is_first(self, plan: Path) -> bool:
        """Writes the plan, whole, unless there is one: of runs that begin at once only one does."""
        temporary = self.folder / f".confgen-{secrets.token_hex(6)}.part"
        text = json.dumps(self._plan, indent=1) + "\n"
        try:
            temporary.write_text(text)
            try:
                os.link(temporary, plan)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                with plan.open("x") as file:
                    file.write(text)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def path(self, shard: int, ending: str | None = None) -> str:
        """The file of a shard, numbered from 1, with an ending: by default that of its ensembles."""
        return str(self.folder / f"shard-{shard:05d}{self._ending if ending is None else ending}")

    def is_finished(self, shard: int) -> bool:
        """Whether all files of a shard are there."""
        with _errors(self.folder):
            if not Path(self.path(shard, ".json")).exists():
                return False
            return self.counts(shard)["conformers"] == 0 or Path(self.path(shard)).exists()

    def clear(self, shard: int) -> None:
        """Removes what an earlier run has left of a shard that it did not finish."""
        with _errors(self.folder):
            for ending in (".json", None, *BESIDE):
                Path(self.path(shard, ending)).unlink(missing_ok=True)

    def finish(self, shard: int, counts: Mapping[str, int | float]) -> None:
        """Writes down that all files of a shard are there; counts: of COUNTS, and what else is to be kept."""
        _write(self.path(shard, ".json"), json.dumps(dict(counts)).encode() + b"\n")

    def counts(self, shard: int) -> dict[str, int]:
        """Those of COUNTS of a finished shard."""
        with _errors(self.folder):
            found = _read(Path(self.path(shard, ".json")))
        return {name: int(found.get(name, 0)) for name in COUNTS}

    def together(self, shards: Iterable[int]) -> dict[str, int]:
        """The sums of the counts of those of the shards that are finished."""
        found = [self.counts(number) for number in shards if self.is_finished(number)]
        return {name: sum(counts[name] for counts in found) for name in COUNTS}

    def sum_up(self, shards: int) -> dict[str, int] | None:
        """The counts of all shards, `shards` in number, and the lists of failed molecules in one; None if some are
        not finished."""
        every = range(1, shards + 1)
        if not all(self.is_finished(number) for number in every):
            return None
        total = self.together(every)
        _write(str(self.folder / SUMMARY), json.dumps({"shards": shards, **total}, indent=1).encode() + b"\n")
        lists = [path for number in every if (path := Path(self.path(number, ".failed.smi"))).exists()]
        with _errors(self.folder):
            if not lists:
                (self.folder / FAILED).unlink(missing_ok=True)
            else:
                first, *others = [path.read_bytes() for path in lists]
                _write(str(self.folder / FAILED), first + b"".join(text.partition(b"\n")[2] for text in others))
        return total


def identity(inputs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What tells whether inputs are the same as before, wherever they lie: names in their order, and size and hash of
    those that are files."""
    found: dict[str, dict[str, Any]] = {}
    for number, source in enumerate(inputs, start=1):
        path = Path(source)
        about: dict[str, Any] = {"name": source}
        with contextlib.suppress(OSError, ValueError):  # a SMILES
            if path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    about = {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
        found[f"input {number}"] = about
    return found


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".confgen-")


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
