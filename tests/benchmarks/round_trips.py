"""What each output format of `confgen generate` loses: files read back, compared with the ensembles in memory.

    python tests/benchmarks/round_trips.py --json round_trips.jsonl --markdown round_trips.md

One run of the command line for each ending, of MOLECULES from an SD file with tags, relaxed so that there are energies;
the same through the Python API is what they are compared with. Every file is read by a program that is not confgen (the
first of its lines in the table) and by confgen. How they are compared: see told.py.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import typer
from command import LogFile, MarkdownFile, Seed, Weights, errors_told, markdown, publish
from provenance import command_line, commit, processor
from rdkit import Chem
from rdkit.Chem import rdDepictor
from speed import run
from told import Told, by_ase, by_confgen, by_json, by_pyarrow, by_rdkit, compared, of_ensemble

from confgen.errors import OutputError
from confgen.generate import load
from confgen.molecule import from_smiles
from confgen.readers import read_records

MOLECULES = {
    "ibuprofen": "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O",
    "several stereo elements": "C[C@H](O)[C@@H](F)/C=C/[C@H](N)CO",
    "naïve 分子, 2 µM": "OC[C@@H](O)c1ccccc1",
    "salt": "C[NH2+]CCc1ccccc1.[Cl-]",
    "zwitterion": "C[C@H]([NH3+])C(=O)[O-]",
    "dianion": "[O-]C(=O)CCC(=O)[O-]",
    "007": "[2H]C([2H])([2H])O[13CH2]CCO",
    'sulfoxide "R"': "CCC[S@](=O)CC",
    "oxime": "CC/C(C)=N/O",
    "nitro \\ azide": "[N-]=[N+]=NCCc1ccc([N+](=O)[O-])cc1",
}
TAGS = {"assay id": "007", "remark": 'said "no" > twice\nand \\ again', "Ki µM": "0.50", "flag": "true"}
READERS: dict[str, tuple[str, Callable[[Path], list[Told]]]] = {
    "sdf": ("RDKit", by_rdkit), "sdf.gz": ("RDKit", by_rdkit), "xyz": ("ASE", by_ase), "extxyz": ("ASE", by_ase),
    "xyz.gz": ("ASE", by_ase), "jsonl": ("json", by_json), "jsonl.gz": ("json", by_json),
    "parquet": ("pyarrow", by_pyarrow),
}  # fmt: skip
COLUMNS = ("ending", "reader", "molecules", "conformers", "largest difference in A", "lost")
MEANING = (
    "Difference: of any coordinate from the ensembles in memory, where Parquet's conformers are centred. Compared "
    "besides: number and order of molecules and conformers, names, atoms in their order (in JSON lines and Parquet "
    "that of the SMILES), isotopes, charges, bonds, stereochemistry, tags of the input, and what confgen says of each "
    "conformer; of the last, confgen's own reader gives relative energies and Boltzmann weights alone."
)


@dataclass(frozen=True)
class Record:
    """What a reader found in a file, and what was lost of the ensembles that were to be there."""

    ending: str
    reader: str
    molecules: int
    conformers: int
    difference: float
    lost: list[str]


def write_input(path: Path) -> None:
    """MOLECULES as drawings, with TAGS."""
    with Chem.SDWriter(str(path)) as writer:
        for name, smiles in MOLECULES.items():
            mol = Chem.RemoveHs(from_smiles(smiles))
            rdDepictor.Compute2DCoords(mol)
            for tag, value in (TAGS | {"_Name": name}).items():
                mol.SetProp(tag, value)
            writer.write(mol)


def in_memory(source: Path, num_confs: int, seed: int, weights: str) -> list[Told]:
    """What the files should tell, from the Python API."""
    mols = [record.mol for record in read_records([str(source)]) if record.mol is not None]
    made = load(weights, "cpu").generate_many(mols, num_confs=num_confs, seed=seed, relax="mmff94s")
    return [of_ensemble(ensemble) for ensemble in made if ensemble.mol is not None]


def generate(source: Path, target: Path, num_confs: int, seed: int, weights: str) -> None:
    """The run of the command line. Raises OutputError if it does not end well."""
    program = str(Path(sys.executable).with_name("confgen"))
    options = ["-n", str(num_confs), "--seed", str(seed), "-w", weights, "--relax", "mmff94s", "--device", "cpu"]
    used = run([program, "generate", str(source), *options, "--workers", "1", "-o", str(target)], threads=1)
    if used.exit_code:
        raise OutputError(
            f"{target.name}: confgen ended with exit code {used.exit_code}: {used.messages.strip()[-300:]}"
        )


def records_of(ending: str, target: Path, expected: Sequence[Told]) -> list[Record]:
    """One for the reader that is not confgen, one for confgen's."""
    records = []
    for reader, read in (READERS[ending], ("confgen", by_confgen)):
        found = read(target)
        difference, lost = compared(expected, found, reorders=ending.startswith(("json", "parquet")),
                                    centres=ending == "parquet")  # fmt: skip
        conformers = sum(len(one.pos) for one in found)
        records.append(Record(ending, reader, len(found), conformers, difference, lost))
    return records


def document(records: Sequence[Record], expected: Sequence[Told]) -> str:
    """The table, and what made it."""
    rows = [
        [f".{r.ending}", r.reader, str(r.molecules), str(r.conformers), f"{r.difference:.1e}", "; ".join(r.lost) or "-"]
        for r in records
    ]
    made = f"{len(expected)} molecules with {sum(len(one.pos) for one in expected)} conformers in memory"
    lines = [
        MEANING, "", *markdown(COLUMNS, rows), "",
        f"{made}, {dt.date.today().isoformat()}, commit {commit()}, one core of {processor()}", "",
        f"    {command_line()}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main(
    log_file: LogFile,
    num_confs: Annotated[int, typer.Option("-n", "--num-confs", min=1)] = 4,
    weights: Weights = "drugs",
    seed: Seed = 42,
    target: MarkdownFile = None,
) -> None:
    """Write ensembles in every format, read them back, and print a Markdown table."""
    with errors_told(), tempfile.TemporaryDirectory() as name:
        jsonl.refuse_existing(log_file, resume=False)
        source = Path(name) / "input.sdf"
        write_input(source)
        expected = in_memory(source, num_confs, seed, weights)
        records = []
        with jsonl.opened(log_file) as log:
            for ending in READERS:
                generate(source, Path(name) / f"out.{ending}", num_confs, seed, weights)
                for record in records_of(ending, Path(name) / f"out.{ending}", expected):
                    jsonl.add(log, record)
                    records.append(record)
    publish(document(records, expected), target)


if __name__ == "__main__":
    typer.run(main)
