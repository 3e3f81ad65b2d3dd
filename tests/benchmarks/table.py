"""The peers' table: confgen and other conformer programs on all sets of molecules, in one Markdown document.

    python tests/benchmarks/table.py FOLDER --json records.jsonl --markdown table.md
    python tests/benchmarks/table.py FOLDER --sets openff_val=40,iridium_bioactive=10 --json records.jsonl --resume

FOLDER holds the Parquet files of SETS. On sets of ensembles exactly 2K conformers are asked for where K references are
looked at; on bioactive ones, whose reference is the shape of a ligand in a crystal, 10, 50 and 200 in runs of their
own. One core; every method in a process of its own. How one molecule is measured and scored: see quality.py. Where a
method fails, by class of molecule, from these records: see failures.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import jsonl
import quality
import typer
from command import Limit, LogFile, MarkdownFile, Methods, Resume, Seed, Weights, errors_told, markdown, publish
from peers import split_methods
from scoring import MAIN_COLUMNS, MEANING, Record, by_method, cost_cells, interval, main_rows

from confgen.errors import CannotStart, InputError

METHODS = "etkdg,etkdg+mmff,conforge,openbabel,openbabel:search=weighted,openconf,confgen,confgen+mmff"
ALL = 1_000_000  # molecules
RECOVERY_ASKS = (10, 50, 200)
RECOVERY_THRESHOLDS = (0.5, 1.0, 1.5)  # angstrom
RECOVERY_COLUMNS = (
    "method", "asked", "failed", "conformers", "best RMSD", "median", *(f"< {at} A" for at in RECOVERY_THRESHOLDS),
    "stereo", "valid", "CPU ms / conformer", "peak MB",
)  # fmt: skip
RECOVERY_MEANING = (
    "Bioactive shapes: RMSD in angstrom of the nearest conformer to the crystal's, its mean over molecules with the "
    "bootstrap 95% interval and its median, both without failures; then the share of all molecules, in %, that come "
    "nearer than so much."
)


@dataclass(frozen=True)
class Set:
    """A file of the folder, by its stem, as quality.Task looks at it; `also` are methods run on it alone."""

    name: str
    min_confs: int = 1
    max_references: int | None = None
    asks: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    remark: str = ""
    molecules: int = ALL

    def task(self, folder: Path) -> quality.Task:
        """What the methods are to do."""
        path = folder / f"{self.name}.parquet"
        return quality.Task(path, self.molecules, self.min_confs, self.max_references, self.asks)


SETS = (
    Set("openff_val", min_confs=5, also=("confgen:start=harmonic",), remark="DFT, at least 5 references"),
    Set("hutchison_val", min_confs=2, remark="at least 2 references, near-duplicates among them"),
    Set("geom_drugs_sample", remark="CREST, xTB"),
    Set("macrocycle_train", max_references=30, remark="CREST, xTB; the 30 references of lowest energy at most"),
    Set("iridium_bioactive", asks=RECOVERY_ASKS, remark="crystal structures of ligands"),
)


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of `10,50,200`. Raises CannotStart."""
    if not all(part.isdecimal() and int(part) for part in text.split(",")):
        raise CannotStart(f"{text!r} is no list of numbers from 1 on; give it like 10,50,200")
    return tuple(int(part) for part in text.split(","))


def chosen(text: str, asks: tuple[int, ...] = RECOVERY_ASKS) -> list[Set]:
    """The sets of `openff_val=40,hutchison_val`, with the number of molecules of each; all of all sets for no text.

    asks: conformers asked for of bioactive shapes. Raises CannotStart.
    """
    known = {each.name: replace(each, asks=asks if each.asks else ()) for each in SETS}
    sets = []
    for part in text.split(",") if text else known:
        name, equals, number = part.partition("=")
        if name not in known or (equals and not (number.isdecimal() and int(number))):
            raise CannotStart(f"set {part!r} is none; choose among {', '.join(known)}, each with =NUMBER of molecules")
        sets.append(replace(known[name], molecules=int(number) if equals else ALL))
    return sets


