"""Promises of `confgen.cluster`, with a Ray of this process: answers in order, whatever becomes of a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from confgen.cluster import Worker, _answers, refuse_no_cluster
from confgen.crew import Lost
from confgen.errors import CannotStart, WeightsError


class Died(Exception):
    """A worker's end; in Ray a class of its own for every cause, all of them RayError."""


class Failed(Died):
    """An exception in the work itself, RayTaskError."""


class Remote:
    """An actor whose calls are done at once."""

    def __init__(self, worker: Worker) -> None:
        self.ready = SimpleNamespace(remote=lambda: self._call(worker.ready))
        self.answer = SimpleNamespace(remote=lambda payload: self._call(worker.answer, payload))

    @staticmethod
    def _call(method: Callable[..., Any], *payload: Any) -> Any:
        try:
            return SimpleNamespace(value=method(*payload), error=None)
        except Died as error:
            return SimpleNamespace(value=None, error=error)


class Reference:
    def __init__(self, made: Any) -> None:
        self.made = made


def get(reference: Reference) -> Any:
    if reference.made.error is not None:
        raise reference.made.error
    return reference.made.value


def wait(references: Sequence[Reference], num_returns: int) -> tuple[list[Reference], list[Reference]]:
    """The last first, so that answers come out of order."""
    return list(references[-num_returns:]), list(references[:-num_returns])


def answers(jobs: list[tuple[str, Any]], begin: Callable[[], Callable[[Any], Any]], count: int = 2) -> list[Any]:
    ray = SimpleNamespace(get=get, wait=wait, exceptions=SimpleNamespace(RayError=Died, RayTaskError=Failed))

    def start() -> Any:
        remote = Remote(Worker(begin))
        ready, answer = remote.ready.remote, remote.answer.remote
        return SimpleNamespace(
            ready=SimpleNamespace(remote=lambda: Reference(ready())),
            answer=SimpleNamespace(remote=lambda payload: Reference(answer(payload))),
        )

    return list(_answers(ray, jobs, start, count))


def doubling() -> Callable[[Any], Any]:
    def work(payload: int) -> int:
        if payload == 3:
            raise Died
        return 2 * payload

    return work


def test_answers_come_in_order_and_only_the_job_of_a_dead_worker_is_lost() -> None:
    found = answers([(str(number), number if number != 5 else None) for number in range(8)], doubling)
    assert [about for about, _ in found] == [str(number) for number in range(8)]
    assert [answer for _, answer in found if not isinstance(answer, Lost)] == [0, 2, 4, 8, None, 12, 14]
    assert isinstance(found[3][1], Lost)


def test_an_error_of_the_beginning_is_raised() -> None:
    def begin() -> Callable[[Any], Any]:
        raise WeightsError("none")

    with pytest.raises(WeightsError):
        answers([("a", 1)], begin)


def test_workers_that_die_as_they_begin_are_not_started_for_ever() -> None:
    def begin() -> Callable[[Any], Any]:
        raise Died

    with pytest.raises(CannotStart, match="as they begin"):
        answers([("a", 1)], begin)


def only_the_first() -> tuple[list[int], Callable[[], Callable[[Any], Any]]]:
    """A beginning that all workers but the first die in, and what it has begun."""
    begun: list[int] = []

    def begin() -> Callable[[Any], Any]:
        begun.append(len(begun))
        if len(begun) > 1:
            raise Died
        return doubling()

    return begun, begin


def test_a_worker_that_dies_as_it_begins_does_not_end_the_work_of_others() -> None:
    begun, begin = only_the_first()
    found = answers([(str(number), number) for number in (1, 2, 4, 5)], begin)
    assert [answer for _, answer in found] == [2, 4, 8, 10]
    assert len(begun) == 3  # two dead in a row are enough


def test_the_last_worker_that_dies_with_none_to_follow_ends_the_work() -> None:
    _, begin = only_the_first()
    with pytest.raises(CannotStart, match="as they begin"):
        answers([(str(number), number) for number in (1, 3, 4)], begin)


def test_an_exception_of_the_work_is_let_out() -> None:
    def begin() -> Callable[[Any], Any]:
        def work(_: Any) -> Any:
            raise Failed

        return work

    with pytest.raises(Failed):
        answers([("a", 1)], begin)


def test_no_jobs_need_no_answers() -> None:
    assert answers([], doubling) == []


def test_an_address_where_nobody_listens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confgen.cluster.imported", lambda *_, **__: None)
    with pytest.raises(CannotStart, match="there is no cluster"):
        refuse_no_cluster("127.0.0.1:9")
    refuse_no_cluster("auto")
