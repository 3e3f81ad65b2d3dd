"""Files that appear whole or not at all; every failure is one line."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from confgen.errors import OutputError
from confgen.locks import lock

COMPRESSION_LEVEL = 6  # 9 takes four times as long on SD text and saves 1%


class OutputFile:
    """A file written under a temporary name in the same folder, and renamed when all of it is on the disk.

    Until then it is locked, so that what a killed run has left can be told from it (`locks.is_abandoned`).

    `-` is standard output; that, what is open already (/dev/stdout, /dev/fd/3, a shell's `>(...)`), pipes and devices
    such as /dev/null are written directly, for they cannot be renamed over. A link is followed: the file it points to
    is replaced, not the link. End with `discard`, whatever happened: after `commit` it does nothing.

    compress: with gzip; None for names that end in .gz.
    Raises:  OutputError, from every method, if the file exists (and `force` is off) or cannot be written.
    """

    def __init__(self, path: str, *, compress: bool | None = None, force: bool = False) -> None:
        self.path = path
        self._target = Path(path)
        self._compress = path.lower().endswith(".gz") if compress is None else compress
        self._force = force
        self._temporary: Path | None = None
        self._raw: BinaryIO | None = None
        self._stream: BinaryIO | None = None

    def open(self) -> None:
        """Open it, so that what cannot be written is refused before anything is computed."""
        with self.errors():
            self._raw = self._open()
        self._stream = self._raw
        if self._compress:  # no name and no time in the header: the same content gives the same bytes
            packed = gzip.GzipFile("", "wb", COMPRESSION_LEVEL, fileobj=self._raw, mtime=0)
            self._stream = cast(BinaryIO, packed)

    def write(self, data: bytes) -> None:
        with self.errors():
            self.stream.write(data)
            if self._temporary is None:
                self.stream.flush()  # whoever reads the pipe sees each molecule as it is done

    @property
    def stream(self) -> BinaryIO:
        assert self._stream is not None, "open() comes first"
        return self._stream

    def commit(self) -> None:
        """Put the file in its place."""
        with self.errors():
            self._finish_stream()
            if self._temporary is not None:
                self._publish(self._temporary)

    def discard(self) -> None:
        """Close, and remove what was written under the temporary name, if anything is left of it."""
        for stream in (self._stream, self._raw):  # the compressed stream first: it still writes to the other
            if stream is not None and not self._is_stdout:
                with contextlib.suppress(OSError):  # flushing the rest can fail on the full disk that brought us here
                    stream.close()
        self._stream = self._raw = None
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            self._temporary = None

    @property
    def _is_stdout(self) -> bool:
        return self.path == "-"

    def _open(self) -> BinaryIO:
        if self._is_stdout:
            if sys.stdout is None:  # how Python says that it was begun without one
                raise OutputError("-: standard output is closed; name a file")
            sys.stdout.flush()
            return sys.stdout.buffer
        number = descriptor(self.path)
        if number is not None:
            return os.fdopen(os.dup(number), "wb")  # goes on where it is, and empties nothing
        self._target = Path(os.path.realpath(self._target))
        if self._target.is_symlink():
            raise OutputError(f"{self.path}: is a link that leads back to itself; choose another name")
        if self._target.is_dir():
            raise OutputError(f"{self.path}: is a folder; name a file in it")
        if self._target.exists():
            if not stat.S_ISREG(self._target.stat().st_mode):
                return self._target.open("wb")
            if not self._force:
                raise OutputError(f"{self.path}: exists already; pass --force to replace it")
            if not os.access(self._target, os.W_OK):
                raise OutputError(f"{self.path}: is write-protected; choose another name")
        if not self._target.parent.is_dir():
            raise OutputError(f"{self.path}: the folder {self._target.parent} does not exist; make it first")
        temporary = self._target.with_name(f".confgen-{secrets.token_hex(6)}.part")
        stream = temporary.open("xb")
        self._temporary = temporary
        lock(stream)
        return stream

    def _finish_stream(self) -> None:
        assert self._raw is not None, "open() comes first"
        if self._stream is not self._raw:
            self.stream.close()  # writes the end of the compressed stream, leaves the file open
        self._raw.flush()
        if self._temporary is not None:
            os.fsync(self._raw.fileno())
            self._raw.close()

    def _publish(self, temporary: Path) -> None:
        if self._target.exists() and not self._force:
            self._temporary = None  # finished work is not thrown away
            raise OutputError(f"{self.path}: appeared while confgen was running; the result is in {temporary}")
        temporary.replace(self._target)
        self._temporary = None

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Any failure of the system as an OutputError in one line, and nothing left behind."""
        try:
            yield
        except OSError as error:
            self.discard()
            if error.errno == errno.EPIPE:
                if self._is_stdout:
                    _silence_stdout()
                raise OutputError(f"{self.path}: the program reading the output has ended") from error
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{self.path}: {reason}; choose another place") from error


def descriptor(path: str) -> int | None:
    """The number under which a name says that something is open in this process, None for the name of a file."""
    streams = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
    numbered = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,6})", path)
    return int(numbered[1]) if numbered else streams.get(path)


def _silence_stdout() -> None:
    """Point standard output nowhere, or Python complains once more about the closed pipe as it ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
