"""Promises of the folder of a library: its plan is kept to, and what is finished stays so."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from confgen.errors import CannotStart, OutputError
from confgen.library import COUNTS, Library, Part, identity
from confgen.outfile import OutputFile

PLAN = {"seed": 1, "inputs": ["a.smi"]}
NONE = dict.fromkeys(COUNTS, 0)


def library(folder: Path, plan: dict[str, object] = PLAN) -> Library:
    return Library(str(folder), plan, ".sdf.gz")


def test_every_shard_is_of_one_part() -> None:
    parts = [Part(number, 3) for number in (1, 2, 3)]
    assert [[part.has(shard) for part in parts].index(True) + 1 for shard in range(1, 8)] == [1, 2, 3, 1, 2, 3, 1]
    assert all(sum(part.has(shard) for part in parts) == 1 for shard in range(1, 8))
    assert all(Part().has(shard) for shard in range(1, 8))


@pytest.mark.parametrize("wrong", [(0, 2), (3, 2), (1, 0)])
def test_a_part_that_there_is_not_is_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(CannotStart, match=f"{wrong[0]}/{wrong[1]}"):
        Part(*wrong)


def test_the_same_plan_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    library(tmp_path / "lib").begin(go_on=False)
    library(tmp_path / "lib").begin(go_on=True)
    with pytest.raises(OutputError, match="seed was 1, is 2"):
        library(tmp_path / "lib", PLAN | {"seed": 2}).begin(go_on=True)
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["plan.json"]


def test_shards_are_not_gone_on_with_unasked(tmp_path: Path) -> None:
    made = library(tmp_path / "lib")
    made.begin(go_on=False)
    library(tmp_path / "lib").begin(go_on=False)  # with no shard in it nothing is at stake
    made.finish(1, NONE)
    with pytest.raises(OutputError, match="--resume"):
        library(tmp_path / "lib").begin(go_on=False)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match="other files"):
        library(tmp_path).begin(go_on=True)


def test_it_is_summed_up_when_all_is_finished(tmp_path: Path) -> None:
    made = library(tmp_path / "lib")
    made.begin(go_on=False)
    for number in (1, 2):
        Path(made.path(number)).write_text("")
    made.finish(1, NONE | {"molecules": 3, "failed": 1, "conformers": 20})
    Path(made.path(1, ".failed.smi")).write_text("head\nx\n")
    assert (made.is_finished(1), made.is_finished(2), made.sum_up(2)) == (True, False, None)
    made.finish(2, NONE | {"molecules": 2, "failed": 1, "conformers": 7})
    Path(made.path(2, ".failed.smi")).write_text("head\ny\n")
    expected = NONE | {"molecules": 5, "failed": 2, "conformers": 27}
    assert made.sum_up(2) == expected
    assert json.loads((tmp_path / "lib" / "summary.json").read_text()) == {"shards": 2} | expected
    assert (tmp_path / "lib" / "failed.smi").read_text() == "head\nx\ny\n"


def test_damaged_counts_are_named(tmp_path: Path) -> None:
    made = library(tmp_path / "lib")
    made.begin(go_on=False)
    Path(made.path(1, ".json")).write_text("{")
    with pytest.raises(OutputError, match=r"shard-00001\.json: is damaged"):
        made.sum_up(1)


def test_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("CCO\n")
    before = identity([str(tmp_path / "a.smi"), "CCN"])
    (tmp_path / "a.smi").write_text("CCS\n")
    after = identity([str(tmp_path / "a.smi"), "CCN"])
    [first, smiles], [changed, again] = before.values(), after.values()
    assert (first["name"], first["bytes"], first == changed) == ("a.smi", 4, False)
    assert smiles == again == {"name": "CCN"}


def test_files_that_lie_elsewhere_are_the_same(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        (folder / "a.smi").write_text("CCO\n")
    assert identity([str(tmp_path / "one" / "a.smi")]) == identity([str(tmp_path / "other" / "a.smi")])


def test_what_differs_of_a_plan_is_told_shortly(tmp_path: Path) -> None:
    library(tmp_path / "lib", {"options": {"num_confs": 2, "seed": 1}}).begin(go_on=False)
    with pytest.raises(OutputError, match=r"otherwise \(num_confs was 2, is 3\)"):
        library(tmp_path / "lib", {"options": {"num_confs": 3, "seed": 1}}).begin(go_on=True)


def test_a_shard_without_its_conformers_is_not_finished(tmp_path: Path) -> None:
    made = library(tmp_path / "lib")
    made.begin(go_on=False)
    made.finish(1, NONE | {"molecules": 2, "conformers": 7})
    assert not made.is_finished(1)
    Path(made.path(1)).write_text("")
    assert made.is_finished(1)
    made.clear(1)
    assert not made.is_finished(1)
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["plan.json"]


def test_the_list_of_failed_molecules_goes_when_none_fails_any_more(tmp_path: Path) -> None:
    made = library(tmp_path / "lib")
    made.begin(go_on=False)
    (tmp_path / "lib" / "failed.smi").write_text("head\nx\n")
    made.finish(1, NONE | {"molecules": 1})
    made.sum_up(1)
    assert not (tmp_path / "lib" / "failed.smi").exists()


def test_what_killed_runs_left_does_no_harm_and_goes(tmp_path: Path) -> None:
    left = tmp_path / ".confgen-0123.part"
    left.write_text("")
    library(tmp_path).begin(go_on=False)
    assert left.exists()  # it may be of another run
    os.utime(left, (0, 0))
    library(tmp_path).begin(go_on=True)
    assert not left.exists()


def test_what_another_run_is_still_writing_stays_however_old_it_is(tmp_path: Path) -> None:
    made = library(tmp_path)
    made.begin(go_on=False)
    output = OutputFile(made.path(1), compress=False)
    output.open()
    [temporary] = tmp_path.glob(".confgen-*.part")
    os.utime(temporary, (0, 0))
    library(tmp_path).begin(go_on=True)
    output.write(b"whole")
    output.commit()
    assert Path(made.path(1)).read_bytes() == b"whole"


def test_a_drive_without_hard_links_has_a_plan_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    library(tmp_path / "lib").begin(go_on=False)
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["plan.json"]
    library(tmp_path / "lib").begin(go_on=True)


def test_runs_that_begin_at_once_have_one_plan(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            folder = tmp_path / str(number)
            list(pool.map(lambda _, folder=folder: library(folder).begin(go_on=True), range(8)))
            assert [path.name for path in folder.iterdir()] == ["plan.json"]
