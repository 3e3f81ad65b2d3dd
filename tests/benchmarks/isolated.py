"""A method in a process of its own: its memory is its own, and it can be stopped, or crash, without the others.

The limit is CPU time rather than time by the clock, so that a busy machine does not make methods fail.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType

import peers
import psutil  # type: ignore[import-untyped]
from rdkit import Chem
from usage import cpu_seconds, peak_mb

from confgen.errors import CannotStart, ConfgenError, MoleculeError

WARM_UP = "CCO"  # done before the clock runs: libraries and force-field tables load at the first molecule
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); import isolated; isolated.serve(*sys.argv[2:])"
LOOK_S = 0.2
EACH_S = 1.0  # CPU seconds for each conformer asked for, if that is more than the limit
WALL = 10  # times the limit is the longest wait by the clock: for a process that hangs without working


@dataclass(frozen=True)
class Outcome:
    """What a method made of one molecule, or why nothing; peak_mb is the largest its process has been so far."""

    made: peers.Made | None
    error: str
    cpu_s: float
    wall_s: float
    peak_mb: float = 0.0


def timed(method: peers.Method, mol: Chem.Mol, count: int) -> Outcome:
    """What the method makes of the molecule in this process; it fails with MoleculeError, RuntimeError, ValueError."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    try:
        made: peers.Made | None = method.run(mol, count)
        error = ""
    except (MoleculeError, RuntimeError, ValueError) as failure:
        made, error = None, f"{type(failure).__name__}: {failure}"
    return Outcome(made, error, cpu_seconds() - cpu, time.perf_counter() - wall, peak_mb())


class Isolated:
    """A method that runs in another process, for at most `limit_s` CPU seconds on a molecule, or 1 s for a conformer.

    A process that is stopped or dies is replaced for the next molecule. Raises what `peers.build` raises.
    """

    def __init__(self, spec: str, *, weights: str, seed: int, device: str = "cpu", limit_s: float = 60.0) -> None:
        self.name, self.limit_s = spec, limit_s
        self._arguments = (spec, weights, str(seed), device)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection
        self.setup = self._start()

    def __enter__(self) -> Isolated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, mol: Chem.Mol, count: int) -> Outcome:
        """What the method makes of the molecule; an Outcome without conformers if it takes too long or crashes."""
        if self._process is None:
            self._start()
        assert self._process is not None
        watched, wall = psutil.Process(self._process.pid), time.perf_counter()
        cpu, used, waited = _cpu_of(watched), 0.0, 0.0
        limit_s = max(self.limit_s, EACH_S * count)
        try:
            self._connection.send((mol.ToBinary(), count))
            while not self._connection.poll(LOOK_S):
                used, waited = _cpu_of(watched) - cpu, time.perf_counter() - wall
                if used > limit_s or waited > WALL * limit_s:
                    peak = peak_mb(self._process.pid)
                    self.close()
                    return Outcome(None, f"stopped after {used:.0f} CPU s", used, waited, peak)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            code = self._process.wait()
            self.close()
            if code > 0:  # a traceback, unlike a crash: ours to put right, and no failure of the method
                raise RuntimeError(f"{self.name}: its process ended with exit code {code}; see above") from None
            return Outcome(None, f"its process crashed (signal {-code})", used, waited)
        assert isinstance(answer, Outcome)
        return answer

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._connection.close()
            self._process = None

    def _start(self) -> str:
        self._connection, theirs = Pipe()
        # A program of its own: what multiprocessing starts would import what the main program imports.
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(theirs.fileno()), *self._arguments],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,  # programs talk
        )
        theirs.close()
        try:
            answer = self._connection.recv()
        except EOFError:
            answer = CannotStart(f"method {self.name!r} ended before its first molecule; its messages stand above")
        if isinstance(answer, str):
            return answer
        self.close()
        assert isinstance(answer, Exception)
        raise answer


def _cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process so far, 0 for one that has ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def serve(descriptor: str, spec: str, weights: str, seed: str, device: str) -> None:
    """The other process: says how the method is set up, or why it is not, then makes conformers until it is ended."""
    connection = Connection(int(descriptor))
    try:
        method = peers.build(spec, weights=weights, seed=int(seed), device=device)
        method.run(Chem.AddHs(Chem.MolFromSmiles(WARM_UP)), 1)
    except (ConfgenError, ImportError) as error:
        connection.send(error)
        return
    with contextlib.suppress(EOFError, BrokenPipeError):  # whoever asks has gone
        connection.send(method.setup)
        while True:
            binary, count = connection.recv()
            connection.send(timed(method, Chem.Mol(binary), count))
