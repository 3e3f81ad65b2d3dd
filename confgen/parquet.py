"""Parquet files of ensembles, a few rows at a time, in columns of the types that readers count on."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from confgen.columntypes import objection, plain
from confgen.errors import InputError, first_line
from confgen.outfile import OutputFile

if TYPE_CHECKING:  # slow to import
    import pyarrow as pa
    import pyarrow.parquet as pq

COLUMNS = ("smiles", "num_confs", "num_atoms", "positions")
ROWS_PER_GROUP = 256  # held in memory at once


def read_batches(path: Path, rows: int, optional: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """The rows of a file in their order, up to `rows` at once, with COLUMNS and what there is of the optional ones.

    The columns come in the types of `columntypes.plain`, whichever of the usual ones they have in the file.
    Raises: InputError if the file is no Parquet, lacks one of COLUMNS, has one of another type or, once its rows come
            to it, is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        names = schema.names
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({first_line(error)}); get it again") from None
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(f"{path}: column '{missing[0]}' is missing; ensembles need {', '.join(COLUMNS)}")
    columns = [*COLUMNS, *(name for name in optional if name in names)]
    for name in columns:
        if reason := objection(name, schema.field(name).type):
            raise InputError(f"{path}: {reason}")
    batches, done = file.iter_batches(batch_size=rows, columns=columns), 0
    while True:
        try:
            batch = next(batches, None)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: is damaged after row {done} ({first_line(error)}); get it again") from None
        if batch is None:
            return
        done += batch.num_rows
        yield pa.RecordBatch.from_arrays([plain(name, batch.column(name)) for name in columns], columns)


class ParquetRows:
    """Rows gathered into groups and written to a file that is open by then; ids are made unique with `~2`, `~3`.

    schema: of the rows, and the `id` before them, which is the row's name or else its SMILES. Its metadata are the
            file's.
    """

    def __init__(self, file: OutputFile, schema: pa.Schema) -> None:
        self._file = file
        self._schema = schema
        self._rows: list[dict[str, object]] = []
        self._seen: Counter[str] = Counter()
        self._table: pq.ParquetWriter | None = None

    def add(self, row: Mapping[str, object]) -> None:
        base = str(row["name"]) or str(row["smiles"])
        self._seen[base] += 1
        count = self._seen[base]
        self._rows.append({"id": base if count == 1 else f"{base}~{count}", **row})
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._table is not None:
            with self._file.errors():
                self._table.close()

    def abandon(self) -> None:
        """Close the table if `close` did not, or it tries to, noisily, when it is garbage collected."""
        if self._table is not None and self._table.is_open:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed, after a full disk
                self._table.close()
            self._table.is_open = False

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._file.errors():
            if self._table is None:
                self._table = pq.ParquetWriter(self._file.stream, self._schema, compression="zstd")
            self._table.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []
