"""Parquet files come a few rows at a time, with the columns that are needed and those that there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from confgen.errors import InputError
from confgen.parquet import COLUMNS, read_batches

ROW: dict[str, Any] = {"smiles": "[He]", "num_confs": 1, "num_atoms": 1, "positions": [0.0, 0.0, 0.0]}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Rows of one atom each, with more columns if asked for, as a file in groups of two rows."""

    def written(count: int, **more: str) -> Path:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.Table.from_pylist([ROW | more] * count), path, row_group_size=2)
        return path

    return written


def test_all_rows_come_and_never_more_than_asked_for(write: Write) -> None:
    assert [batch.num_rows for batch in read_batches(write(5), 2)] == [2, 2, 1]


def test_a_file_without_rows_has_no_batches(write: Write, tmp_path: Path) -> None:
    table = pq.read_table(write(1))
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    assert list(read_batches(tmp_path / "none.parquet", 2)) == []


def test_columns_that_nobody_asked_for_are_left_out(write: Write) -> None:
    [batch] = read_batches(write(1, name="helium", theory="none"), 2, optional=("name", "id"))
    assert batch.schema.names == [*COLUMNS, "name"]


def test_damage_tells_after_which_row_it_comes(write: Write) -> None:
    path = write(4)
    damaged = bytearray(path.read_bytes())
    second = pq.ParquetFile(path).metadata.row_group(1).column(0)
    start = second.dictionary_page_offset or second.data_page_offset
    damaged[start : start + second.total_compressed_size] = b"\xff" * second.total_compressed_size
    path.write_bytes(damaged)
    batches = read_batches(path, 2)
    assert next(batches).num_rows == 2
    with pytest.raises(InputError, match="damaged after row 2"):
        next(batches)
