"""Work shared out to processes: the answers come in the order of the jobs, whatever happens to a process.

Small molecules do not fill several threads: processes with one thread each do more on a CPU. They are started afresh
("spawn"), because torch and OpenMP are not safe to fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar, cast

from confgen.errors import ConfgenError

WINDOW_PER_WORKER = 8  # jobs read ahead, and answers that wait for a slow job before them

About = TypeVar("About")
Begin = Callable[[], Callable[[Any], object]]  # called once in each process; gives what answers a payload


@dataclass(frozen=True)
class Lost:
    """Why a job has no answer: its process ended with that exit code (by a signal if negative), or time was up (None).

    An exception that the work lets out ends its process too, with exit code 1, and is printed there.
    """

    exitcode: int | None

    @property
    def cause(self) -> str:
        """In words, after "its worker process"."""
        if self.exitcode is None:
            return "took too long and was ended"
        if self.exitcode >= 0:
            return f"ended with exit code {self.exitcode}, see above"
        return f"was killed (signal {-self.exitcode}{', out of memory?' * (-self.exitcode == signal.SIGKILL)})"


def shared_out(
    jobs: Iterable[tuple[About, Any]], begin: Begin, workers: int, limit_s: float | None = None
) -> Generator[tuple[About, Any], None, None]:
    """What each job is about, and its answer or `Lost`; the answer of a job whose payload is None is None, at once.

    A job on which a process dies is lost, and the rest goes on. Jobs are read a few ahead, never all. Close the
    iterator to end the processes early.
    begin:   sent to every process, so of the top level of a module, or a `partial` of that.
    limit_s: seconds after which a job is given up and its process ended.
    Raises:  the ConfgenError that `begin` raises in a process.
    """
    source = iter(jobs)
    crew: list[_Worker] = []
    pending: deque[Job[About]] = deque()
    try:
        more = True
        while more or pending:
            more = _hand_out(source, pending, crew, workers, begin)
            while pending and pending[0].done:
                job = pending.popleft()
                yield job.about, job.answer
            busy = {worker.pipe: worker for worker in crew if worker.job is not None}
            for pipe in wait(list(busy), _patience(crew, limit_s)) if busy else []:
                _receive(busy[cast(Connection, pipe)], crew)
            if limit_s is not None:
                _end_late(crew, limit_s)
    finally:
        for worker in crew:
            _end(worker)


@dataclass
class Job(Generic[About]):
    """One job on its way."""

    about: About
    answer: Any = None
    done: bool = False


@dataclass
class _Worker:
    """A process, the pipe to it, what it works on, and since when (`time.monotonic()`; None until it is ready)."""

    process: SpawnProcess
    pipe: Connection
    job: Job[Any] | None = None
    ready: bool = False
    since: float | None = None


def _hand_out(
    jobs: Iterator[tuple[About, Any]], pending: deque[Job[About]], crew: list[_Worker], most: int, begin: Begin
) -> bool:
    """Reads jobs for all who are idle, and says whether there may be more; processes start as there is work."""
    idle = [worker for worker in crew if worker.job is None]
    while len(pending) < WINDOW_PER_WORKER * most and (idle or len(crew) < most):
        following = next(jobs, None)
        if following is None:
            return False
        about, payload = following
        pending.append(Job(about, done=payload is None))
        if payload is None:
            continue
        worker = idle.pop() if idle else _start(crew, begin)
        worker.job = pending[-1]
        worker.since = time.monotonic() if worker.ready else None
        with suppress(ConnectionError):  # it has died meanwhile, as will be noticed when its answer is due
            worker.pipe.send(payload)
    return True


def _start(crew: list[_Worker], begin: Begin) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, begin), daemon=True)
    with _signals_kept(), single_threaded():
        process.start()
    theirs.close()  # or the end of the process would not close the pipe
    crew.append(_Worker(process, ours))
    return crew[-1]


def _receive(worker: _Worker, crew: list[_Worker]) -> None:
    """Takes over what a process says: that it is ready, an error that ends all, an answer, or nothing, if it died."""
    job = worker.job
    assert job is not None
    try:
        answer = worker.pipe.recv()
    except (EOFError, ConnectionError):
        crew.remove(worker)
        worker.pipe.close()
        worker.process.join()
        job.answer, job.done = Lost(worker.process.exitcode), True
        return
    if worker.ready:
        job.answer, job.done, worker.job = answer, True, None
    elif isinstance(answer, ConfgenError):
        raise answer
    else:
        worker.ready, worker.since = True, time.monotonic()


def _patience(crew: list[_Worker], limit_s: float | None) -> float | None:
    """Seconds until the time of some job is up; None if that never comes."""
    since = [worker.since for worker in crew if worker.job is not None and worker.since is not None]
    return None if limit_s is None or not since else max(0.0, min(since) + limit_s - time.monotonic())


def _end_late(crew: list[_Worker], limit_s: float) -> None:
    for worker in list(crew):
        if worker.job and worker.since is not None and time.monotonic() - worker.since >= limit_s:
            crew.remove(worker)
            _end(worker)
            worker.job.answer, worker.job.done = Lost(None), True


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """A process started here ignores Ctrl-C, from its first moment on: ending the workers is up to the parent.

    Only the main thread may say so; for the others the process does as it begins. What is blocked stays blocked: the
    resource tracker that comes with the first process would let SIGINT and SIGTERM through in this thread.
    """
    handled = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if handled else None
    masks = hasattr(signal, "pthread_sigmask")  # Windows has none
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if masks else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handled:
            signal.signal(signal.SIGINT, before)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started here load numpy with one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _work(pipe: Connection, begin: Begin) -> None:
    """The life of a worker: payloads in, answers out, until the parent has no more or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError):
        try:
            work = begin()
        except ConfgenError as error:
            pipe.send(error)
            return
        pipe.send(None)
        while True:
            pipe.send(work(pipe.recv()))
