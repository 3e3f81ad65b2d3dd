"""Text of molecule files and of standard input: decompressed, as a stream, whatever its encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from confgen.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
READ_ERRORS = (OSError, EOFError, zlib.error)


def open_text(source: str) -> io.TextIOWrapper:
    """The text of a file or of standard input (`-`), decompressed if it is gzip; nothing is consumed yet.

    Raises: InputError if it cannot be opened, is no gzip though its name says so, or is binary.
    """
    try:
        binary = _open_binary(source)
        start = binary.peek(1)
    except READ_ERRORS as error:
        raise InputError(f"{source}: cannot be read ({cause(error)}); check the file") from None
    is_gzip = isinstance(binary, gzip.GzipFile)
    if start and not is_gzip and source.lower().endswith(".gz"):
        binary.close()
        raise InputError(f"{source}: is not gzip-compressed; drop .gz from its name")
    if b"\0" in start:
        binary.close()
        raise InputError(f"{source}: is binary or UTF-16, not a molecule file in UTF-8 text; convert it")
    return io.TextIOWrapper(cast(BinaryIO, binary), encoding="utf-8-sig", errors="confgen-windows")


def _open_binary(source: str) -> io.BufferedReader | gzip.GzipFile:
    if source == "-":
        raw = sys.stdin.buffer
        stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
        return gzip.GzipFile(fileobj=stream) if stream.peek(2).startswith(GZIP_MAGIC) else stream
    stream = Path(source).open("rb")  # noqa: SIM115 (the caller closes it)
    if not stream.peek(2).startswith(GZIP_MAGIC):
        return stream
    stream.close()
    return gzip.GzipFile(source)


def cause(error: Exception) -> str:
    """Why something could not be read, in a few words for the end of a message."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes as Windows-1252 has them, whose five gaps are filled from Latin-1."""
    assert isinstance(error, UnicodeDecodeError)
    broken = error.object[error.start : error.end]
    text = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in broken)
    return text, error.end


# Files are UTF-8, but names in old ones may be Windows-1252, which has all of Latin-1 that is printed: such bytes are
# taken as that rather than refused.
codecs.register_error("confgen-windows", _as_windows)
