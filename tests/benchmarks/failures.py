"""Where a method fails: its error by class of molecule beside that of another method, and its worst molecules.

    python tests/benchmarks/table.py FOLDER --json records.jsonl
    python tests/benchmarks/failures.py FOLDER --json records.jsonl --markdown failures.md --draw worst.png --worst 10

The records are those of table.py or quality.py, --json may be given several times, and FOLDER holds the Parquet files
they are of. Only molecules that both methods were given count; where several numbers of conformers were asked for of
one, the largest. The classes: see classes.py.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import numpy as np
import quality
import typer
from classes import CLASSES, classes_of
from command import MarkdownFile, errors_told, markdown, publish
from provenance import command_line
from rdkit import Chem
from rdkit.Chem import Draw
from rdkit.Chem.rdMolDescriptors import CalcNumRotatableBonds
from scoring import MAIN_THRESHOLD, THRESHOLDS, Record
from stereo import flat_smiles

from confgen.errors import InputError
from confgen.scores import statistic

MAIN = THRESHOLDS.index(MAIN_THRESHOLD)
FEWEST = 5  # molecules whose bootstrap says anything
ALL_ROWS = 1_000_000
COLUMNS = (
    "kind", "class", "molecules", "conformers", "COV-R", "AMR-R", "AMR-R difference", "with several references",
    "COV-P", "AMR-P",
)  # fmt: skip
LIST_COLUMNS = (
    "", "molecule", "SMILES", "rotatable bonds", "heavy atoms", "what it is", "conformers", "AMR-R", "AMR-P",
    "failed checks",
)  # fmt: skip
MEANING = (
    f"Means over molecules, heavy atoms; COV in %, covered is below {MAIN_THRESHOLD} A; AMR in angstrom. The "
    "difference is that of the AMR-R of the same molecules, above 0 where the first is worse, with the bootstrap 95% "
    f"interval from {FEWEST} molecules on. A molecule without conformers has COV 0 and no AMR. Precision is of the "
    "molecules with several references. A molecule may be in several classes of rings and of elements."
)
TOLD = ("charge", "rings", "elements")  # of the classes, in the lists
PANEL = (360, 280)  # pixels
ABREAST = 5


@dataclass(frozen=True)
class Pair:
    """How both methods did on one molecule, `smiles` without hydrogens; `classes` as of classes_of."""

    own: Record
    peer: Record
    smiles: str
    classes: list[tuple[str, str]]

    @property
    def amr_r(self) -> float:
        """Of the method, in angstrom; infinite without conformers."""
        return math.inf if self.own.amr_r is None else self.own.amr_r

    @property
    def behind(self) -> float:
        """AMR-R of the method less the peer's, in angstrom; minus infinite where the peer has no conformers."""
        return -math.inf if self.peer.amr_r is None else self.amr_r - self.peer.amr_r


def both(records: Sequence[Record], method: str, against: str) -> list[tuple[Record, Record]]:
    """The records of two methods on the same molecules, with the most conformers that both were asked for.

    Of two records of the same the later counts. Raises InputError.
    """
    there = dict.fromkeys(record.method for record in records)
    for name in (method, against):
        if name not in there:
            known = ", ".join(f"`{each}`" for each in there) or "none at all"
            raise InputError(f"the records have none of `{name}`, they are of {known}; choose with --method, --against")
    runs: dict[str, dict[tuple[str, str, int], Record]] = {name: {} for name in there}
    for record in records:
        runs[record.method][record.file, record.id, record.asked] = record
    shared = sorted(runs[method].keys() & runs[against].keys(), key=lambda key: key[2])
    largest = {key[:2]: key for key in shared}
    if not largest:
        raise InputError(f"no molecule was given to both `{method}` and `{against}`; choose others")
    return [(runs[method][key], runs[against][key]) for key in largest.values()]


