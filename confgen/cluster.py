"""Work shared out to a Ray cluster, as `confgen.crew` shares it out to processes of this machine."""

from __future__ import annotations

import signal
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from confgen.crew import WINDOW_PER_WORKER, Begin, Job, Lost
from confgen.errors import CannotStart, ConfgenError
from confgen.optional import imported

CONNECT_S = 5.0
LOCAL = "local"  # in the place of an address: a cluster of this machine alone

About = TypeVar("About")


class Worker:
    """What runs on the cluster, one on each of its cores."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._work: Callable[[Any], Any] | None = None

    def ready(self) -> ConfgenError | None:
        """Begins; the error if it cannot."""
        try:
            self._work = self._begin()
        except ConfgenError as error:
            return error
        return None

    def answer(self, payload: Any) -> Any:
        assert self._work is not None, "ready() comes first"
        return self._work(payload)


def shared_on_ray(
    jobs: Iterable[tuple[About, Any]], begin: Begin, workers: int, address: str
) -> Generator[tuple[About, Any], None, None]:
    """What `crew.shared_out` gives, by a Ray cluster; confgen must be installed on all its machines.

    workers: 0 for one on each core of the cluster.
    address: of the cluster; "auto" for the one that this machine belongs to, "local" to start one on this machine.
    Raises:  CannotStart as `refuse_no_cluster`, or if Ray cannot join the cluster; what `begin` raises on it.
    """
    ray = _ray()
    known = {"num_cpus": workers or None} if address == LOCAL else {"address": address}
    try:
        with _signals_kept():
            ray.init(**known, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CannotStart(f"--ray {address}: there is no cluster ({_reason(error)}); start it, or give local") from None
    try:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        remote = ray.remote(Worker).options(num_cpus=1)
        yield from _answers(ray, jobs, lambda: remote.remote(begin), count)
    finally:
        ray.shutdown()


class _Team(Generic[About]):
    """Workers on the cluster; another takes the place of one that dies.

    Not so where as many as there are to be have died in a row as they began: the others go on without.
    start: starts one.     busy: each with its job, none while it begins, by what it is to answer.
    """

    def __init__(self, ray: Any, start: Callable[[], Any], count: int) -> None:
        self._ray, self._start, self.count = ray, start, count
        self.idle: list[Any] = []
        self.busy: dict[Any, tuple[Any, Job[About] | None]] = {}
        self._stillborn = 0
        for worker in [start() for _ in range(count)]:
            self.busy[worker.ready.remote()] = (worker, None)

    def give(self, job: Job[About], payload: Any) -> None:
        """Has an idle worker do a job."""
        worker = self.idle.pop()
        self.busy[worker.answer.remote(payload)] = (worker, job)

    def receive(self) -> None:
        """Waits for a worker to be done with something.

        Raises: the ConfgenError of one that cannot begin; CannotStart if none is left.
        """
        [reference], _ = self._ray.wait(list(self.busy), num_returns=1)
        worker, job = self.busy.pop(reference)
        answer, alive = _received(self._ray, reference)
        if job is not None:
            job.answer, job.done = answer, True
        else:
            self._stillborn = 0 if alive else self._stillborn + 1
            if isinstance(answer, ConfgenError):
                raise answer
        if alive:
            self.idle.append(worker)
        elif self._stillborn < self.count:
            worker = self._start()
            self.busy[worker.ready.remote()] = (worker, None)
        elif not self.idle and not self.busy:
            raise CannotStart("--ray: workers end as they begin; see Ray's log")


def _answers(
    ray: Any, jobs: Iterable[tuple[About, Any]], start: Callable[[], Any], count: int
) -> Iterator[tuple[About, Any]]:
    """The answers, in order, of as many workers as `start` is to start. Raises what `_Team.receive` does."""
    source = iter(jobs)
    pending: deque[Job[About]] = deque()
    team: _Team[About] = _Team(ray, start, count)
    more = True
    while more or pending:
        while more and team.idle and len(pending) < WINDOW_PER_WORKER * count:
            following = next(source, None)
            more = following is not None
            if following is not None:
                about, payload = following
                pending.append(Job(about, done=payload is None))
                if payload is not None:
                    team.give(pending[-1], payload)
        while pending and pending[0].done:
            job = pending.popleft()
            yield job.about, job.answer
        if team.busy and (pending or not team.idle):
            team.receive()


def _received(ray: Any, reference: Any) -> tuple[Any, bool]:
    """The answer, or `Lost`, and whether the worker lives."""
    try:
        return ray.get(reference), True
    except ray.exceptions.RayTaskError:  # an exception of our own code
        raise
    except ray.exceptions.RayError:  # killed, out of memory, its machine gone
        return Lost(-signal.SIGKILL), False


def refuse_no_cluster(address: str) -> None:
    """CannotStart if Ray is not installed, or nobody listens at that address, where it would try for minutes."""
    _ray()
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in address:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise CannotStart(f"--ray {address}: there is no cluster ({_reason(error)}); start it, or give local") from None


def _ray() -> Any:
    return imported("ray", "--ray needs ray", extra="ray")


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts handlers of its own in the place of those by which a command ends."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
