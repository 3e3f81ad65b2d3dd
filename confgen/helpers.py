"""Processes that help with the conformers of one molecule, where there are cores for them.

RDKit's force fields let no other thread of Python run beside them, and tblite gains little from threads. Nobody waits
for a helper: what it does not answer is worked out here as well, so one that starts slowly, is stopped or is killed
costs its help and nothing else, and each has a pipe of its own, with no lock that another might keep. They are started
by a command of their own, because multiprocessing would run a user's script again that does not guard its main part.
Windows cannot hand the pipe on to that, so there everyone does without.
"""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from confgen.cores import thread_count

MOST = 31  # helpers
AHEAD = 2  # items that each has, so that it need not wait for the next
IDLE_S = 60.0  # without work, after which a helper ends
PATIENCE_S = 0.5  # for an answer, and twice as long as the slowest item took here: then that is worked out here as well
STUCK_S = 5  # for a pipe to take or give what was begun
COMMAND = "import sys; sys.path[:] = sys.argv[2:]; from confgen.helpers import serve; serve(int(sys.argv[1]))"

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def shared(work: Callable[[Item], Answer], items: Sequence[Item], most: int = MOST) -> list[Answer]:
    """What `work` makes of each of the items, in their order, by this process and by helpers where it has more cores.

    work: can be pickled, as items and answers can; gives the same wherever it runs, and may be called twice for an
          item. What it raises in a helper it raises here.
    most: helpers; by default as many as there are cores beside this.
    """
    most = min(most, MOST, thread_count() - 1, len(items) - 1)
    team = _team(os.getpid())
    if most < 1 or not team.free.acquire(blocking=False):  # another thread has them
        return [work(item) for item in items]
    try:
        return _Call(team, pickle.dumps(work), items, most).answered(work)
    except BaseException:  # half a message may be on its way
        team.end()
        raise
    finally:
        team.free.release()


@dataclass(eq=False)
class _Helper:
    """A process and the pipe to it.

    ready: it has begun to listen.     knows: the call whose work it has been told.
    has:   items that it has not answered, each by the number of its call and its own.
    """

    process: subprocess.Popen[bytes]
    pipe: Connection
    ready: bool = False
    knows: int = 0
    has: deque[tuple[int, int]] = field(default_factory=deque)


class _Team:
    """The helpers of this process, who stay from one call to the next. Whoever calls holds `free`."""

    def __init__(self) -> None:
        self.free = threading.Lock()
        self.helpers: list[_Helper] = []
        self.calls = 0
        self._process = os.getpid()
        atexit.register(self.end)

    def grow(self, size: int) -> None:
        """Starts helpers until there are so many, or no more can be; those that have ended idle make room."""
        for helper in [helper for helper in self.helpers if helper.process.poll() is not None]:
            self.dismiss(helper)
        if os.name == "nt" or getattr(sys, "frozen", False):  # a frozen program is no Python to start
            return
        with suppress(OSError):
            while len(self.helpers) < size:
                self.helpers.append(_start())

    def dismiss(self, helper: _Helper) -> None:
        """Ends a helper, if it has not ended."""
        self.helpers.remove(helper)
        helper.process.kill()
        helper.process.wait()
        helper.pipe.close()

    def end(self) -> None:
        """Ends all; those of another process, from which this one was forked, it leaves alone."""
        while self.helpers and os.getpid() == self._process:
            self.dismiss(self.helpers[-1])


@cache
def _team(_: int) -> _Team:
    """That of the process with this number: one forked off has none of its parent's."""
    return _Team()


class _Call:
    """One call of `shared` under way: what is left to do, and the answers so far by the number of the item."""

    def __init__(self, team: _Team, work: bytes, items: Sequence[Any], most: int) -> None:
        team.calls += 1
        team.grow(most)
        self._team, self._number, self._work, self._items = team, team.calls, work, items
        self._helpers = team.helpers[:most]
        self._left = deque(range(len(items)))
        self._answers: dict[int, Any] = {}

    def answered(self, work: Callable[[Any], Any]) -> list[Any]:
        """The answers of all items, to which this process has done its part."""
        slowest = 0.0
        while True:
            for helper in list(self._helpers):
                self._attend(helper)
            if len(self._answers) == len(self._items):
                return [self._answers[number] for number in range(len(self._items))]
            number = self._next(PATIENCE_S + 2 * slowest)
            if number is not None:
                began = time.monotonic()
                self._answers[number] = work(self._items[number])
                slowest = max(slowest, time.monotonic() - began)

    def _next(self, patience_s: float) -> int | None:
        """The item to do here; None if a helper has spoken instead."""
        if self._left:
            return self._left.popleft()
        out = [self._own(helper) for helper in self._helpers]
        waiting = [number for own in out for number in own[1:]]
        if waiting:
            return waiting[-1]
        if wait([helper.pipe for helper, own in zip(self._helpers, out, strict=True) if own], patience_s):
            return None
        return next(own[0] for own in out if own)

    def _own(self, helper: _Helper) -> list[int]:
        """Items of this call that a helper has and nobody has answered."""
        return [number for call, number in helper.has if call == self._number and number not in self._answers]

    def _attend(self, helper: _Helper) -> None:
        """Takes what a helper has said, and gives it more; if it has died, its items come back."""
        try:
            self._listen(helper)
            self._hand_out(helper)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._left.extend(self._own(helper))
            self._helpers.remove(helper)
            self._team.dismiss(helper)

    def _listen(self, helper: _Helper) -> None:
        while helper.pipe.poll():
            said = helper.pipe.recv()
            helper.ready = True
            if said is not None:
                call, number, answer = said
                helper.has.remove((call, number))
                if call == self._number:
                    self._answers.setdefault(number, answer)

    def _hand_out(self, helper: _Helper) -> None:
        while helper.ready and self._left:
            enough = AHEAD if len(self._left) > len(self._helpers) else 1
            new = helper.knows != self._number
            if len(helper.has) >= (1 if new else enough):
                return
            if new:
                helper.pipe.send(self._work)
                helper.knows = self._number
            number = self._left.popleft()
            helper.has.append((self._number, number))
            helper.pipe.send((self._number, number, self._items[number]))


def _start() -> _Helper:
    """A new helper. Raises OSError if there cannot be one."""
    ours, theirs = socket.socketpair()
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # one that is stopped does not stop us
        ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STUCK_S, 0))
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with theirs, ours:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(theirs.fileno()), *sys.path],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **one_thread},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what it cannot do fails here as well, where it is seen
            start_new_session=True,  # Ctrl-C is for the parent, whose end ends its helpers
        )
        return _Helper(process, Connection(ours.detach()))


def serve(handle: int) -> None:
    """The life of a helper: work and items in, answers out, until there are no more or the parent is gone.

    handle: of the socket to the parent.
    """
    work: Callable[[Any], Any] | None = None
    with Connection(handle) as pipe, suppress(EOFError, OSError):
        pipe.send(None)
        while pipe.poll(IDLE_S):
            told = pipe.recv()
            if isinstance(told, bytes):
                work = pickle.loads(told)
            else:
                assert work is not None, "items come after the work"
                call, number, item = told
                pipe.send((call, number, work(item)))
