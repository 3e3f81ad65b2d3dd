"""Hard molecules, large and strained: which methods make conformers of them, in what time and memory, valid or not.

    python tests/benchmarks/hard.py --json hard.jsonl --markdown hard.md
    python tests/benchmarks/hard.py --kinds cage,strained --methods confgen --json cages.jsonl
    python tests/benchmarks/hard.py --file molecules.smi -n 3 --json molecules.jsonl

The molecules stand in hard_molecules.py, or in a file of any kind that confgen reads. Every method runs in a process of
its own, on one core, with a limit of CPU time for each molecule, and its conformers are judged by the checks of
`confgen check`. Methods: see peers.py.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import numpy as np
import quality
import typer
from command import Limit, LogFile, MarkdownFile, Methods, Resume, Weights, errors_told, markdown, publish
from hard_molecules import HARD
from peers import split_methods
from rdkit import Chem

from confgen.conformers import with_positions
from confgen.errors import CannotStart
from confgen.isomers import enumerate_stereo
from confgen.molecule import from_smiles
from confgen.readers import read_records
from confgen.validity import check

METHODS = "confgen,etkdg,etkdg:random"
COLUMNS = ("kind", "molecule", "heavy", "method", "conformers", "by", "valid", "failed checks", "CPU s", "peak MB")
KIND_COLUMNS = ("kind", "method", "molecules done", "conformers", "by etkdg", "valid", "CPU s", "peak MB")
MOST_SHOWN = 500  # molecules and methods with a row each; of more, only what fails
MEANING = (
    "Conformers made of those asked for; by network or etkdg; valid are those that pass all checks; peak is the "
    "largest memory of the method's process until then."
)


@dataclass(frozen=True)
class Record:
    """How a method did on one molecule; `peak_mb` is the largest its process has been until then."""

    kind: str
    name: str
    method: str
    setup: str
    heavy: int
    asked: int
    returned: int = 0
    valid: int = 0
    failed_checks: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    error: str = ""


def molecules(kinds: str, names: str) -> Iterator[tuple[str, str, Chem.Mol]]:
    """Kind, name and molecule; of what is left open the first stereoisomer, so that all methods make the same one.

    kinds, names: comma-separated, all if empty. Raises CannotStart for a kind that is none.
    """
    wanted = [part.strip() for part in kinds.split(",")] if kinds else list(HARD)
    unknown = [kind for kind in wanted if kind not in HARD]
    if unknown:
        raise CannotStart(f"kind {unknown[0]!r} is none; choose among {', '.join(HARD)}")
    for kind in wanted:
        for name, smiles in HARD[kind].items():
            if not names or name in names.split(","):
                yield kind, name, enumerate_stereo(from_smiles(smiles, name), cap=1)[0]


def of_file(path: Path, names: str) -> Iterator[tuple[str, str, Chem.Mol]]:
    """As `molecules`, of a file, by its name; entries that cannot be read are said and left out."""
    for record in read_records([str(path)]):
        if record.mol is None:
            typer.echo(record.error, err=True)
        elif not names or record.name in names.split(","):
            yield path.stem, record.name, enumerate_stereo(record.mol, cap=1)[0]


def measure(method: quality.Runner, mol: Chem.Mol, blank: Record) -> Record:
    """The blank with what the method made of the molecule."""
    outcome = method.run(mol, blank.asked)
    spent = dataclasses.replace(blank, cpu_s=outcome.cpu_s, peak_mb=outcome.peak_mb)
    if outcome.made is None or not len(outcome.made.pos):
        return dataclasses.replace(spent, error=outcome.error or "no conformer came back")
    failed = check(with_positions(mol, np.asarray(outcome.made.pos)))
    return dataclasses.replace(
        spent,
        returned=len(failed),
        valid=sum(not names for names in failed),
        failed_checks=dict(Counter(name for names in failed for name in names)),
        sources=dict(Counter(outcome.made.sources)),
    )


def already_done(path: Path, methods: Sequence[quality.Runner]) -> dict[tuple[str, str, int], Record]:
    """Records of an earlier run by method, molecule and number asked for, where the method was set up as it is now."""
    setups = {method.name: method.setup for method in methods}
    return {(r.method, r.name, r.asked): r for r in jsonl.read(path, Record) if setups.get(r.method) == r.setup}


def document(records: Sequence[Record], methods: Sequence[quality.Runner]) -> str:
    """Tables by kind and by molecule (those that fail a check, if there are many), what failed, what made them."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kind, record.method), []).append(record)
    shown = records if len(records) <= MOST_SHOWN else [r for r in records if not r.error and r.failed_checks]
    failed = [f"- `{r.method}` failed on {r.name} ({r.cpu_s:.0f} CPU s): {r.error}" for r in records if r.error]
    lines = [
        MEANING, "",
        *markdown(KIND_COLUMNS, [_kind_row(*key, own) for key, own in groups.items()]), "",
        *markdown(COLUMNS, [_row(record) for record in shown]), "",
        *failed, *([""] if failed else []),
        *quality.made_by(f"{len({r.name for r in records})} molecules", methods),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _kind_row(kind: str, method: str, own: Sequence[Record]) -> list[str]:
    return [
        kind,
        f"`{method}`",
        f"{sum(r.returned > 0 for r in own)} of {len(own)}",
        f"{sum(r.returned for r in own)} of {sum(r.asked for r in own)}",
        str(sum(r.sources.get("etkdg", 0) for r in own)) if any(r.sources for r in own) else "-",
        str(sum(r.valid for r in own)),
        f"{sum(r.cpu_s for r in own):.1f}",
        f"{max(r.peak_mb for r in own):.0f}",
    ]


def _row(r: Record) -> list[str]:
    by = " ".join(f"{source} {count}" for source, count in r.sources.items())
    checks = " ".join(f"{name} {count}" for name, count in r.failed_checks.items())
    made = [f"{r.returned} of {r.asked}", by or "-", str(r.valid), checks or "-"]
    return [r.kind, r.name, str(r.heavy), f"`{r.method}`", *made, f"{r.cpu_s:.1f}", f"{r.peak_mb:.0f}"]


def main(
    log_file: LogFile,
    num_confs: Annotated[int, typer.Option("-n", "--num-confs", min=1)] = 5,
    methods: Methods = METHODS,
    kinds: Annotated[str, typer.Option(help="Comma-separated; all if empty.")] = "",
    names: Annotated[str, typer.Option(help="Molecules, comma-separated; all if empty.")] = "",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Molecules in the place of ours.")
    ] = None,
    weights: Weights = "drugs",
    seed: Annotated[int, typer.Option(min=1, help="Of every method.")] = 42,
    limit_s: Limit = 120,
    resume: Resume = False,
    target: MarkdownFile = None,
) -> None:
    """Run conformer programs on hard molecules and print Markdown tables."""
    with errors_told(), ExitStack() as stack:
        jsonl.refuse_existing(log_file, resume)
        ready = quality.available(split_methods(methods), stack, weights=weights, seed=seed, limit_s=limit_s)
        done = already_done(log_file, ready)
        log = stack.enter_context(jsonl.opened(log_file))
        records = []
        for kind, name, mol in molecules(kinds, names) if file is None else of_file(file, names):
            for method in ready:
                record = done.get((method.name, name, num_confs))
                if record is None:
                    blank = Record(kind, name, method.name, method.setup, mol.GetNumHeavyAtoms(), num_confs)
                    record = measure(method, mol, blank)
                    jsonl.add(log, record)
                records.append(record)
        if not records:
            raise CannotStart(f"no molecule is named {names!r}; see {file or 'hard_molecules.py'}")
    publish(document(records, ready), target)


if __name__ == "__main__":
    typer.run(main)
