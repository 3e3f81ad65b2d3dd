"""What a process has used: CPU time and memory."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one of getrusage's ru_maxrss


def cpu_seconds() -> float:
    """CPU time of this process, all its threads, and its finished children."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def peak_mb(process: int | str = "self") -> float:
    """Largest resident memory of a process; of this one, on Linux not from getrusage, where its parent's counts too."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT / 1e6 if process == "self" else 0.0
