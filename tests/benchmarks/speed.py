"""Wall seconds, CPU seconds and peak memory of `confgen generate`, beside ETKDGv3 on the same molecules.

    python tests/benchmarks/speed.py ensembles.parquet --molecules 100 --num-confs 10

Both are programs of their own, so that loading counts as it does for a user. ETKDGv3 runs on one core, confgen on as
many as it takes by itself; `--threads 1 --extra '--workers 1'` holds it to one. Imports of weight stay inside
functions: the memory of this process would otherwise count as that of the programs it starts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]
import typer
from command import MarkdownFile, markdown, publish
from provenance import command_line, commit, processor
from usage import MAXRSS_UNIT

HELP_RUNS = 5
WATCH_S = 0.5
COLUMNS = ("program", "exit code", "conformers", "wall s", "CPU s", "peak memory MB", "wall ms / conformer")


@dataclass(frozen=True)
class Usage:
    """What a finished program used, its child processes included; pages they share count in peak_mb for each."""

    exit_code: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    messages: str


def run(command: Sequence[str], threads: int | None = None) -> Usage:
    """What the command used; its standard output is thrown away."""
    environment = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, env=environment)
        with _Watch(process.pid) as watch:
            _, status, used = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        messages.seek(0)
        text = messages.read()
    peak_mb = max(watch.peak_bytes, used.ru_maxrss * MAXRSS_UNIT) / 1e6
    return Usage(process.returncode, wall_s, used.ru_utime + used.ru_stime, peak_mb, text)


class _Watch:
    """Largest resident memory of a process and its descendants together, looked at twice a second in a thread."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(WATCH_S):
            total = 0
            with contextlib.suppress(psutil.NoSuchProcess):  # one that ends while it is looked at
                root = psutil.Process(self._pid)
                for process in (root, *root.children(recursive=True)):
                    total += process.memory_info().rss
            self.peak_bytes = max(self.peak_bytes, total)


def write_smiles(source: Path, target: Path, count: int, min_heavy: int) -> int:
    """Number of molecules written as `SMILES id` lines: the first `count` of the ensembles that are large enough."""
    import pyarrow.parquet as pq
    from rdkit import Chem

    lines: list[str] = []
    for row in pq.read_table(source, columns=["id", "smiles"]).to_pylist():
        mol = Chem.MolFromSmiles(row["smiles"])
        if mol.GetNumHeavyAtoms() >= min_heavy and len(lines) < count:
            lines.append(f"{Chem.MolToSmiles(mol)} {row['id']}\n")
    target.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def count_records(path: Path) -> int:
    """Records of an SD file, 0 if it is not there."""
    if not path.exists():
        return 0
    with path.open(encoding="utf-8") as lines:
        return sum(line.startswith("$$$$") for line in lines)


def table(runs: dict[str, tuple[Usage, int]]) -> str:
    """Markdown: a row for each program with its usage and conformers, then the first divided by the second."""
    rows = [
        (f"`{name}`", str(used.exit_code), str(made), *_figures(used, made))
        for name, (used, made) in runs.items()
    ]  # fmt: skip
    (ours, our_number), (theirs, their_number) = list(runs.values())[:2]
    each = (ours.wall_s / max(our_number, 1)) / (theirs.wall_s / max(their_number, 1))
    ratios = (ours.wall_s / theirs.wall_s, ours.cpu_s / theirs.cpu_s, ours.peak_mb / theirs.peak_mb, each)
    rows.append(("ratio", "", "", *(f"{ratio:.2f}" for ratio in ratios)))
    return "\n".join(markdown(COLUMNS, rows))


def _figures(used: Usage, made: int) -> tuple[str, ...]:
    each = f"{1000 * used.wall_s / made:.1f}" if made else "-"
    return f"{used.wall_s:.1f}", f"{used.cpu_s:.1f}", f"{used.peak_mb:.0f}", each


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of ensembles; only SMILES are read.", exists=True)],
    molecules: Annotated[int, typer.Option(min=1, help="The first so many that are large enough.")] = 100,
    num_confs: Annotated[int, typer.Option("-n", "--num-confs", min=1)] = 10,
    min_heavy: Annotated[int, typer.Option(min=1, help="Heavy atoms a drug-like molecule has at least.")] = 15,
    weights: Annotated[str, typer.Option("-w", "--weights", help="Name or folder.")] = "drugs",
    device: Annotated[str, typer.Option(help="As for `confgen generate`.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Sets OMP_NUM_THREADS; unset by default.")] = None,
    extra: Annotated[str, typer.Option(help="More options for `confgen generate`, separated by blanks.")] = "",
    program: Annotated[str, typer.Option(help="The confgen to measure; the one of this Python by default.")] = "",
    target: MarkdownFile = None,
) -> None:
    """Measure `confgen generate`, ETKDGv3 and `confgen --help`, and print a Markdown table."""
    program = program or str(Path(sys.executable).with_name("confgen"))
    with tempfile.TemporaryDirectory() as folder:
        smiles, ours, theirs = (Path(folder) / name for name in ("molecules.smi", "confgen.sdf", "etkdg.sdf"))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            written = pool.submit(write_smiles, file, smiles, molecules, min_heavy).result()
        generate = ["generate", str(smiles), "-n", str(num_confs), "-w", weights, "--device", device]
        baseline = [sys.executable, str(Path(__file__).with_name("etkdg.py")), str(smiles), str(theirs)]
        used = run([program, *generate, "-o", str(ours), *extra.split()], threads)
        if used.exit_code not in (0, 3):
            typer.echo(f"confgen ended with exit code {used.exit_code}: {used.messages.strip()[-500:]}", err=True)
            raise typer.Exit(1)
        runs = {
            "confgen generate": (used, count_records(ours)),
            "RDKit ETKDGv3": (run([*baseline, "--num-confs", str(num_confs)], threads), count_records(theirs)),
        }
    helped = [run([program, "--help"]).wall_s for _ in range(HELP_RUNS)]
    made_by = (
        f"{written} molecules of `{file.name}` with at least {min_heavy} heavy atoms, {num_confs} conformers each, "
        f"weights {Path(weights).name}, {device}, threads {threads or 'as the programs choose'}, "
        f"{os.cpu_count()} cores of {processor()}, commit {commit()}, {dt.date.today().isoformat()}"
    )
    answer = f"`confgen --help`: {statistics.median(helped):.2f} s (median of {HELP_RUNS}, best {min(helped):.2f} s)"
    text = "\n".join([table(runs), "", answer, "", made_by, "", f"    {command_line()}"])
    publish(text + "\n", target)


if __name__ == "__main__":
    typer.run(main)
