"""Parquet files of ensembles, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from confgen.errors import InputError

if TYPE_CHECKING:  # slow to import
    import pyarrow as pa

COLUMNS = ("smiles", "num_confs", "num_atoms", "positions")


def read_batches(path: Path, rows: int, optional: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """The rows of a file in their order, up to `rows` at once, with COLUMNS and what there is of the optional ones.

    Raises: InputError if the file is no Parquet, lacks one of COLUMNS or, once its rows come to it, is damaged.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({_first_line(error)}); get it again") from None
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(f"{path}: column '{missing[0]}' is missing; ensembles need {', '.join(COLUMNS)}")
    columns = [*COLUMNS, *(name for name in optional if name in names)]
    batches, done = file.iter_batches(batch_size=rows, columns=columns), 0
    while True:
        try:
            batch = next(batches, None)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: is damaged after row {done} ({_first_line(error)}); get it again") from None
        if batch is None:
            return
        done += batch.num_rows
        yield batch


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
