"""Work shared out to a Ray cluster, as `confgen.crew` shares it out to processes of this machine."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from confgen.crew import Begin, Lost
from confgen.errors import CannotStart, ConfgenError
from confgen.optional import imported

WINDOW_PER_WORKER = 8  # jobs read ahead, and answers that wait for a slow job before them
LOCAL = "local"  # in the place of an address: a cluster of this machine alone

About = TypeVar("About")


@dataclass
class _Job(Generic[About]):
    about: About
    answer: Any = None
    done: bool = False


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
        if self._work is None:  # begun anew, after the process that was ready had died
            self._work = self._begin()
        return self._work(payload)


def shared_on_ray(
    jobs: Iterable[tuple[About, Any]], begin: Begin, workers: int, address: str
) -> Generator[tuple[About, Any], None, None]:
    """What `crew.shared_out` gives, by a Ray cluster; confgen must be installed on all its machines.

    workers: 0 for one on each core of the cluster.
    address: of the cluster; "auto" for the one that this machine belongs to, "local" to start one on this machine.
    Raises:  CannotStart if Ray is not installed or the cluster cannot be reached; what `begin` raises on it.
    """
    ray = imported("ray", "--ray needs ray", extra="ray")
    known = {"num_cpus": workers or None} if address == LOCAL else {"address": address}
    try:
        ray.init(**known, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CannotStart(f"--ray {address}: there is no cluster ({_reason(error)}); start it, or give local") from None
    try:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        remote = ray.remote(Worker).options(num_cpus=1, max_restarts=-1)
        crew = [remote.remote(begin) for _ in range(count)]
        for failure in ray.get([worker.ready.remote() for worker in crew]):
            if failure is not None:
                raise failure
        yield from _answers(ray, jobs, crew)
    finally:
        ray.shutdown()


def _answers(ray: Any, jobs: Iterable[tuple[About, Any]], crew: list[Any]) -> Iterator[tuple[About, Any]]:
    source = iter(jobs)
    pending: deque[_Job[About]] = deque()
    idle, busy = list(crew), dict[Any, tuple[Any, _Job[About]]]()
    more = True
    while more or pending:
        while more and idle and len(pending) < WINDOW_PER_WORKER * len(crew):
            following = next(source, None)
            more = following is not None
            if following is not None:
                about, payload = following
                pending.append(_Job(about, done=payload is None))
                if payload is not None:
                    worker = idle.pop()
                    busy[worker.answer.remote(payload)] = (worker, pending[-1])
        while pending and pending[0].done:
            job = pending.popleft()
            yield job.about, job.answer
        for reference in ray.wait(list(busy), num_returns=1)[0] if busy and pending else []:
            worker, job = busy.pop(reference)
            idle.append(worker)
            try:
                job.answer = ray.get(reference)
            except ray.exceptions.RayActorError:  # the process has died, and Ray starts another
                job.answer = Lost(-signal.SIGKILL)
            job.done = True


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
