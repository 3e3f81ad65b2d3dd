"""How close conformers come to references: COV and AMR, stereochemistry, validity and CPU time of several methods.

    python tests/benchmarks/quality.py ensembles.parquet --molecules 100 \
        --methods etkdg,etkdg+mmff,conforge,confgen,confgen:start=etkdg,sigma=0.5,steps=10

Every method is asked for exactly 2K conformers of a molecule with K references, on one core in a process of its own,
and sees the molecule without any coordinates; all run on the same molecules, one after the other. What a method may be:
see peers.py. All sets in one table: see table.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import itertools
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Protocol

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import pyarrow.parquet as pq
import typer
from command import Limit, MarkdownFile, Resume, Seed, Weights, errors_told, publish
from isolated import Isolated, Outcome
from peers import split_methods
from provenance import command_line, commit, processor
from rdkit import Chem
from scoring import Record, score, tables
from tqdm import tqdm

from confgen.conformers import with_positions
from confgen.dataset import read_row, stereo_from_positions
from confgen.errors import CannotStart, InputError


@dataclass(frozen=True)
class Task:
    """The first `molecules` rows of a file with `min_confs` references, of which `max_references` are looked at.

    asks: how many conformers are asked for, in one run each; none for 2K where K references are looked at.
    """

    file: Path
    molecules: int
    min_confs: int = 1
    max_references: int | None = None
    asks: tuple[int, ...] = ()


class Runner(Protocol):
    """A method that can be measured; see `isolated.Isolated`."""

    name: str
    setup: str

    def run(self, mol: Chem.Mol, count: int) -> Outcome: ...


def references(task: Task) -> Iterator[tuple[str, Chem.Mol]]:
    """Id and molecule, with its references as conformers, of the molecules of a task.

    The stereochemistry is the one that the first reference shows. Raises InputError.
    """
    try:
        batches = pq.ParquetFile(task.file).iter_batches(
            batch_size=64, columns=["id", "smiles", "num_confs", "num_atoms", "positions"]
        )
        rows = (row for batch in batches for row in batch.to_pylist() if row["num_confs"] >= task.min_confs)
        for row in itertools.islice(rows, task.molecules):
            mol, pos = read_row(row)
            reference = with_positions(stereo_from_positions(mol, pos[0]), pos[: task.max_references])
            reference.SetProp("_Name", row["id"])
            yield row["id"], reference
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{task.file}: no file of ensembles ({error}); give Parquet as `confgen train` reads it"
        ) from error


def measure(method: Runner, reference: Chem.Mol, blank: Record) -> Record:
    """The blank record with how the method did on the molecule, which it is given without the references."""
    mol = Chem.Mol(reference)
    mol.RemoveAllConformers()
    outcome = method.run(mol, blank.asked)
    spent = dataclasses.replace(blank, cpu_s=outcome.cpu_s, wall_s=outcome.wall_s, peak_mb=outcome.peak_mb)
    if outcome.made is None:
        return dataclasses.replace(spent, error=outcome.error)
    return score(spent, outcome.made, reference)


Done = dict[tuple[str, str, int], Record]  # by method, molecule and number of conformers asked for


def already_done(path: Path | None, file: str, methods: Sequence[Runner]) -> Done:
    """Records of an earlier run. Raises CannotStart if a method was set up in another way then."""
    setups = {method.name: method.setup for method in methods}
    done = {}
    for record in jsonl.read(path, Record):
        if record.file == file and record.method in setups:
            if record.setup != setups[record.method]:
                raise CannotStart(
                    f"{path}: `{record.method}` ran there with {record.setup}, not {setups[record.method]}; "
                    "give another file"
                )
            done[record.method, record.id, record.asked] = record
    return done


def available(specs: Sequence[str], stack: ExitStack, **options: Any) -> list[Isolated]:
    """The methods whose packages are installed, ended with `stack`; the others are named on standard error.

    Takes the options of Isolated. Raises CannotStart.
    """
    methods = []
    for spec in specs:
        try:
            methods.append(stack.enter_context(Isolated(spec, **options)))
        except ImportError as error:
            typer.echo(f"{spec}: left out, {error.name} is not installed; pip install -e '.[peers]'", err=True)
    if not methods:
        raise CannotStart("none of the methods can run; install their packages")
    return methods


def compare(task: Task, methods: Sequence[Runner], log: IO[str], done: Done) -> list[Record]:
    """One record for each method, molecule and number asked for, method by method; new ones are written to `log`."""
    records = []
    runs = len(methods) * max(1, len(task.asks))
    with tqdm(total=runs * task.molecules, unit="run", desc=task.file.stem, disable=None) as bar:
        for identity, reference in references(task):
            known = reference.GetNumConformers()
            for asked, method in itertools.product(task.asks or (2 * known,), methods):
                bar.set_postfix_str(method.name.partition(":")[0])
                record = done.get((method.name, identity, asked))
                if record is None:
                    blank = Record(task.file.name, identity, method.name, method.setup, known, asked)
                    record = measure(method, reference, blank)
                    jsonl.add(log, record)
                records.append(record)
                bar.update()
    return sorted(records, key=lambda record: [method.name for method in methods].index(record.method))


def report(file: Path, methods: Sequence[Runner], records: Sequence[Record]) -> str:
    """The tables, and below them what made them."""
    molecules = len({record.id for record in records})
    references = sum(record.references for record in records if record.method == records[0].method)
    of = f"{molecules} molecules of `{file.name}`, {references} references"
    return "\n".join([tables(records), *failures(records), "", *made_by(of, methods)]) + "\n"


def failures(records: Sequence[Record]) -> list[str]:
    """A line for each molecule that a method failed on."""
    return [
        f"- `{r.method}` failed on {r.id} ({r.asked} conformers, {r.cpu_s:.0f} CPU s): {r.error}"
        for r in records
        if r.error
    ]


def made_by(of: str, methods: Sequence[Runner]) -> list[str]:
    """Lines that say what made the figures: versions, commit, day, processor, methods and command."""
    return [
        f"{of}, {dt.date.today().isoformat()}, commit {commit()}, one core of {processor()}, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("rdkit", "torch", "numpy")),
        "",
        *(f"- `{method.name}`: {method.setup}" for method in methods),
        "",
        f"    {command_line()}",
    ]


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of reference ensembles.", exists=True, dir_okay=False)],
    molecules: Annotated[int, typer.Option(min=1, help="The first so many that have enough references.")] = 100,
    methods: Annotated[str, typer.Option(help="Comma-separated; see the text above.")] = "etkdg,etkdg+mmff,confgen",
    weights: Weights = "drugs",
    min_confs: Annotated[int, typer.Option(min=1, help="References a molecule must have.")] = 1,
    seed: Seed = 42,
    device: Annotated[str, typer.Option(help="For confgen: cpu, cuda ...")] = "cpu",
    log_file: Annotated[
        Path | None, typer.Option("--json", help="Write one line for each molecule and method.")
    ] = None,
    limit_s: Limit = 60,
    resume: Resume = False,
    target: MarkdownFile = None,
) -> None:
    """Compare methods on the same molecules and print Markdown tables."""
    with errors_told(), ExitStack() as stack:
        jsonl.refuse_existing(log_file, resume)
        options = {"weights": weights, "seed": seed, "device": device, "limit_s": limit_s}
        ready = available(split_methods(methods), stack, **options)
        done = already_done(log_file, file.name, ready)
        log = stack.enter_context(jsonl.opened(log_file))
        records = compare(Task(file, molecules, min_confs), ready, log, done)
        if not records:
            raise InputError(f"{file}: no molecule has {min_confs} references; lower --min-confs")
    publish(report(file, ready, records), target)


if __name__ == "__main__":
    typer.run(main)