def ensembles_table(records: dict[str, list[Record]]) -> list[str]:
    """Lines of the table of the sets whose ensembles are compared with references."""
    rows = [
        [f"`{name}`", *row]
        for name, own in records.items()
        for method, of_method in by_method(own).items()
        for row in main_rows(method, of_method)
    ]
    return [MEANING, "", *markdown(("set", *MAIN_COLUMNS), rows), ""] if rows else []


def recovery_table(records: Sequence[Record]) -> list[str]:
    """Lines of the table of recovered bioactive shapes."""
    rows = [
        _recovery_row(method, asked, [r for r in own if r.asked == asked])
        for method, own in by_method(records).items()
        for asked in dict.fromkeys(r.asked for r in own)
    ]
    return [RECOVERY_MEANING, "", *markdown(RECOVERY_COLUMNS, rows), ""] if rows else []


def _recovery_row(method: str, asked: int, records: Sequence[Record]) -> list[str]:
    best = [r.amr_r for r in records if r.amr_r is not None]  # there is one reference: its mean is its smallest
    return [
        f"`{method}`",
        str(asked),
        f"{len(records) - len(best)} of {len(records)}",
        f"{sum(r.returned for r in records)} of {sum(r.asked for r in records)}",
        interval(best, 2),
        f"{sorted(best)[len(best) // 2]:.2f}" if best else "-",
        *(f"{100 * sum(rmsd < at for rmsd in best) / len(records):.0f}" for at in RECOVERY_THRESHOLDS),
        *cost_cells(records),
    ]


def document(sets: Sequence[Set], records: dict[str, list[Record]], methods: Sequence[quality.Runner]) -> str:
    """Both tables, what the sets are, what failed, and what made it all."""
    recovered = [record for each in sets if each.asks for record in records[each.name]]
    failed = [line for own in records.values() for line in quality.failures(own)]
    lines = [
        *ensembles_table({each.name: records[each.name] for each in sets if not each.asks}),
        *recovery_table(recovered),
        *(_described(each, records[each.name]) for each in sets),
        "",
        *failed,
        *([""] if failed else []),
        *quality.made_by(f"{len(sets)} sets", methods),
    ]
    return "\n".join(lines) + "\n"


def _described(each: Set, records: Sequence[Record]) -> str:
    references = {record.id: record.references for record in records}
    return f"- `{each.name}`: molecules {len(references)}, references {sum(references.values())}; {each.remark}"


def main(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files are.", exists=True, file_okay=False)],
    log_file: LogFile,
    sets: Annotated[str, typer.Option(help="Comma-separated, with =NUMBER for the first so many molecules.")] = "",
    asks: Annotated[str, typer.Option(help="Conformers asked for of a bioactive shape.")] = "10,50,200",
    methods: Methods = METHODS,
    weights: Weights = "drugs",
    seed: Seed = 42,
    limit_s: Limit = 60,
    resume: Resume = False,
    target: MarkdownFile = None,
) -> None:
    """Compare conformer programs on all sets and print Markdown tables."""
    with errors_told(), ExitStack() as stack:
        jsonl.refuse_existing(log_file, resume)
        tasks = {each: each.task(folder) for each in chosen(sets, numbers(asks))}
        missing = [str(task.file) for task in tasks.values() if not task.file.is_file()]
        if missing:
            raise InputError(f"{missing[0]}: is not there; give the folder of the sets, or choose some with --sets")
        common = split_methods(methods)
        also = [spec for each in tasks for spec in each.also if spec not in common] if methods == METHODS else []
        options = {"weights": weights, "seed": seed, "limit_s": limit_s}
        ready = quality.available([*common, *dict.fromkeys(also)], stack, **options)
        log = stack.enter_context(jsonl.opened(log_file))
        records: dict[str, list[Record]] = {}
        for each, task in tasks.items():
            own = [method for method in ready if method.name in common or method.name in each.also]
            done = quality.already_done(log_file, task.file.name, own)
            records[each.name] = quality.compare(task, own, log, done)
    publish(document(list(tasks), records, ready), target)


if __name__ == "__main__":
    typer.run(main)
