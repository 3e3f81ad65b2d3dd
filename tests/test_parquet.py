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


def typed(path: Path, name: str, values: list[Any], kind: pa.DataType) -> Path:
    """A file of rows of one atom each, of which one column has other values and another type."""
    table = pa.Table.from_pylist([ROW] * len(values))
    place = table.schema.get_field_index(name)
    column = pa.array(values, kind)
    pq.write_table(table.append_column(name, column) if place < 0 else table.set_column(place, name, column), path)
    return path


NUMBERS = pa.list_(pa.float32())
LISTS, NESTED, TRIPLES = pa.list_(NUMBERS), pa.list_(pa.list_(NUMBERS)), pa.list_(pa.list_(pa.float32(), 3))


@pytest.mark.parametrize(("name", "kind", "values", "plain"), [
    ("smiles", pa.large_string(), ["[He]"], ["[He]"]),
    ("smiles", pa.dictionary(pa.int32(), pa.string()), ["[He]", "[Ne]"], ["[He]", "[Ne]"]),
    ("smiles", pa.null(), [None], [None]),
    ("num_confs", pa.float64(), [1.0, 2.5, None, float("nan"), float("inf")], [1, None, None, None, None]),
    ("num_atoms", pa.uint8(), [1], [1]),
    ("positions", LISTS, [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8]]], [[0, 1, 2, 3, 4, 5], [6, 7, 8]]),
    ("positions", NESTED, [[[[0, 1, 2]], [[3, 4, 5]]], None], [[0, 1, 2, 3, 4, 5], []]),
    ("positions", TRIPLES, [[[0, 1, 2], [3, 4, 5]]], [[0, 1, 2, 3, 4, 5]]),
    ("positions", LISTS, [[[0, 1, 2], None]], [[0, 1, 2]]),
    ("energies", pa.null(), [None], [None]),
])  # fmt: skip
def test_columns_come_in_one_type_whichever_they_have(
    tmp_path: Path, name: str, kind: pa.DataType, values: list[Any], plain: list[Any]
) -> None:
    batches = read_batches(typed(tmp_path / "a.parquet", name, values, kind), 8, optional=("energies",))
    assert [value for batch in batches for value in batch.column(name).to_pylist()] == plain


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("smiles", b"C", pa.binary(), "column 'smiles' is of type binary, not text"),
        ("smiles", 6, pa.int64(), "column 'smiles' is of type int64, not text"),
        ("num_confs", "1", pa.string(), "column 'num_confs' is of type string, not whole numbers"),
        ("positions", "0 0 0", pa.string(), "column 'positions' is of type string, not lists of numbers"),
        ("energies", "0.0", pa.string(), "column 'energies' is of type string, not a list of numbers in each row"),
        ("energies", 0.0, pa.float64(), "column 'energies' is of type double, not a list of numbers in each row"),
    ],
)
def test_a_column_of_another_type_is_named_with_what_is_expected(
    tmp_path: Path, name: str, value: object, kind: pa.DataType, said: str
) -> None:
    path = typed(tmp_path / "a.parquet", name, [value], kind)
    with pytest.raises(InputError, match=f"a.parquet: {said}"):
        next(read_batches(path, 2, optional=("energies",)))


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
