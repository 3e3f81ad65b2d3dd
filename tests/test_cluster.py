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
    pass


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
    ray = SimpleNamespace(get=get, wait=wait, exceptions=SimpleNamespace(RayActorError=Died))

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

    with pytest.raises(CannotStart, match="as it began"):
        answers([("a", 1)], begin)


def test_no_jobs_need_no_answers() -> None:
    assert answers([], doubling) == []


def test_an_address_where_nobody_listens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confgen.cluster.imported", lambda *_, **__: None)
    with pytest.raises(CannotStart, match="there is no cluster"):
        refuse_no_cluster("127.0.0.1:9")
    refuse_no_cluster("auto")
