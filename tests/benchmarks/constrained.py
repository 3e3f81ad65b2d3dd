"""Conformers around given coordinates: whether `confgen generate --template` holds a core, and what the rest does.

    python tests/benchmarks/constrained.py openff_val.parquet --molecules 15 --json constrained.jsonl

Molecules: of those with a ring and four rotatable bonds or more, the first in a seeded order. The template is the
Murcko scaffold (or the largest ring system with the atoms on it, where that leaves nothing to turn), cut from one of a
molecule's references; confgen, a program of its own for each molecule, is given the SMILES and the template. Beside it
ETKDGv3 with a coordMap of the same atoms, in this process, aligned on the template afterwards. Second,
`--from-conformer` from a reference whose SD record has no stereochemistry but its coordinates', at several --sigma.
How cores are cut and measured: see held.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import numpy as np
import typer
from command import LogFile, MarkdownFile, Seed, Weights, errors_told, markdown, publish
from held import FEWEST_ROTATABLE, Case, cases, count_distinct, fit, rmsds, spread, write_records
from programs import placed, written
from provenance import command_line, commit, processor
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign
from rdkit.Geometry import Point3D
from speed import Usage, run
from stereo import right

from confgen.conformers import with_positions
from confgen.errors import CannotStart
from confgen.validity import check

HELD = 0.1  # angstrom
CONFGEN, ETKDG = "confgen --template", "ETKDGv3, coordMap"
COLUMNS = (
    "method", "molecules with all", "conformers", "core RMSD median", "max", f"<= {HELD} A %", "max where written",
    "valid", "stereo right", "by etkdg", "distinct", "outside RMSD", "CPU s",
)  # fmt: skip
START_COLUMNS = ("--sigma", "molecules with all", "conformers", "RMSD to input median", "max", "valid", "stereo right",
                 "by etkdg", "CPU s")  # fmt: skip
MEANING = (
    "Core RMSD in angstrom of the template's atoms after alignment on it, by RDKit, and largest without alignment; "
    "valid passes all checks of confgen; stereo as RDKit reads it off the coordinates; distinct at 0.3 A; outside "
    "RMSD: mean over molecules of that among a molecule's conformers of the heavy atoms that are not held, all laid on "
    "the template; CPU seconds of all, each start of confgen included."
)
START_MEANING = (
    "RMSD in angstrom to the input, heavy atoms, aligned, with symmetry. Stereochemistry is in the input's "
    "coordinates alone."
)


@dataclass(frozen=True)
class Record:
    """What a method made of one molecule, a figure for each conformer in `aligned`, `in_place` and `to_input`.

    said: the program's own words where it made fewer conformers than asked for.
    """

    name: str
    method: str
    core: str
    core_atoms: int
    outside: int
    asked: int
    returned: int = 0
    aligned: list[float] = field(default_factory=list)
    in_place: list[float] = field(default_factory=list)
    to_input: list[float] = field(default_factory=list)
    valid: int = 0
    stereo_right: int = 0
    by_etkdg: int = 0
    distinct: int = 0
    spread: float = 0.0
    cpu_s: float = 0.0
    said: str = ""


def blank_of(case: Case, method: str, asked: int) -> Record:
    """A record of the molecule, without figures yet."""
    outside = case.mol.GetNumHeavyAtoms() - len(case.core)
    return Record(case.name, method, case.kind, len(case.core), outside, asked)


def generate(arguments: Sequence[object], target: Path) -> tuple[Usage, list[Chem.Mol]]:
    """What `confgen generate` used, on one core, and the records that it wrote."""
    program = str(Path(sys.executable).with_name("confgen"))
    fixed = ["--device", "cpu", "--workers", "1", "--force", "-o", str(target)]
    target.unlink(missing_ok=True)
    used = run([program, "generate", *map(str, arguments), *fixed], threads=1)
    return used, list(Chem.SDMolSupplier(str(target), removeHs=False)) if target.exists() else []


def words_on(name: str, messages: str) -> str:
    """The first line of a program's messages that names the molecule; else the last one, none if there is none."""
    lines = messages.strip().splitlines()
    own = [line for line in lines if f"'{name}'" in line]
    return (own or lines[-1:] or [""])[0][:300]


