"""The command line as tests run it: in this process, or as a program that says what it has imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from confgen.cli import app

PLAIN = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "120"}
PROGRAM = """
import atexit, sys; from confgen.cli import main
atexit.register(lambda: print(*{'torch', 'torch_geometric', 'rdkit', 'numpy'} & set(sys.modules), file=sys.stderr))
sys.argv = ['confgen', *sys.argv[1:]]; main()
"""


def confgen(*arguments: object, input: str | None = None) -> Result:
    """The command run in this process; a bug raises."""
    return CliRunner(env=PLAIN).invoke(app, [str(a) for a in arguments], input=input, catch_exceptions=False)


def check_one_line(result: Result, code: int, said: str) -> None:
    """One line that says it, the exit code, nothing on standard output, no output and nothing left of it."""
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stdout == ""
    assert [path.name for path in Path().iterdir() if path.name.startswith((".confgen", "out"))] == []


def run_program(*arguments: str) -> tuple[str, set[str]]:
    """What it prints, and which of torch, PyG, RDKit and numpy it has imported, as the last line on stderr says."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.splitlines()[-1].split())
