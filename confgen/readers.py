"""Molecules from the inputs of a command, one by one: SMILES, .smi, .csv, .tsv, .sdf, .mol, .mol2, and any of them .gz,
or `-` for standard input.

What makes a whole input unreadable (no such file, a directory, binary data, no SMILES column) raises `InputError`
before the first molecule is read. A bad entry, or damage met later, becomes a `Record` that carries the error, and
reading goes on. Files are streamed: memory holds one record.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from rdkit.Chem import Mol

from confgen.columns import Columns, find_columns, is_smiles_column
from confgen.errors import InputError, MoleculeError
from confgen.molecule import from_mol2block, from_molblock, from_smiles
from confgen.textfile import READ_ERRORS, cause, open_text

LINES, TABLE, SDF, MOL2 = "lines", "table", "sdf", "mol2"
KINDS = {
    **dict.fromkeys((".smi", ".smiles", ".ism", ".can", ".txt"), LINES),
    **dict.fromkeys((".csv", ".tsv"), TABLE),
    **dict.fromkeys((".sdf", ".sd", ".mol", ".mdl"), SDF),
    ".mol2": MOL2,
}
MAX_RECORD_LINES = 200_000  # of one SDF or MOL2 record: a file of another kind must not end up in memory
UNKNOWN_KIND = f"unknown kind of file; known are {' '.join(KINDS)}, and these with .gz"


@dataclass(frozen=True)
class Record:
    """One entry of an input: its molecule, or the error that says why there is none.

    name:    title of the record, name column, or rest of the SMILES line; for SMILES without one, the SMILES.
    origin:  where it stood: `mols.smi:7` (line), `lib.sdf record 3`, `ligand.mol`, `argument 1`; counted from 1.
    """

    mol: Mol | None
    name: str
    origin: str
    error: MoleculeError | None = None


Entry = Callable[[], Record]  # reads one entry of an input


def read_records(
    sources: Sequence[str], *, smiles_column: str | None = None, name_column: str | None = None
) -> Iterator[Record]:
    """The entries of every source, in order: a file, `-` (SDF, MOL2 or SMILES lines on standard input), or a SMILES.

    smiles_column, name_column: of .csv and .tsv files, in any case; found by their usual names if not given. The
    other columns become properties of the molecule, as SD tags do.
    Raises: InputError, at once, if a source cannot be read at all.
    """
    return (entry() for entry in read_entries(sources, smiles_column=smiles_column, name_column=name_column))


def read_entries(
    sources: Sequence[str], *, smiles_column: str | None = None, name_column: str | None = None
) -> Iterator[Entry]:
    """What `read_records` gives, each as a function: to pass over most of a large file costs little.

    Raises: InputError, at once, if a source cannot be read at all.
    """
    readers = [
        _reader(source, f"argument {number}", smiles_column, name_column)
        for number, source in enumerate(sources, start=1)
    ]
    return itertools.chain.from_iterable(read() for read in readers)


def _reader(
    source: str, argument: str, smiles_column: str | None, name_column: str | None
) -> Callable[[], Iterable[Entry]]:
    """What reads one source, after a look at its start that shows whether it can be."""
    if source == "-":
        return _read_stdin
    path = source[:-3] if source.lower().endswith(".gz") else source
    kind = KINDS.get(Path(path).suffix.lower())
    if kind is None and path == source:
        return partial(iter, [_known(_argument(source, argument))])
    if not Path(source).exists():
        raise InputError(f"{source}: no such file; check the path")
    _refuse_directory(source)
    if kind is None:
        raise InputError(f"{source}: {UNKNOWN_KIND}")
    with open_text(source) as text:
        columns = find_columns(source, text, smiles_column, name_column) if kind == TABLE else None
    return partial(_read_file, source, kind, columns)


def _argument(source: str, origin: str) -> Record:
    """The SMILES (and name) given as an argument.

    Raises: InputError if it is none and names or looks like a file.
    """
    smiles, name = _split_line(source)
    record = _record(from_smiles, smiles, name, origin)
    if record.error is None or not smiles:
        return record
    try:
        is_path = Path(source).exists()
    except (OSError, ValueError):  # too long for a path, as a SMILES may be
        is_path = False
    if is_path:
        _refuse_directory(source)
        raise InputError(f"{source}: {UNKNOWN_KIND}")
    if "/" in source or "\\" in source:
        raise InputError(f"{source}: no such file; and it is no SMILES either ({record.error})")
    return Record(None, name, origin, MoleculeError(f"{record.error}; nor is there a file of that name"))


def _refuse_directory(source: str) -> None:
    if Path(source).is_dir():
        raise InputError(f"{source}: is a directory; name the files in it")


def _read_stdin() -> Iterator[Entry]:
    text = open_text("-")
    try:
        head = list(itertools.islice(text, 4))
        lines = itertools.chain(head, text)
        kind = LINES
        if any("V2000" in line or "V3000" in line for line in head):
            kind = SDF
        elif any(line.startswith("@<TRIPOS>") for line in head):
            kind = MOL2
        yield from _until_damage("stdin", _entries("stdin", kind, lines))
    finally:
        with suppress(ValueError):  # it has been closed meanwhile
            text.detach()  # or standard input would be closed with it


def _read_file(source: str, kind: str, columns: Columns | None) -> Iterator[Entry]:
    with open_text(source) as text:
        entries = _rows(source, text, columns) if columns else _entries(source, kind, text)
        yield from _until_damage(source, entries)


def _entries(source: str, kind: str, lines: Iterable[str]) -> Iterator[Entry]:
    if kind == LINES:
        yield from _smiles_lines(source, lines)
        return
    blocks, build = (sdf_blocks(lines), from_molblock) if kind == SDF else (_mol2_blocks(lines), from_mol2block)
    alone = source.lower().removesuffix(".gz").endswith((".mol", ".mdl"))
    for number, block in enumerate(blocks, start=1):
        origin = source if alone and number == 1 else f"{source} record {number}"
        title = block.split("\n", 2)[0 if kind == SDF else 1].strip()
        yield partial(_record, build, block, title, origin)


def _until_damage(source: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries, and one with the error if the input breaks off (a gzip cut short, a lost disk)."""
    try:
        yield from entries
    except READ_ERRORS as error:
        broken = f"{source}: damaged or cut short here ({cause(error)}), the rest cannot be read; repair the file"
        yield _known(Record(None, "", source, MoleculeError(broken)))