def molecules(folder: Path, records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """SMILES without hydrogens of the molecules of the records, by file and id. Raises InputError."""
    wanted: dict[str, set[str]] = {}
    for record in records:
        wanted.setdefault(record.file, set()).add(record.id)
    found = {}
    for file, ids in wanted.items():
        path = folder / file
        if not path.is_file():
            raise InputError(f"{path}: is not there, but there are records of it; give the folder that table.py had")
        for identity, mol in quality.references(quality.Task(path, ALL_ROWS)):
            if identity in ids:
                found[file, identity] = flat_smiles(mol)
                ids.remove(identity)
            if not ids:
                break
        if ids:
            raise InputError(f"{path}: has no molecule {min(ids)!r}, but there are records of it; is it another file?")
    return found


def pairs(folder: Path, records: Sequence[Record], method: str, against: str) -> list[Pair]:
    """Both methods on every molecule that they share, in the order of the files and ids. Raises InputError."""
    known = both(records, method, against)
    smiles = molecules(folder, [own for own, _ in known])
    made = [
        Pair(own, peer, smiles[own.file, own.id], classes_of(Chem.MolFromSmiles(smiles[own.file, own.id])))
        for own, peer in known
    ]
    return sorted(made, key=lambda pair: (pair.own.file, pair.own.id))


def class_table(of: Sequence[Pair]) -> list[str]:
    """Lines of the table of classes, those with no molecule left out."""
    rows = [["all", "", *_cells(of)]]
    for kind, classes in CLASSES.items():
        groups = {name: [pair for pair in of if (kind, name) in pair.classes] for name in classes}
        rows += [[kind, name, *_cells(own)] for name, own in groups.items() if own]
    return markdown(COLUMNS, rows)


def _cells(of: Sequence[Pair]) -> list[str]:
    """Cells of a row: what the method has and, after a stroke, what the peer has."""
    several = [pair for pair in of if pair.own.references > 1]
    returned = [sum(record.returned for record in side) for side in zip(*((p.own, p.peer) for p in of), strict=True)]
    return [
        str(len(of)),
        f"{returned[0]} / {returned[1]} of {sum(pair.own.asked for pair in of)}",
        _means(of, lambda record: 100 * record.cov_r[MAIN], 1),
        _means(of, lambda record: record.amr_r, 2),
        difference(of),
        str(len(several)),
        _means(several, lambda record: 100 * record.cov_p[MAIN], 1),
        _means(several, lambda record: record.amr_p, 2),
    ]


def _means(of: Sequence[Pair], value: Callable[[Record], float | None], digits: int) -> str:
    """`method / peer`: means over the molecules for which both have the value."""
    values = [(value(pair.own), value(pair.peer)) for pair in of]
    known = [(own, peer) for own, peer in values if own is not None and peer is not None]
    return _beside(*np.mean(known, axis=0), digits) if known else "-"


def _beside(own: float | None, peer: float | None, digits: int = 2) -> str:
    return " / ".join("-" if value is None else f"{value:.{digits}f}" for value in (own, peer))


def difference(of: Sequence[Pair]) -> str:
    """Mean AMR-R of the method less the peer's where both have one, with the bootstrap 95% interval."""
    known = statistic(np.array([pair.behind for pair in of if math.isfinite(pair.behind)]))
    if not known.count:
        return "-"
    mean, low, high = (f"{round(value, 2) + 0.0:+.2f}" for value in (known.mean, known.low, known.high))  # no -0.00
    return f"{mean} ({low} to {high})" if known.count >= FEWEST else mean


def worst(of: Sequence[Pair], count: int) -> list[Pair]:
    """The molecules with the largest AMR-R of the method, those without conformers first."""
    return sorted(of, key=lambda pair: -pair.amr_r)[:count]


def most_behind(of: Sequence[Pair], count: int) -> list[Pair]:
    """The molecules on which the peer's AMR-R is smaller by most."""
    return sorted((pair for pair in of if pair.behind > 0), key=lambda pair: -pair.behind)[:count]


def list_of(chosen: Sequence[Pair]) -> list[str]:
    """Lines of a table with a row for each molecule."""
    return markdown(LIST_COLUMNS, [[str(number), *_list_cells(pair)] for number, pair in enumerate(chosen, 1)])


def _list_cells(pair: Pair) -> list[str]:
    mol = Chem.MolFromSmiles(pair.smiles)
    failed = ", ".join(f"{name} {count}" for name, count in pair.own.failed_checks.items())
    return [
        _label(pair),
        f"`{pair.smiles}`",
        str(CalcNumRotatableBonds(mol)),
        str(mol.GetNumHeavyAtoms()),
        ", ".join(name for kind, name in pair.classes if kind in TOLD),
        f"{pair.own.returned} / {pair.peer.returned} of {pair.own.asked}",
        _beside(pair.own.amr_r, pair.peer.amr_r),
        _beside(pair.own.amr_p, pair.peer.amr_p),
        pair.own.error or failed or "none",
    ]


def _label(pair: Pair) -> str:
    return f"{Path(pair.own.file).stem} {pair.own.id}"


def draw(groups: dict[str, Sequence[Pair]], target: Path) -> None:
    """The molecules of every group as a PNG grid of depictions, each with the AMR-R of both methods."""
    legends = {
        f"{group} {number}: {pair.own.id}, {_beside(pair.own.amr_r, pair.peer.amr_r)} A": pair.smiles
        for group, chosen in groups.items()
        for number, pair in enumerate(chosen, 1)
    }
    mols = [Chem.MolFromSmiles(smiles) for smiles in legends.values()]
    image = Draw.MolsToGridImage(mols, ABREAST, PANEL, list(legends), returnPNG=True)
    target.write_bytes(image)


def document(of: Sequence[Pair], count: int) -> str:
    """The table of classes, both lists of molecules, and what made the records."""
    own, peer = of[0].own.method, of[0].peer.method
    per_file = Counter(pair.own.file for pair in of)
    setups = dict.fromkeys((record.method, record.setup) for pair in of for record in (pair.own, pair.peer))
    behind = most_behind(of, count)
    lines = [
        f"`{own}` / `{peer}`. {MEANING}",
        "",
        *class_table(of),
        "",
        f"Largest AMR-R of `{own}`:",
        "",
        *list_of(worst(of, count)),
        "",
        f"`{peer}` better by most:" if behind else f"`{peer}` is better on none.",
        *(["", *list_of(behind)] if behind else []),
        "",
        ", ".join(f"{number} molecules of `{file}`" for file, number in per_file.items()),
        "",
        *(f"- `{method}`: {setup}" for method, setup in setups),
        "",
        f"    {command_line()}",
    ]
    return "\n".join(lines) + "\n"


def main(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files are.", exists=True, file_okay=False)],
    logs: Annotated[list[Path], typer.Option("--json", help="Records of table.py; may be given several times.")],
    method: Annotated[str, typer.Option(help="Whose failures.")] = "confgen",
    against: Annotated[str, typer.Option(help="Held against this one.")] = "etkdg+mmff",
    number: Annotated[int, typer.Option("--worst", min=1, help="Molecules in each list.")] = 10,
    target: MarkdownFile = None,
    png: Annotated[Path | None, typer.Option("--draw", help="Draw the molecules of the lists here.")] = None,
) -> None:
    """Sort the errors of a method by class of molecule and list its worst molecules."""
    with errors_told():
        records = [record for log in logs for record in jsonl.kept(log, Record)]
        of = pairs(folder, records, method, against)
    publish(document(of, number), target)
    if png is not None:
        draw({"worst": worst(of, number), "behind": most_behind(of, number)}, png)


if __name__ == "__main__":
    typer.run(main)
