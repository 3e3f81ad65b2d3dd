"""Promises of threads: as many as torch has, one in a worker, and results that do not depend on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from confgen import cores
from confgen.cores import available_cores, thread_count
from confgen.embed import embed, embed_core
from confgen.molecule import read_molecule
from confgen.scaffold import Core


@pytest.mark.parametrize(("threads", "count"), [(1, 1), (available_cores() + 1, available_cores())])
def test_there_are_as_many_threads_as_torch_has(threads: int, count: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert thread_count() == count
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("asked", "count"), [("3", 3), ("", available_cores()), ("0", available_cores())])
def test_without_torch_the_environment_counts(asked: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cores.sys.modules, "torch", None)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert thread_count() == count


@pytest.fixture(params=[2, 5])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_threads_change_no_embedding(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mol, seeds = read_molecule("CC(=O)NCC(O)c1ccccc1"), range(7, 30)
    monkeypatch.setattr("confgen.ways.thread_count", lambda: 1)
    alone = embed(mol, seeds)
    core = Core(np.arange(4), np.array(alone[0])[:4])
    alone_with_core = embed_core(mol, seeds[:5], core)
    monkeypatch.setattr("confgen.ways.thread_count", lambda: threads)
    np.testing.assert_array_equal(embed(mol, seeds), alone)
    np.testing.assert_array_equal(embed_core(mol, seeds[:5], core), alone_with_core)
