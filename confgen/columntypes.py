"""Types of the columns of an ensemble file: which are taken, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # slow to import
    import pyarrow as pa

TEXT, WHOLE, LIST, NESTED = "text", "whole numbers", "a list of numbers in each row", "lists of numbers"
WANTED = {
    "smiles": TEXT,
    "num_confs": WHOLE,
    "num_atoms": WHOLE,
    "positions": NESTED,
    "energies": LIST,
    "boltzmann_weight": LIST,
}
DEPTH = {LIST: 1, NESTED: 3}  # lists in lists: K x N x 3
LARGEST = 2**53  # whole number that a float is sure of


def objection(name: str, kind: pa.DataType) -> str:
    """What is wrong with the type of a column, and what to do; "" if it is taken, as all are of unknown columns."""
    wanted = WANTED.get(name)
    if wanted is None or _is_null(kind) or _fits(kind, wanted):
        return ""
    return f"column '{name}' is of type {kind}, not {wanted}; write it as {_example(wanted)}"


def plain(name: str, column: pa.Array) -> pa.Array:
    """The column as text, as integers, or as one flat list of numbers in each row; others as they are.

    Numbers that should be whole and are not become null; nested lists are shorter by those that are null.
    """
    import pyarrow as pa

    wanted = WANTED.get(name)
    if wanted is None:
        return column
    if _is_null(column.type):
        kinds = {TEXT: pa.string(), WHOLE: pa.int64()}
        return pa.nulls(len(column), kinds.get(wanted, pa.list_(pa.float64())))
    if wanted == TEXT:
        return column.cast(pa.string())
    return _whole(column) if wanted == WHOLE else _flat(column)


def _fits(kind: pa.DataType, wanted: str) -> bool:
    from pyarrow import types

    if wanted == TEXT:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind))
    if wanted == WHOLE:
        return bool(types.is_integer(kind) or types.is_floating(kind))
    depth = 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return 1 <= depth <= DEPTH[wanted] and (types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


def _whole(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        return column
    column = column.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), LARGEST))
    return pc.if_else(whole, column, pa.scalar(None, column.type)).cast(pa.int64())


def _flat(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_list(column.type.value_type):
        return column
    kind = column.type
    while _is_list(kind):
        kind = kind.value_type
    empty = pa.array([], kind)
    rows = [pc.list_flatten(row.values, recursive=True) if row.is_valid else empty for row in column]
    offsets = np.cumsum([0, *map(len, rows)])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.concat_arrays([empty, *rows]))


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_null(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_null(kind))


def _example(wanted: str) -> str:
    return {TEXT: "string", WHOLE: "int32", LIST: "list<double>", NESTED: "list<float>, K x N x 3 of them"}[wanted]
