"""Promises of `confgen.subset`: the molecules taken are those asked for, by chance or not, and none of the excluded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from confgen.errors import InputError
from confgen.molecule import from_smiles
from confgen.readers import Record, read_entries
from confgen.subset import Excluded, skeleton, subset

NOTHING = Excluded([])
COUNT = 1000


def names(*settings: Any, read: list[str] | None = None) -> list[str]:
    """Of the records taken from a list of COUNT; those that are read for it are added to `read`."""

    def entry(number: int) -> Record:
        if read is not None:
            read.append(str(number))
        return Record(None, str(number), "test")

    return [record.name for record in subset([partial(entry, n) for n in range(COUNT)], NOTHING, *settings)]


def test_the_first_are_taken_in_their_order() -> None:
    assert names(3) == ["0", "1", "2"]


def test_a_smaller_random_choice_begins_a_larger_one() -> None:
    everything = names(None, 1)
    assert sorted(everything, key=int) == [str(number) for number in range(COUNT)]
    assert names(7, 1) == everything[:7]
    assert names(7, 1) != names(7, 2) != everything[:7]


def test_most_of_a_long_list_is_never_read() -> None:
    """Of n records, about k (1 + ln(n / k)) ever are among the k smallest so far: 56 of 1000 for 10."""
    read: list[str] = []
    names(10, 1, read=read)
    assert 10 < len(read) < 120


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", True),
        ("C/C=C/C", "C/C=C\\C", True),
        ("CC(=O)O", "CC(=O)[O-]", True),
        ("CC(=O)O", "CC(=O)[O-].[Na+]", True),
        ("Oc1ccccn1", "O=c1cccc[nH]1", True),
        ("CCO", "COC", False),
        ("CCO", "CCN", False),
    ],
)
def test_a_skeleton_knows_neither_hands_nor_protons(one: str, other: str, same: bool) -> None:
    assert (skeleton(from_smiles(one)) == skeleton(from_smiles(other))) is same


def test_excluded_molecules_are_replaced_by_others(tmp_path: Path, row_of: Any, rows_file: Callable[..., Path]) -> None:
    ensembles = rows_file(tmp_path / "known.parquet", [row_of("C[C@H](N)C(=O)O", 1)])
    (tmp_path / "more.smi").write_text("CCO\nnonsense\n")
    excluded = Excluded([str(ensembles), str(tmp_path / "more.smi")])
    inputs = ["OCC", "CC(N)C(=O)O", "c1ccccc1", "CC", "CCC"]
    assert [record.name for record in subset(read_entries(inputs), excluded, 2)] == ["c1ccccc1", "CC"]
    assert (excluded.met, excluded.unread) == (2, 1)
    assert {record.name for record in subset(read_entries(inputs), excluded, None, 5)} == {"c1ccccc1", "CC", "CCC"}


def test_a_word_that_is_neither_file_nor_smiles_is_not_taken_for_one_to_exclude() -> None:
    with pytest.raises(InputError, match="validaton: no such file"):
        Excluded(["validaton"])
    assert Excluded(["CCO"]).unread == 0


def test_a_file_to_exclude_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no such file"):
        Excluded(["nowhere/known.parquet"])
