"""Tables (.csv, .tsv): where they have SMILES and names, which columns usually hold them, and their rows.

A cell in quotes, of the header too, may hold delimiters, line breaks, and doubled quotes. One that is never closed
takes no other rows with it: it is an error of its own row or, in a table with tabs, where quotes are seldom meant so,
text as it stands, as is a row there in which more stands behind a closing quote.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confgen.errors import InputError
from confgen.textfile import READ_ERRORS, cause

# Column names in lower case without spaces, "_" and "-"; of several the first one in this order is taken.
SMILES_COLUMNS = ["smiles", "isomericsmiles", "isosmiles", "canonicalsmiles", "cansmiles", "smi", "smile", "structure"]
NAME_COLUMNS = ["name", "title", "moleculename", "compoundname", "id", "moleculeid", "compoundid", "chemblid", "zincid"]
FAILED_COLUMNS = ["smiles", "name", "origin", "reason"]  # of the list that confgen makes of molecules that failed

MAX_QUOTED_LINES = 1000  # of one row; where its quote is not closed by then, it never is
MAX_HEADER_LINES = 20
QUOTED = re.compile(r'(?<![^,;\t])"(?:[^"]|"")*("|$)')  # a cell, or the rest of a text whose quote is open
DELIMITER_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # the first line of some tables for Excel


@dataclass(frozen=True)
class Header:
    """Names of the columns, what stands between them, and the lines of the table up to the last one of the header."""

    lines: int
    names: list[str]
    delimiter: str


@dataclass(frozen=True)
class Columns:
    """How to read a table: lines up to its header, the header, and where the two columns that matter are."""

    lines: int
    header: list[str]
    delimiter: str
    smiles: int
    name: int | None

    @property
    def of_failed(self) -> bool:
        """Whether the table is a list of failed molecules, in which `#` begins a comment."""
        return self.header == FAILED_COLUMNS


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
        header = _header(text)
    except READ_ERRORS as error:
        raise InputError(f"{source}: cannot be read ({cause(error)}); check the file") from None
    if header is None:
        return None
    smiles = _column(source, header.names, smiles_column, SMILES_COLUMNS)
    if smiles is None:
        columns = ", ".join(header.names)
        raise InputError(f"{source}: has no SMILES column; its columns are {columns}; name it with --smiles-column")
    name = _column(source, header.names, name_column, NAME_COLUMNS)
    return Columns(header.lines, header.names, header.delimiter, smiles, name)


def begins_table(text: Iterable[str], smiles_column: str | None) -> bool:
    """Whether a text begins with names of columns, one of them that of the SMILES.

    Between tabs that must not be the first, unless it was asked for: such a text is SMILES, a tab, and a name.
    """
    header = _header(text)
    if header is None or len(header.names) == 1:
        return False
    wanted = _plain(smiles_column or "")
    known = [is_smiles_column(name) or (wanted != "" and _plain(name) == wanted) for name in header.names]
    return any(known) and (header.delimiter != "\t" or wanted != "" or not known[0])


def unquoted(cell: str) -> str:
    """A cell without the quotes around it, if they are such as a table has."""
    cells, clean = _cells(cell, "\t")
    return cells[0] if cells and clean else cell


def quoted(cell: str) -> str:
    """A cell as it must be written between tabs for `rows` to give it back: in quotes if it begins with one."""
    return '"' + cell.replace('"', '""') + '"' if cell.startswith('"') else cell


def rows(lines: Iterable[str], columns: Columns) -> Iterator[tuple[int, list[str] | str]]:
    """Rows below the header that are not blank: number of the first line, and cells, or the line if a quote is open.

    lines: of the whole table, from its first one.
    """
    rest, ahead, number = iter(lines), deque[str](), 0
    while line := ahead.popleft() if ahead else next(rest, ""):
        number += 1
        if number <= columns.lines or not line.strip() or (columns.of_failed and line.startswith("#")):
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
    """Cells of the row that begins with a line, and how many lines of `ahead` it has.

    They are None if a quote is not closed or, between tabs, if something stands behind the closing one.

    ahead:  lines that have been read already; those of `rest` that are looked at are added.
    """
    cells, clean = _cells(line, columns.delimiter)
    if cells is not None:
        return (cells if clean or columns.delimiter != "\t" else None), 0
    text = line
    for used in range(1, MAX_QUOTED_LINES):
        if used > len(ahead):
            ahead.extend(itertools.islice(rest, 1))
        if used > len(ahead):
            break
        text += ahead[used - 1]
        if '"' in ahead[used - 1]:
            cells, clean = _cells(text, columns.delimiter)
            if cells is not None:  # the first quote that could close it; if it does not, none does
                fits = clean and not any(cell.strip() for cell in cells[len(columns.header) :])
                return (cells, used) if fits else (None, 0)
    return None, 0


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


def _header(text: Iterable[str]) -> Header | None:
    """The header that a text begins with, after blank lines and one that says what the delimiter is; None without."""
    lines, told = enumerate(text, start=1), None
    for number, line in lines:
        if told is None and (match := DELIMITER_LINE.fullmatch(line)):
            told = match[1]
        elif line.strip():
            further = (following for _, following in itertools.islice(lines, MAX_HEADER_LINES - 1))
            names, delimiter, used = _names(line, further, told)
            return Header(number + used, names, delimiter)
    return None


def _names(line: str, further: Iterator[str], told: str | None) -> tuple[list[str], str, int]:
    """Names of columns in a header that begins with a line, the delimiter, and how many of the further lines it has.

    A quote that does not close is text, and so is one between tabs with something behind the closing one.
    """
    text, used = line, 0
    while True:
        delimiter = told or _delimiter(QUOTED.sub("", text))
        cells, clean = _cells(text, delimiter)
        if cells is not None or not (following := next(further, "")):
            break
        text, used = text + following, used + 1
    plain = told or _delimiter(line)
    if cells is None or not (clean or (used == 0 and plain != "\t")):
        cells, delimiter, used = line.split(plain), plain, 0
    return [" ".join(part.strip() for part in cell.strip().split("\n")) for cell in cells], delimiter, used


def _delimiter(text: str) -> str:
    return max(",;\t", key=text.count)  # a .csv from a European spreadsheet has semicolons


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
    return "".join(column.casefold().translate({ord(character): None for character in "_-"}).split())
