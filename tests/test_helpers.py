"""Promises of `confgen.helpers`: the same answers whoever works them out, and an end whatever happens to a helper."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from confgen import helpers
from confgen.helpers import shared

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no helpers on Windows")

MANY = 24
SLOW_S = 0.1


@pytest.fixture(autouse=True)
def own_helpers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three cores, and helpers of this test's own."""
    monkeypatch.setattr(helpers, "thread_count", lambda: 3)
    team().end()
    yield
    team().end()


def team() -> helpers._Team:
    return helpers._team(os.getpid())


def slow(item: int) -> tuple[int, int]:
    """The item and who has it."""
    time.sleep(SLOW_S)
    return item, os.getpid()


def ended_by(number: int, parent: int, item: int) -> int:
    """The item; a helper gets a signal instead."""
    if os.getpid() != parent:
        os.kill(os.getpid(), number)
    time.sleep(SLOW_S)
    return item


def refused(item: int) -> int:
    if item == MANY - 1:
        raise LookupError(f"no {item}")
    return item


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").exists() and " Z " in Path(f"/proc/{process}/stat").read_text()


def wait_until_gone(process: int) -> bool:
    deadline = time.monotonic() + 10
    while not is_gone(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_gone(process)


def test_all_take_part_and_answers_come_in_order() -> None:
    done = shared(slow, range(2 * MANY))
    assert [item for item, _ in done] == list(range(2 * MANY))
    assert {who for _, who in done} == {os.getpid(), *(helper.process.pid for helper in team().helpers)}
    assert len(team().helpers) == 2


def test_helpers_stay_for_the_next_call() -> None:
    shared(slow, range(MANY))
    before = [helper.process.pid for helper in team().helpers]
    assert shared(abs, [-1, 2, -3]) == [1, 2, 3]
    assert [helper.process.pid for helper in team().helpers] == before


def test_no_more_are_started_than_asked_for() -> None:
    shared(slow, range(4), most=1)
    assert len(team().helpers) == 1
    shared(slow, range(4), most=0)
    shared(slow, [1])
    assert len(team().helpers) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_what_a_helper_does_not_answer_is_done_here(number: signal.Signals) -> None:
    began = time.monotonic()
    assert shared(partial(ended_by, number, os.getpid()), range(MANY)) == list(range(MANY))
    assert shared(abs, range(-MANY, 0)) == list(range(MANY, 0, -1))  # and those that were stopped are asked no more
    assert time.monotonic() - began < MANY * SLOW_S + 15


def test_what_the_work_raises_is_raised_here() -> None:
    shared(slow, range(MANY))
    with pytest.raises(LookupError, match=f"no {MANY - 1}"):
        shared(refused, range(MANY))
    assert shared(abs, [-1, -2]) == [1, 2]


def test_who_cannot_have_helpers_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(subprocess, "Popen", none)
    assert {who for _, who in shared(slow, range(4))} == {os.getpid()}


def test_a_second_thread_does_without() -> None:
    with team().free:
        assert {who for _, who in shared(slow, range(4))} == {os.getpid()}
    assert not team().helpers


def test_a_key_for_the_parent_does_not_reach_them() -> None:
    shared(slow, range(MANY))
    assert all(os.getsid(helper.process.pid) != os.getsid(0) for helper in team().helpers)


SCRIPT = """
import os, sys, time
from confgen import helpers
helpers.thread_count = lambda: 2
print("begun", flush=True)
helpers.shared(time.sleep, [0.1] * 12)
print(*[helper.process.pid for helper in helpers._team(os.getpid()).helpers], flush=True)
if sys.argv[1:]:
    time.sleep(60)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that has helpers, and does not guard its main part."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_without_a_guard_runs_once_and_leaves_nobody(script: Path) -> None:
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    begun, helper = run.stdout.splitlines()
    assert (begun, run.stderr) == ("begun", "")
    assert wait_until_gone(int(helper))


def test_helpers_end_with_a_parent_that_is_killed(script: Path) -> None:
    with subprocess.Popen([sys.executable, script, "wait"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        helper = int(parent.stdout.readline())
        assert not is_gone(helper)
        parent.kill()
    assert wait_until_gone(helper)