def _smiles_lines(source: str, lines: Iterable[str]) -> Iterator[Entry]:
    """SMILES, spaces or a tab, name; a header, blank lines and comments (`#`) are passed over."""
    may_be_header = True
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if may_be_header:
            may_be_header = False
            if is_smiles_column(text.split()[0]):
                continue
        smiles, name = _split_line(text)
        yield partial(_record, from_smiles, smiles, name, f"{source}:{number}")


def _split_line(text: str) -> tuple[str, str]:
    """SMILES, with its CXSMILES extension if there is one, and the name, which is the SMILES if there is none."""
    smiles, *rest = text.split(None, 1) or [""]
    after = rest[0] if rest else ""
    extension = ""
    if after.startswith("|") and (end := after.find("|", 1)) > 0:
        extension, after = f" {after[: end + 1]}", after[end + 1 :].strip()
    return smiles + extension, after.split("\t")[0].strip() or smiles


def sdf_blocks(lines: Iterable[str]) -> Iterator[str]:
    """The records of an SDF, without the lines of dollars that end them."""
    block: list[str] = []
    for line in lines:
        if line.startswith("$$$$"):
            yield "".join(block)
            block = []
        elif len(block) < MAX_RECORD_LINES:
            block.append(line)
    if any(line.strip() for line in block):
        yield "".join(block)


def _mol2_blocks(lines: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    for line in lines:
        if line.startswith("@<TRIPOS>MOLECULE"):
            if block:
                yield "".join(block)
            block = [line]
        elif block and len(block) < MAX_RECORD_LINES:  # what stands before the first record is comment
            block.append(line)
    if block:
        yield "".join(block)


def _rows(source: str, text: TextIO, columns: Columns) -> Iterator[Entry]:
    for _ in range(columns.lines):
        text.readline()
    rows = csv.reader(text, delimiter=columns.delimiter)
    for row in rows:
        if any(cell.strip() for cell in row):
            yield partial(_row, row, columns, f"{source}:{columns.lines + rows.line_num}")


def _row(row: list[str], columns: Columns, origin: str) -> Record:
    cells = dict(enumerate(cell.strip() for cell in row))
    smiles = cells.pop(columns.smiles, "")
    name = cells.pop(columns.name, "") if columns.name is not None else ""
    record = _record(from_smiles, smiles, name or smiles, origin)
    if record.mol is not None:
        for index, column in enumerate(columns.header):
            if cells.get(index) and column and not column.startswith("_"):  # RDKit keeps "_" for itself
                record.mol.SetProp(column, cells[index])
    return record


def _record(build: Callable[[str, str, str], Mol], text: str, name: str, origin: str) -> Record:
    try:
        return Record(build(text, name, origin), name, origin)
    except MoleculeError as error:
        return Record(None, name, origin, error)


def _known(record: Record) -> Entry:
    return lambda: record
