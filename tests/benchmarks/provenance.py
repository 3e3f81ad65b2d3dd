"""What made a figure: the commit, the processor and the command line."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from pathlib import Path


def commit() -> str:
    """Short hash of the commit that is checked out, with `-dirty` if files differ from it; `unknown` outside git."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def processor() -> str:
    """Name of the CPU model."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def command_line() -> str:
    """The command that is running, as it could be typed."""
    return shlex.join(["python", *sys.argv])
