"""Ensembles that confgen did not generate, references and those of other programs, as rows of a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdkit import Chem

from confgen.errors import MoleculeError, OutputError
from confgen.formats import parquet_row, parquet_schema
from confgen.outfile import OutputFile
from confgen.parquet import ParquetRows

METADATA = "confgen"  # key of a file's metadata, a JSON object


@dataclass(frozen=True)
class Known:
    """K conformers of one molecule that come from elsewhere than a network, as the writers take them.

    energies: (K,) kcal/mol, absolute or above the lowest.     theory: the level of the geometries.
    checks:   names of failed checks, an empty list for each where nothing was checked.
    """

    mol: Chem.Mol
    name: str
    origin: str
    checks: list[list[str]]
    sources: list[str]
    theory: str = ""
    energies: list[float] | None = None
    energy_method: str = ""
    relaxations: list[str] = field(default_factory=list)
    boltzmann_weights: list[float] | None = None
    seed: int | None = None
    weights: str = ""
    error: MoleculeError | None = None


def row_of(known: Known) -> dict[str, Any]:
    """The row of an ensemble: that of `formats.parquet_row`, with the level of theory that is known.

    Raises: MoleculeError for a molecule that no SMILES can be written of.
    """
    try:
        return parquet_row(known, known.mol) | {"theory": known.theory}
    except (ValueError, RuntimeError) as error:  # how RDKit says so
        reason = " ".join(str(error).split())
        raise MoleculeError(f"{known.origin} '{known.name}': cannot be written ({reason}); leave it out") from error


def refuse_other_formats(path: str) -> None:
    """Raises OutputError unless the name is that of a Parquet file, as readers of ensembles go by it."""
    if not path.lower().endswith(".parquet"):
        raise OutputError(f"{path}: ensembles are written as Parquet; name a file that ends in .parquet")


def write_rows(path: str, rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any], *, force: bool = False) -> int:
    """How many rows were written; the file appears whole, or not at all if there are none.

    about: goes into the file's metadata, see `read_about`.
    Raises: OutputError if it exists (and `force` is off) or cannot be written.
    """
    output = OutputFile(path, force=force)
    table, count = None, 0
    try:
        output.open()
        table = ParquetRows(output, parquet_schema().with_metadata({METADATA: json.dumps(about)}))
        for count, row in enumerate(rows, start=1):  # noqa: B007 (the number of the last one is the answer)
            table.add(row)
        if count:
            table.close()
            output.commit()
    finally:
        if table is not None:
            table.abandon()
        output.discard()
    return count


def read_about(path: Path) -> dict[str, Any] | None:
    """What `write_rows` was told about the rows of a file; None if it did not write it."""
    import pyarrow.parquet as pq

    try:
        found = json.loads((pq.read_schema(path).metadata or {})[METADATA.encode()])
    except (OSError, ValueError, KeyError):
        return None
    return found if isinstance(found, dict) else None