def gathered(mol: Chem.Mol, order: Sequence[int], records: Sequence[Chem.Mol]) -> Chem.Mol:
    """The molecule with the conformers of SD records, whose atom k is order[k]. Raises ValueError for another graph."""
    pos = []
    for record in records:
        elements = [atom.GetSymbol() for atom in record.GetAtoms()]
        bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in record.GetBonds()]
        pos.append(placed(mol, order, elements, bonds, [record.GetConformer().GetPositions()])[0])
    return with_positions(mol, np.array(pos))


def judged(blank: Record, made: Chem.Mol, records: Sequence[Chem.Mol] = ()) -> Record:
    """The blank with what can be said of conformers whatever they were made for."""
    return dataclasses.replace(
        blank,
        returned=made.GetNumConformers(),
        valid=sum(not names for names in check(made)),
        stereo_right=right(made),
        by_etkdg=sum(record.GetProp("source") == "etkdg" for record in records),
        distinct=count_distinct(made),
    )


def held(blank: Record, case: Case, made: Chem.Mol) -> Record:
    """The record with how the conformers hold the template."""
    fits = [fit(made, conformer.GetId(), case.template) for conformer in made.GetConformers()]
    return dataclasses.replace(
        blank,
        aligned=[round(one.aligned, 5) for one in fits],
        in_place=[round(one.in_place, 5) for one in fits],
        spread=round(spread(made, [one.pos for one in fits], case.core), 4),
    )


def by_confgen(case: Case, asked: int, seed: int, weights: str, folder: Path) -> Record:
    """The record of a run of the command line with a template."""
    smiles, order = written(case.mol)
    source, template = folder / "molecule.smi", folder / "template.sdf"
    source.write_text(f"{smiles} {case.name}\n", encoding="utf-8")
    write_records(template, [case.template])
    options = ["--template", template, "-n", asked, "--seed", seed, "-w", weights]
    used, records = generate([source, *options], folder / "held.sdf")
    said = words_on(case.name, used.messages) if len(records) < asked else ""
    blank = dataclasses.replace(blank_of(case, CONFGEN, asked), cpu_s=round(used.cpu_s, 3), said=said)
    if not records:
        return blank
    made = gathered(case.mol, order, records)
    return held(judged(blank, made, records), case, made)


def by_etkdg(case: Case, asked: int, seed: int) -> Record:
    """The record of ETKDGv3 with the core's atoms in its coordMap, then laid on the template."""
    began = time.process_time()
    made = Chem.Mol(case.mol)
    made.RemoveAllConformers()
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment] # RDKit's stubs are wrong
    there = case.mol.GetConformer().GetPositions()
    parameters.SetCoordMap({atom: Point3D(*there[atom].tolist()) for atom in case.core})
    for conf_id in rdDistGeom.EmbedMultipleConfs(made, asked, parameters):
        rdMolAlign.AlignMol(made, case.mol, prbCid=conf_id, atomMap=[(atom, atom) for atom in case.core])
    blank = dataclasses.replace(blank_of(case, ETKDG, asked), cpu_s=round(time.process_time() - began, 3))
    if not made.GetNumConformers():
        return dataclasses.replace(blank, said="no conformer was embedded")
    return held(judged(blank, made), case, made)


def around(chosen: Sequence[Case], sigma: float, asked: int, seed: int, weights: str, folder: Path) -> list[Record]:
    """The records of one run of the command line from the coordinates of all molecules."""
    plain = [Chem.Mol(case.mol) for case in chosen]
    for mol, case in zip(plain, chosen, strict=True):
        Chem.RemoveStereochemistry(mol)
        mol.SetProp("_Name", case.name)
    source = folder / "input.sdf"
    write_records(source, plain)
    options = ["--from-conformer", "--sigma", sigma, "--rms", 0, "-n", asked, "--seed", seed, "-w", weights]
    used, records = generate([source, *options], folder / "around.sdf")
    own = {name: list(group) for name, group in groupby(records, key=lambda record: record.GetProp("_Name"))}
    found = []
    for case in chosen:
        blank = dataclasses.replace(blank_of(case, f"{sigma:g}", asked), cpu_s=round(used.cpu_s / len(chosen), 3))
        if case.name not in own:
            found.append(dataclasses.replace(blank, said=words_on(case.name, used.messages)))
            continue
        made = gathered(case.mol, range(case.mol.GetNumAtoms()), own[case.name])
        to_input = [round(value, 4) for value in rmsds(made, case.mol)]
        found.append(dataclasses.replace(judged(blank, made, own[case.name]), to_input=to_input))
    return found


def logged(log: IO[str], record: Record) -> Record:
    """The record, which is written."""
    jsonl.add(log, record)
    return record


