"""How many CPU cores there are for this process, and how many threads it may keep busy."""

from __future__ import annotations

import math
import os
import sys
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from threadpoolctl import ThreadpoolController


def available_cores() -> int:
    """Cores that this process may use: its affinity (a batch system's share), within the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):  # no Linux, no control groups, or the older kind
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def thread_count() -> int:
    """Threads that this process may keep busy: as many as torch has, so one in a worker and where the user says so.

    Before torch is loaded, what torch would go by: OMP_NUM_THREADS, if that is set, or all cores.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        return min(int(torch.get_num_threads()), available_cores())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else available_cores()


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Inside, the linear algebra of numpy and scipy has so many threads, on which its last digits depend too."""
    limits: AbstractContextManager[object] = _blas().limit(limits=count)
    return limits


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
