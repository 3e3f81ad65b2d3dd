"""Where a .csv or .tsv file has its SMILES and names, and which columns usually hold them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TextIO

from confgen.errors import InputError
from confgen.textfile import READ_ERRORS, cause

# Column names in lower case without spaces, "_" and "-"; of several the first one in this order is taken.
SMILES_COLUMNS = ["smiles", "isomericsmiles", "isosmiles", "canonicalsmiles", "cansmiles", "smi", "smile", "structure"]
NAME_COLUMNS = ["name", "title", "moleculename", "compoundname", "id", "moleculeid", "compoundid", "chemblid", "zincid"]


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


def find_columns(source: str, text: TextIO, smiles_column: str | None, name_column: str | None) -> Columns | None:
    """The columns of a table, from its first line that is not blank; None if there is none.

    Raises: InputError if the table cannot be read, or has no column of SMILES or none of a name that was given.
    """
    try:
        lines, line = next(((number, line) for number, line in enumerate(text, start=1) if line.strip()), (0, ""))
    except READ_ERRORS as error:
        raise InputError(f"{source}: cannot be read ({cause(error)}); check the file") from None
    if not line:
        return None
    delimiter = max(",;\t", key=line.count)  # a .csv from a European spreadsheet has semicolons
    header = [column.strip() for column in next(csv.reader([line], delimiter=delimiter))]
    smiles = _column(source, header, smiles_column, SMILES_COLUMNS)
    if smiles is None:
        raise InputError(f"{source}: has no SMILES column; its columns are {', '.join(header)}; name the right one")
    return Columns(lines, header, delimiter, smiles, _column(source, header, name_column, NAME_COLUMNS))


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
