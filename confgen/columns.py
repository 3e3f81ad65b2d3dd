"""Tables (.csv, .tsv): where they have SMILES and names, which columns usually hold them, and their rows.

A cell in quotes may hold delimiters, line breaks, and doubled quotes. One that is never closed takes no other rows with
it: it is an error of its own row or, in a table with tabs, where quotes are seldom meant so, text as it stands.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confgen.errors import InputError
from confgen.textfile import READ_ERRORS, cause

# Column names in lower case without spaces, "_" and "-"; of several the first one in this order is taken.
SMILES_COLUMNS = ["smiles", "isomericsmiles", "isosmiles", "canonicalsmiles", "cansmiles", "smi", "smile", "structure"]
NAME_COLUMNS = ["name", "title", "moleculename", "compoundname", "id", "moleculeid", "compoundid", "chemblid", "zincid"]


MAX_QUOTED_LINES = 1000  # of one row; where its quote is not closed by then, it never is


@dataclass(frozen=True)
class Columns:
    """How to read a table: lines up to its header, the header, and where the two columns that matter are."""

    lines: int
    header: list[str]
    delimiter: str
    smiles: int
    name: int | None


def is_smiles_column(name: str) -> bool:
    """Whether a column, or an SD tag, of that name usually holds SMILES."""
    return _plain(name) in SMILES_COLUMNS


def find_columns(
    source: str, text: Iterable[str], smiles_column: str | None, name_column: str | None
) -> Columns | None:
    """The columns of a table, from its first line that is not blank; None if there is none.

    Raises: InputError if the table cannot be read, or has no column of SMILES or none of a name that was given.
    """
    try:
        lines, line = next(((number, line) for number, line in enumerate(text, start=1) if line.strip()), (0, ""))
    except READ_ERRORS as error:
        raise InputError(f"{source}: cannot be read ({cause(error)}); check the file") from None
    if not line:
        return None
    delimiter = _delimiter(line)
    header = _header(line)
    smiles = _column(source, header, smiles_column, SMILES_COLUMNS)
    if smiles is None:
        columns = ", ".join(header)
        raise InputError(f"{source}: has no SMILES column; its columns are {columns}; name it with --smiles-column")
    return Columns(lines, header, delimiter, smiles, _column(source, header, name_column, NAME_COLUMNS))


def is_table_header(line: str, smiles_column: str | None) -> bool:
    """Whether a line names columns between commas or semicolons, one of them that of the SMILES."""
    cells = _header(line)
    named = any(is_smiles_column(cell) or (smiles_column and _plain(cell) == _plain(smiles_column)) for cell in cells)
    return named and len(cells) > 1 and _delimiter(line) != "\t"


def rows(lines: Iterable[str], columns: Columns) -> Iterator[tuple[int, list[str] | str]]:
    """Rows below the header that are not blank: number of the first line, and cells, or the line if a quote is open.

    lines: of the whole table, from its first one.
    """
    rest, ahead, number = iter(lines), deque[str](), 0
    while line := ahead.popleft() if ahead else next(rest, ""):
        number += 1
        if number <= columns.lines or not line.strip():
            continue
        cells, used = _row(line, ahead, rest, columns)
        if cells is None and columns.delimiter == "\t":
            cells = line.rstrip("\n").split("\t")
        if cells is None:
            yield number, line.strip()
        elif any(cell.strip() for cell in cells):
            yield number, cells
        for _ in range(used):
            ahead.popleft()
        number += used


def _row(line: str, ahead: deque[str], rest: Iterator[str], columns: Columns) -> tuple[list[str] | None, int]:
    """Cells of the row that begins with a line, None if a quote is not closed, and how many lines of `ahead` it has.

    ahead:  lines that have been read already; those of `rest` that are looked at are added.
    """
    cells, _ = _cells(line, columns.delimiter)
    text = line
    for used in range(1, MAX_QUOTED_LINES if cells is None else 1):
        if used > len(ahead):
            ahead.extend(itertools.islice(rest, 1))
        if used > len(ahead):
            break
        text += ahead[used - 1]
        if '"' in ahead[used - 1]:
            cells, clean = _cells(text, columns.delimiter)
            if cells is not None:  # the first quote that could close it; if it does not, none does
                return (cells, used) if clean and len(cells) <= len(columns.header) else (None, 0)
    return cells, 0


def _cells(text: str, delimiter: str) -> tuple[list[str] | None, bool]:
    """Cells of a row, None if a quote is open at its end, and whether nothing stands behind a closing quote."""
    text = text.removesuffix("\n")
    cells, clean, start = [], True, 0
    while True:
        end = start
        if text.startswith('"', start):
            end = text.find('"', start + 1)
            while end >= 0 and text.startswith('""', end):
                end = text.find('"', end + 2)
            if end < 0:
                return None, clean
        stop = text.find(delimiter, end)
        stop = len(text) if stop < 0 else stop
        if end > start:
            clean = clean and end + 1 == stop
            cells.append(text[start + 1 : end].replace('""', '"') + text[end + 1 : stop])
        else:
            cells.append(text[start:stop])
        if stop == len(text):
            return cells, clean
        start = stop + 1


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)  # a .csv from a European spreadsheet has semicolons


def _header(line: str) -> list[str]:
    cells, _ = _cells(line, _delimiter(line))
    return [cell.strip() for cell in (line.split(_delimiter(line)) if cells is None else cells)]


def _column(source: str, header: list[str], wanted: str | None, usual: list[str]) -> int | None:
    plain = [_plain(column) for column in header]
    if wanted is None:
        return next((plain.index(column) for column in usual if column in plain), None)
    if wanted in header:
        return header.index(wanted)
    if _plain(wanted) in plain:
        return plain.index(_plain(wanted))
    raise InputError(f"{source}: has no column '{wanted}'; its columns are {', '.join(header)}")


def _plain(column: str) -> str:
    return column.strip().casefold().translate({ord(character): None for character in " _-"})
