"""Promises of `confgen.crew`: every job has its answer, in order, or is lost alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from confgen.crew import Lost, shared_out
from confgen.errors import CannotStart


def doing(refused: bool = False) -> Callable[[str], str]:
    """What a worker does with a word."""
    if refused:
        raise CannotStart("no work today")

    def work(word: str) -> str:
        if word == "hang":
            time.sleep(60)
        if word == "stop":
            os._exit(7)
        if word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return word.upper()

    return work


def test_what_hangs_stops_or_dies_is_lost_alone() -> None:
    words = ["first", "hang", None, "stop", "die", "last"]
    answers = list(shared_out(enumerate(words), doing, workers=2, limit_s=0.3))
    assert answers == [(0, "FIRST"), (1, Lost(None)), (2, None), (3, Lost(7)), (4, Lost(-9)), (5, "LAST")]


def test_a_worker_that_cannot_begin_ends_the_run() -> None:
    with pytest.raises(CannotStart, match="no work today"):
        list(shared_out([(0, "word")], partial(doing, refused=True), workers=1))


BLOCKED = """
import signal
from confgen.crew import shared_out

def begin():
    return str.upper

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    assert list(shared_out([("a", "a")], begin, 1)) == [("a", "A")]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= {signal.SIGINT, signal.SIGTERM}
"""


def test_signals_that_are_blocked_stay_so(tmp_path: Path) -> None:
    script = tmp_path / "blocked.py"
    script.write_text(BLOCKED)  # on its own: what unblocks them comes with the first process of a program
    subprocess.run([sys.executable, script], check=True)


def test_work_can_be_shared_out_by_any_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: list(shared_out([("a", "a")], doing, 1))).result() == [("a", "A")]