def row(own: Sequence[Record]) -> list[str]:
    """Cells of COLUMNS: one method on all molecules."""
    aligned = [value for r in own for value in r.aligned]
    shares = 100 * np.mean([value <= HELD for value in aligned]) if aligned else 0.0
    outside = [r.spread for r in own if r.returned > 1]
    return [
        *_first_cells(own),
        *_middle(aligned, 4),
        f"{shares:.0f}",
        f"{max((value for r in own for value in r.in_place), default=np.nan):.4f}",
        *_counts(own),
        str(sum(r.distinct for r in own)),
        f"{np.mean(outside):.2f}" if outside else "-",
        f"{sum(r.cpu_s for r in own):.1f}",
    ]


def start_row(own: Sequence[Record]) -> list[str]:
    """Cells of START_COLUMNS: one sigma on all molecules."""
    values = [value for r in own for value in r.to_input]
    return [*_first_cells(own), *_middle(values, 2), *_counts(own), f"{sum(r.cpu_s for r in own):.1f}"]


def _first_cells(own: Sequence[Record]) -> list[str]:
    made, asked = sum(r.returned for r in own), sum(r.asked for r in own)
    return [own[0].method, f"{sum(r.returned == r.asked for r in own)} of {len(own)}", f"{made} of {asked}"]


def _middle(values: Sequence[float], digits: int) -> list[str]:
    return [f"{of(values):.{digits}f}" if len(values) else "-" for of in (np.median, np.max)]


def _counts(own: Sequence[Record]) -> list[str]:
    return [str(sum(getattr(r, name) for r in own)) for name in ("valid", "stereo_right", "by_etkdg")]


def document(
    chosen: Sequence[Case], tables: Sequence[Sequence[Record]], around_input: Sequence[Sequence[Record]]
) -> str:
    """Both tables, what was short of what was asked, and what made them."""
    records = [record for own in (*tables, *around_input) for record in own]
    short = [
        f"- {r.method}, {r.name}: {r.returned} of {r.asked}, {r.valid} valid, core of {r.core_atoms} ({r.core}), "
        f"{r.outside} outside, core RMSD at most {max(r.aligned, default=0):.3f}. {r.said}".rstrip()
        for r in records
        if r.valid < r.asked or r.stereo_right < r.returned or max(r.aligned, default=0) > HELD
    ]
    kinds = ", ".join(f"{sum(case.kind == kind for case in chosen)} {kind}" for kind in ("scaffold", "ring"))
    of = f"{len(chosen)} molecules (cores: {kinds}), {dt.date.today().isoformat()}"
    lines = [
        MEANING, "", *markdown(COLUMNS, [row(own) for own in tables]), "",
        START_MEANING, "", *markdown(START_COLUMNS, [start_row(own) for own in around_input]), "",
        *short, *([""] if short else []),
        f"{of}, commit {commit()}, one core of {processor()}",
        "", f"    {command_line()}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of reference ensembles.", exists=True, dir_okay=False)],
    log_file: LogFile,
    molecules: Annotated[int, typer.Option(min=1)] = 15,
    num_confs: Annotated[int, typer.Option("-n", "--num-confs", min=1)] = 5,
    sigmas: Annotated[str, typer.Option(help="Of --from-conformer, comma-separated; none if empty.")] = "0.2,1",
    weights: Weights = "drugs",
    seed: Seed = 42,
    target: MarkdownFile = None,
) -> None:
    """Generate around given coordinates and print Markdown tables."""
    with errors_told():
        jsonl.refuse_existing(log_file, resume=False)
        chosen = cases(file, molecules, seed)
        if not chosen:
            raise CannotStart(f"{file}: no molecule has a ring and {FEWEST_ROTATABLE} rotatable bonds; give another")
        with tempfile.TemporaryDirectory() as name, jsonl.opened(log_file) as log:
            folder = Path(name)
            methods: list[Callable[[Case], Record]] = [
                lambda case: by_confgen(case, num_confs, seed, weights, folder),
                lambda case: by_etkdg(case, num_confs, seed),
            ]
            tables = [[logged(log, method(case)) for case in chosen] for method in methods]
            levels = [float(sigma) for sigma in sigmas.split(",") if sigma]
            around_input = [
                [logged(log, record) for record in around(chosen, sigma, num_confs, seed, weights, folder)]
                for sigma in levels
            ]
    publish(document(chosen, tables, around_input), target)


if __name__ == "__main__":
    typer.run(main)
