"""What a command says on standard error, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

import typer

from confgen.errors import ConfgenError
from confgen.outfile import OutputFile

SOME_FAILED, NOTHING_DONE = 3, 4  # exit codes of a run that could start


class Terminated(BaseException):
    """The system asked the program to end, by the signal of that number."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Forgiving:
    """Standard error that lets a run go on when nobody reads it any more, or its disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_forgiving() -> None:
    """Standard error as `Forgiving`, and standard streams that are closed in use by nothing else.

    The next file that is opened would otherwise take the place of one, and get the messages of libraries.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open()
    sys.stderr = cast(TextIO, Forgiving(sys.stderr or nowhere.open("w")))


def say(text: str) -> None:
    """One line on standard error."""
    typer.echo(" ".join(text.split()), err=True)


def show(text: str) -> None:
    """A line on standard output. OutputError if it cannot be written."""
    output = OutputFile("-")
    output.open()
    output.write(f"{text}\n".encode(errors="replace"))


def counted(number: int, noun: str, plural: str = "s") -> str:
    """The number and the noun, `1 molecule`, `2 molecules`; plural: the ending."""
    return f"{number} {noun}{'' if number == 1 else plural}"


@contextmanager
def exits(interrupted: str) -> Iterator[None]:
    """Ends the command as its errors say: one line and their exit code. What is unexpected passes, as a bug.

    interrupted: what the user should know after Ctrl-C (exit code 130), SIGTERM (143) or SIGHUP (129).
    """
    with _ended_by_signals(), _interrupts_heard():
        try:
            yield
        except ConfgenError as error:
            say(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            say(f"interrupted; {interrupted}")
            raise typer.Exit(128 + signal.SIGINT) from None
        except Terminated as error:
            hung_up = error.signum == getattr(signal, "SIGHUP", None)  # Windows has none
            say(f"{'hung up' if hung_up else 'terminated'}; {interrupted}")
            raise typer.Exit(128 + error.signum) from None


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP as exceptions, so that files are tidied up; one that is ignored (nohup) stays ignored."""

    def end(signum: int, frame: FrameType | None) -> None:
        del frame
        raise Terminated(signum)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    taken = [getattr(signal, name) for name in names if signal.getsignal(getattr(signal, name)) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _interrupts_heard() -> Iterator[None]:
    """Ctrl-C as KeyboardInterrupt, also while RDKit embeds.

    RDKit puts a handler of its own in the place of Python's meanwhile, which cancels the embedding and tells nobody.
    So SIGINT is blocked, in the threads started from here on too; one thread waits for it and knocks on the main one.
    """
    if not hasattr(signal, "sigwait") or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # no such signals here, or Ctrl-C is ignored, as in a background job
        return
    over = threading.Event()

    def listen() -> None:
        signal.sigwait({signal.SIGINT})
        if not over.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        while not over.is_set():  # more of them would only disturb the tidying up
            signal.sigwait({signal.SIGINT})

    knock = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        with suppress(ProcessLookupError):  # it has just ended by itself
            signal.pthread_kill(listener.ident or 0, signal.SIGINT)
        listener.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, knock)
