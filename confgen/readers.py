"""Molecules from the inputs of a command, one by one: SMILES, .smi, .csv, .tsv, .sdf, .mol, .mol2, and any of them .gz,
or `-` for standard input.

What makes a whole input unreadable (no such file, a directory, a pipe, binary data, no SMILES column) raises
`InputError` before the first molecule is read. A bad entry, or damage met later, becomes a `Record` that carries the
error, and reading goes on. Files are streamed: memory holds one record.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rdkit.Chem import Mol

from confgen.columns import Columns, begins_table, find_columns, is_smiles_column, rows, unquoted
from confgen.complaints import short
from confgen.conformers import reduced
from confgen.errors import InputError, MoleculeError
from confgen.molecule import from_mol2block, from_molblock, from_smiles
from confgen.splitting import head_of, mol2_blocks, sdf_blocks, split_line
from confgen.tags import set_tags
from confgen.textfile import READ_ERRORS, cause, open_text

LINES, TABLE, SDF, MOL2 = "lines", "table", "sdf", "mol2"
KINDS = {
    **dict.fromkeys((".smi", ".smiles", ".ism", ".can", ".txt"), LINES),
    **dict.fromkeys((".csv", ".tsv"), TABLE),
    **dict.fromkeys((".sdf", ".sd", ".mol", ".mdl"), SDF),
    ".mol2": MOL2,
}
COUNTS_LINE = re.compile(r"[ \d]{6}.*V[23]000\s*$")  # the fourth line of an SDF
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

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)


Entry = Callable[[], Record]  # reads one entry of an input
Sources = str | Path | Sequence[str | Path]


def read_records(
    sources: Sources, *, smiles_column: str | None = None, name_column: str | None = None
) -> Iterator[Record]:
    """The entries of every source, in order: a file, a SMILES, or `-`, whatever of these is on standard input.

    sources: or a single one. smiles_column, name_column: of .csv and .tsv files, in any case; found by their usual
    names if not given. The other columns become properties of the molecule, as SD tags do (see `tags`).
    Raises: InputError, at once, if a source cannot be read at all.
    """
    return (entry() for entry in read_entries(sources, smiles_column=smiles_column, name_column=name_column))


def read_entries(
    sources: Sources, *, smiles_column: str | None = None, name_column: str | None = None
) -> Iterator[Entry]:
    """What `read_records` gives, each as a function: to pass over most of a large file costs little.

    Raises: InputError, at once, if a source cannot be read at all.
    """
    sources = [sources] if isinstance(sources, str | Path) else sources
    readers = [
        _reader(str(source), f"argument {number}", smiles_column, name_column)
        for number, source in enumerate(sources, start=1)
    ]
    return itertools.chain.from_iterable(read() for read in readers)


def _reader(
    source: str, argument: str, smiles_column: str | None, name_column: str | None
) -> Callable[[], Iterable[Entry]]:
    """What reads one source, after a look at its start that shows whether it can be."""
    if source == "-":
        return partial(_read_stdin, smiles_column, name_column)
    path = source[:-3] if source.lower().endswith(".gz") else source
    kind = KINDS.get(Path(path).suffix.lower())
    if kind is None and path == source:
        return partial(iter, [_known(_argument(source, argument))])
    if not Path(source).exists():
        raise InputError(f"{source}: no such file; check the path")
    _refuse_no_file(source)
    if kind is None:
        raise InputError(f"{source}: {UNKNOWN_KIND}")
    with open_text(source) as text:
        columns = find_columns(source, text, smiles_column, name_column) if kind == TABLE else None
    return partial(_read_file, source, kind, columns)


def _argument(source: str, origin: str) -> Record:
    """The SMILES (and name) given as an argument.

    Raises: InputError if it is none and names or looks like a file.
    """
    smiles, name = split_line(source)
    record = _record(from_smiles, smiles, name, origin)
    if record.error is None or not smiles:
        return record
    try:
        is_path = Path(source).exists()
    except (OSError, ValueError):  # too long for a path, as a SMILES may be
        is_path = False
    if is_path:
        _refuse_no_file(source)
        raise InputError(f"{source}: {UNKNOWN_KIND}")
    if "/" in source or "\\" in source:
        raise InputError(f"{source}: no such file; and it is no SMILES either ({record.error})")
    return _failed(smiles, name, origin, MoleculeError(f"{record.error}; nor is there a file of that name"))


def _refuse_no_file(source: str) -> None:
    if Path(source).is_dir():
        raise InputError(f"{source}: is a directory; name the files in it")
    if Path(source).is_fifo():  # it can be opened once, but a look at its start comes first
        raise InputError(f"{source}: is a pipe, not a file; give it on standard input (- < {source})")


def _read_stdin(smiles_column: str | None, name_column: str | None) -> Iterator[Entry]:
    text = open_text("-")
    try:
        head = head_of(text)
        lines = itertools.chain(head, text)
        kind = _kind_of(head)
        columns = None
        if kind == LINES and begins_table(head, smiles_column):
            columns = find_columns("stdin", head, smiles_column, name_column)
        entries = _rows("stdin", lines, columns) if columns else _entries("stdin", kind, lines)
        yield from _until_damage("stdin", entries)
    finally:
        with suppress(ValueError):  # it has been closed meanwhile
            text.detach()  # or standard input would be closed with it


def _kind_of(head: list[str]) -> str:
    """The kind of a text that begins with these lines; a table counts as SMILES lines."""
    if any(COUNTS_LINE.match(line) for line in head):
        return SDF
    return MOL2 if any(line.startswith("@<TRIPOS>") for line in head) else LINES


def _read_file(source: str, kind: str, columns: Columns | None) -> Iterator[Entry]:
    with open_text(source) as text:
        entries = _rows(source, text, columns) if columns else _entries(source, kind, text)
        yield from _until_damage(source, entries)


def _entries(source: str, kind: str, lines: Iterable[str]) -> Iterator[Entry]:
    if kind == LINES:
        yield from _smiles_lines(source, lines)
        return
    blocks, build = (sdf_blocks(lines), from_molblock) if kind == SDF else (mol2_blocks(lines), from_mol2block)
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
    """SMILES, spaces or a tab, name; a header, blank lines and comments (`#`) are passed over.

    Under a header with tabs, as the list of failed molecules has, a name may be in quotes.
    """
    may_be_header, has_tabs = True, False
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if may_be_header:
            may_be_header = False
            if is_smiles_column(text.split()[0]):
                has_tabs = "\t" in text
                continue
        smiles, name = split_line(text)
        yield partial(_record, from_smiles, smiles, unquoted(name) if has_tabs else name, f"{source}:{number}")


def _rows(source: str, lines: Iterable[str], columns: Columns) -> Iterator[Entry]:
    for number, cells in rows(lines, columns):
        origin = f"{source}:{number}"
        if isinstance(cells, str):
            fault = f'{origin}: a quote is not closed in "{short(cells)}"; close it or take it out'
            yield _known(_failed(cells, "", origin, MoleculeError(fault)))
        else:
            yield partial(_row, cells, columns, origin)


def _row(row: list[str], columns: Columns, origin: str) -> Record:
    cells = dict(enumerate(cell.strip() for cell in row))
    smiles = cells.pop(columns.smiles, "")
    name = cells.pop(columns.name, "") if columns.name is not None else ""
    if not smiles:
        where, column = f"{origin} '{short(name)}'" if name else origin, columns.header[columns.smiles]
        fault = f"{where}: the SMILES in column '{column}' is empty; fill it in, or choose another column"
        return Record(None, name, origin, MoleculeError(fault))
    record = _record(from_smiles, smiles, name or smiles, origin)
    if record.mol is not None and not columns.of_failed:  # where and why it failed is not a thing to keep
        named = [(column, cells.get(index, "")) for index, column in enumerate(columns.header) if column]
        set_tags(record.mol, [(column, cell) for column, cell in named if cell])
    return record


def _record(build: Callable[[str, str, str], Mol], text: str, name: str, origin: str) -> Record:
    try:
        return Record(build(text, name, origin), name, origin)
    except MoleculeError as error:
        return _failed(text if build is from_smiles else "", name, origin, error)


def _failed(text: str, name: str, origin: str, error: MoleculeError) -> Record:
    """The record of an error, which has the text of a SMILES or row as a note."""
    if text:
        error.add_note(text)
    return Record(None, name, origin, error)


def _known(record: Record) -> Entry:
    return lambda: record
