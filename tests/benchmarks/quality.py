"""How close conformers come to references: COV and AMR, stereochemistry, validity and CPU time of several methods.

    python tests/benchmarks/quality.py ensembles.parquet --molecules 100 \
        --methods etkdg,etkdg+mmff,conforge,confgen,confgen:start=etkdg,sigma=0.5,steps=10

Every method is asked for exactly 2K conformers of a molecule with K references, on one core, and sees the molecule
without any coordinates; all run on the same molecules, one after the other. What a method may be: see peers.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import itertools
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import pyarrow.parquet as pq
import torch
import typer
from peers import Made, Method, build, split_methods
from provenance import command_line, commit, processor
from rdkit import Chem
from scoring import Record, score, tables
from tqdm import tqdm

from confgen.dataset import read_row, stereo_from_positions
from confgen.errors import CannotStart, ConfgenError, InputError, MoleculeError
from confgen.molecule import with_positions

WARM_UP = "CCO"  # done before the clock runs: libraries and force-field tables load at the first molecule


def references(file: Path, count: int, min_confs: int) -> Iterator[tuple[str, Chem.Mol]]:
    """Id and molecule, with its references as conformers, of the first `count` rows with at least `min_confs`.

    The stereochemistry is the one that the first reference shows. Raises InputError.
    """
    try:
        batches = pq.ParquetFile(file).iter_batches(
            batch_size=64, columns=["id", "smiles", "num_confs", "num_atoms", "positions"]
        )
        rows = (row for batch in batches for row in batch.to_pylist() if row["num_confs"] >= min_confs)
        for row in itertools.islice(rows, count):
            mol, pos = read_row(row)
            reference = with_positions(stereo_from_positions(mol, pos[0]), pos)
            reference.SetProp("_Name", row["id"])
            yield row["id"], reference
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{file}: no file of ensembles ({error}); give Parquet as `confgen train` reads it") from error


def measure(method: Method, reference: Chem.Mol, blank: Record) -> Record:
    """The blank record with how the method did on the molecule, which it is given without the references."""
    mol = Chem.Mol(reference)
    mol.RemoveAllConformers()
    cpu, wall = cpu_seconds(), time.perf_counter()
    try:
        made: Made | None = method.run(mol, blank.asked)
        error = ""
    except (MoleculeError, RuntimeError, ValueError) as failure:
        made, error = None, f"{type(failure).__name__}: {failure}"
    spent = dataclasses.replace(blank, cpu_s=cpu_seconds() - cpu, wall_s=time.perf_counter() - wall)
    return dataclasses.replace(spent, error=error) if made is None else score(spent, made, reference)


def cpu_seconds() -> float:
    """CPU time of this process, all its threads, and its finished children."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def already_done(path: Path, file: str, methods: Sequence[Method]) -> dict[tuple[str, str], Record]:
    """Records of an earlier run by method and molecule; what a kill left of a last line is cut off the file.

    Raises CannotStart if a method was set up in another way then.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    setups = {method.name: method.setup for method in methods}
    done = {}
    for line in whole.splitlines():
        record = Record(**json.loads(line))
        if record.file == file and record.method in setups:
            if record.setup != setups[record.method]:
                raise CannotStart(
                    f"{path}: `{record.method}` ran there with {record.setup}, not {setups[record.method]}; "
                    "give another file"
                )
            done[record.method, record.id] = record
    return done


def available(specs: Sequence[str], weights: str, seed: int, device: str) -> list[Method]:
    """The methods whose packages are installed; the others are named on standard error."""
    methods = []
    for spec in specs:
        try:
            methods.append(build(spec, weights=weights, seed=seed, device=device))
        except ImportError as error:
            typer.echo(f"{spec}: left out, {error.name} is not installed; pip install -e '.[peers]'", err=True)
    if not methods:
        raise CannotStart("none of the methods can run; install their packages")
    return methods


def compare(
    file: Path, methods: Sequence[Method], count: int, min_confs: int, log: IO[str], done: dict[tuple[str, str], Record]
) -> list[Record]:
    """One record for each method and molecule, method by method; new ones are written to `log` as they are made."""
    warm = Chem.AddHs(Chem.MolFromSmiles(WARM_UP))
    for method in methods:
        method.run(warm, 1)
    records = []
    with tqdm(total=len(methods) * count, unit="run", disable=None) as bar:
        for identity, reference in references(file, count, min_confs):
            asked = 2 * reference.GetNumConformers()
            for method in methods:
                bar.set_description(method.name.partition(":")[0])
                record = done.get((method.name, identity))
                if record is None:
                    blank = Record(file.name, identity, method.name, method.setup, asked // 2, asked)
                    record = measure(method, reference, blank)
                    log.write(json.dumps(dataclasses.asdict(record)) + "\n")
                    log.flush()
                records.append(record)
                bar.update()
    return sorted(records, key=lambda record: [method.name for method in methods].index(record.method))


def report(file: Path, methods: Sequence[Method], records: Sequence[Record]) -> str:
    """The tables, and below them what made them."""
    molecules = len({record.id for record in records})
    references = sum(record.references for record in records if record.method == records[0].method)
    failures = [f"- `{r.method}` failed on {r.id}: {r.error}" for r in records if r.error]
    lines = [
        tables(records),
        *([""] if failures else []),
        *failures,
        "",
        f"{molecules} molecules of `{file.name}`, {references} references, {dt.date.today().isoformat()}, "
        f"commit {commit()}, one core of {processor()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("rdkit", "torch", "numpy")),
        "",
        *(f"- `{method.name}`: {method.setup}" for method in methods),
        "",
        f"    {command_line()}",
    ]
    return "\n".join(lines) + "\n"


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of reference ensembles.", exists=True, dir_okay=False)],
    molecules: Annotated[int, typer.Option(min=1, help="The first so many that have enough references.")] = 100,
    methods: Annotated[str, typer.Option(help="Comma-separated; see the text above.")] = "etkdg,etkdg+mmff,confgen",
    weights: Annotated[str, typer.Option(help="Name or folder.")] = "drugs",
    min_confs: Annotated[int, typer.Option(min=1, help="References a molecule must have.")] = 1,
    seed: Annotated[int, typer.Option(min=1, help="Of every method that has one.")] = 42,
    device: Annotated[str, typer.Option(help="For confgen: cpu, cuda ...")] = "cpu",
    log_file: Annotated[
        Path | None, typer.Option("--json", help="Write one line for each molecule and method.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what --json has of an earlier run.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables here as well.")] = None,
) -> None:
    """Compare methods on the same molecules and print Markdown tables."""
    torch.set_num_threads(1)
    try:
        if resume and log_file is None:
            raise CannotStart("--resume needs the --json file of the earlier run")
        if log_file is not None and log_file.exists() and not resume:
            raise CannotStart(f"{log_file}: exists; pass --resume to go on with it, or choose another name")
        ready = available(split_methods(methods), weights, seed, device)
        done = already_done(log_file, file.name, ready) if log_file is not None else {}
        with (log_file or Path(os.devnull)).open("a", encoding="utf-8") as log:
            records = compare(file, ready, molecules, min_confs, log, done)
        if not records:
            raise InputError(f"{file}: no molecule has {min_confs} references; lower --min-confs")
    except ConfgenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    text = report(file, ready, records)
    typer.echo(text)
    if markdown is not None:
        markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
