"""Where the time of `confgen generate` goes: CPU seconds of every stage for molecules of an ensemble file, on one core.

    python tests/benchmarks/stages.py ensembles.parquet --molecules 30 --num-confs 10
    python tests/benchmarks/stages.py ensembles.parquet --preset ensemble

Every EVERY_S of CPU time it is looked in which of the functions of STAGES the run is, and the time since the last look
counts there: long calls into C++ count whole, and the run is no slower (a profiler that sees every call makes descents
of MMFF94s, which are Python, take twice as long). The first molecule is done once more before, so that loading does not
count.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import quality
import typer
from command import MarkdownFile, Weights, errors_told, markdown, publish
from provenance import command_line, commit, processor
from rdkit import Chem

import confgen
from confgen import drafts, embed, minima, propose, starts, united
from confgen.errors import ConfgenError
from confgen.hydrogens import complete
from confgen.reflect import reflected
from confgen.relax import relax
from confgen.select import choose
from confgen.validity import check

STAGES: dict[str, tuple[Callable[..., object], ...]] = {
    "distance geometry (RDKit)": (embed.embed, embed.embed_core, united.embed_united),
    "MMFF94s of the starts": (minima._relaxed,),
    "choice of the starts": (minima.Covering.__init__, minima.Covering.take, starts._medoids),
    "network and sampler": (propose._sample,),
    "hydrogens": (complete,),
    "checks": (check,),
    "turning and ETKDG in the place of wrong ones": (drafts.repair, reflected),
    "relaxation": (relax,),
    "selection": (choose,),
}
REST = "the rest"
EVERY_S = 0.002
COLUMNS = ("stage", "CPU s", "share %", "ms / conformer")


class Clock:
    """CPU seconds of every stage while it runs (`with`), by name; what is in none of them is "the rest"."""

    def __init__(self, stages: Mapping[str, tuple[Callable[..., object], ...]]) -> None:
        self._stage_of = {function.__code__: name for name, functions in stages.items() for function in functions}
        self.spent = dict.fromkeys([*stages, REST], 0.0)
        self._last = 0.0

    def __enter__(self) -> Clock:
        self._before = signal.signal(signal.SIGPROF, self._look)
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._look(0, None)
        signal.signal(signal.SIGPROF, self._before)

    def _look(self, signum: int, frame: FrameType | None) -> None:
        del signum
        now = time.process_time()
        while frame is not None and frame.f_code not in self._stage_of:
            frame = frame.f_back
        self.spent[REST if frame is None else self._stage_of[frame.f_code]] += now - self._last
        self._last = now


def table(spent: Mapping[str, float], conformers: int) -> list[str]:
    """Lines of a Markdown table: every stage, what is left, and all."""
    total_s = sum(spent.values())
    rows = [
        [name, f"{own:.1f}", f"{100 * own / total_s:.0f}", f"{1e3 * own / max(1, conformers):.1f}"]
        for name, own in [*spent.items(), ("all", total_s)]
    ]
    return markdown(COLUMNS, rows)


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of ensembles.", exists=True, dir_okay=False)],
    molecules: Annotated[int, typer.Option(min=1, help="The first so many.")] = 30,
    num_confs: Annotated[int, typer.Option("-n", "--num-confs", min=1)] = 10,
    preset: Annotated[str | None, typer.Option(help="Of confgen generate.")] = None,
    weights: Weights = "drugs",
    target: MarkdownFile = None,
) -> None:
    """Profile the generation of conformers and print a Markdown table."""
    with errors_told():
        generator = confgen.load(weights, device="cpu", preset=preset)
        mols = [mol for _, mol in quality.references(quality.Task(file, molecules))]
    for mol in mols:
        mol.RemoveAllConformers()
    generator.generate(mols[0], num_confs=num_confs)
    with Clock(STAGES) as clock:
        made = [_count(generator, mol, num_confs) for mol in mols]
    by = f"{len(mols)} molecules of `{file.name}`, {sum(made)} conformers of {num_confs * len(mols)} asked for"
    where = f"one core of {processor()}, commit {commit()}, `{command_line()}`"
    publish("\n".join([*table(clock.spent, sum(made)), "", f"{by}; {where}"]) + "\n", target)


def _count(generator: confgen.Generator, mol: Chem.Mol, num_confs: int) -> int:
    """Conformers made; none of a molecule that fails."""
    try:
        ensemble = generator.generate(mol, num_confs=num_confs)
    except ConfgenError:
        return 0
    return 0 if ensemble.mol is None else int(ensemble.mol.GetNumConformers())


if __name__ == "__main__":
    typer.run(main)
