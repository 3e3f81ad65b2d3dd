"""Where the time of `confgen generate` goes: CPU seconds of every stage for molecules of an ensemble file, on one core.

    python tests/benchmarks/stages.py ensembles.parquet --molecules 30 --num-confs 10
    python tests/benchmarks/stages.py ensembles.parquet --preset ensemble

A profiler counts the time inside the functions of STAGES, with all that these call, and makes the run some percent
slower. The first molecule is done once more before, so that loading does not count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from cProfile import Profile
from pathlib import Path
from pstats import Stats
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import quality
import typer
from command import MarkdownFile, Weights, errors_told, markdown, publish
from provenance import command_line, commit, processor
from rdkit import Chem

import confgen
from confgen import drafts, embed, minima, propose, starts
from confgen.errors import ConfgenError
from confgen.hydrogens import complete
from confgen.reflect import reflected
from confgen.relax import relax
from confgen.select import choose
from confgen.validity import check

STAGES: dict[str, tuple[Callable[..., object], ...]] = {
    "distance geometry (RDKit)": (embed.embed, embed.embed_core),
    "MMFF94s of the starts": (minima._relaxed,),
    "choice of the starts": (minima.Covering.__init__, minima.Covering.take, starts._medoids),
    "network and sampler": (propose._sample,),
    "hydrogens": (complete,),
    "checks": (check,),
    "turning and ETKDG in the place of wrong ones": (drafts.repair, reflected),
    "relaxation": (relax,),
    "selection": (choose,),
}
COLUMNS = ("stage", "CPU s", "share %", "ms / conformer")


def seconds(profile: Profile, functions: tuple[Callable[..., object], ...]) -> float:
    """Time inside any of the functions, called ones included."""
    places = {(f.__code__.co_filename, f.__code__.co_firstlineno, f.__name__) for f in functions}
    entries = Stats(profile).stats  # type: ignore[attr-defined] # not in the stubs
    return float(sum(entry[3] for place, entry in entries.items() if place in places))


def table(profile: Profile, total_s: float, conformers: int) -> list[str]:
    """Lines of a Markdown table: every stage, what is left, and all."""
    spent = {name: seconds(profile, functions) for name, functions in STAGES.items()}
    spent["the rest"] = total_s - sum(spent.values())
    spent["all"] = total_s
    rows = [
        [name, f"{own:.1f}", f"{100 * own / total_s:.0f}", f"{1e3 * own / max(1, conformers):.1f}"]
        for name, own in spent.items()
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
    profile = Profile(time.process_time)
    began = time.process_time()
    made = profile.runcall(lambda: [_count(generator, mol, num_confs) for mol in mols])
    spent = time.process_time() - began
    by = f"{len(mols)} molecules of `{file.name}`, {sum(made)} conformers of {num_confs * len(mols)} asked for"
    where = f"one core of {processor()}, commit {commit()}, `{command_line()}`"
    publish("\n".join([*table(profile, spent, sum(made)), "", f"{by}; {where}"]) + "\n", target)


def _count(generator: confgen.Generator, mol: Chem.Mol, num_confs: int) -> int:
    """Conformers made; none of a molecule that fails."""
    try:
        ensemble = generator.generate(mol, num_confs=num_confs)
    except ConfgenError:
        return 0
    return 0 if ensemble.mol is None else int(ensemble.mol.GetNumConformers())


if __name__ == "__main__":
    typer.run(main)
