"""What reaches the disk: the whole file, or nothing at all."""

from __future__ import annotations

import io
import os
import resource
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ensembles import Ensemble, molecule, only_file, sd_records
from rdkit import Chem

from confgen.errors import CannotStart, MoleculeError, OutputError
from confgen.writer import Writer, write_ensembles


@pytest.fixture
def ethanol() -> Ensemble:
    return Ensemble(molecule("CCO"))


# Which format


@pytest.mark.parametrize(
    ("path", "format", "found"),
    [
        ("a.SDF", None, "sdf"),
        ("a.sdf.gz", None, "sdf"),
        ("a.b.xyz", None, "xyz"),
        ("a.jsonl", None, "jsonl"),
        ("a.parquet", None, "parquet"),
        ("-", None, "sdf"),
        ("a.txt", "xyz", "xyz"),
        ("a", "sdf.gz", "sdf"),
    ],
)
def test_format_comes_from_the_name_or_the_option(path: str, format: str | None, found: str) -> None:
    assert Writer(path, format=format).format == found


@pytest.mark.parametrize(
    ("path", "format"),
    [("a.pdb", None), ("a", None), ("a.sdf", "pdb"), ("a.sdf", 3), ("-", "parquet"), ("a.parquet.gz", None)],
)
def test_a_format_that_cannot_be_is_refused(path: str, format: str | None) -> None:
    with pytest.raises(OutputError):
        Writer(path, format=format)


# Refused before anything is computed


def test_an_existing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "out.sdf").write_text("precious")
    with pytest.raises(OutputError, match="--force"), Writer(tmp_path / "out.sdf"):
        pytest.fail("the block must not begin")
    assert (tmp_path / "out.sdf").read_text() == "precious"


def test_force_replaces_an_existing_file(ethanol: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "out.sdf").write_text("old")
    write_ensembles([ethanol], tmp_path / "out.sdf", force=True)
    assert len(sd_records(tmp_path / "out.sdf")) == 2


def test_force_follows_a_link(ethanol: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "real.sdf").write_text("old")
    (tmp_path / "link.sdf").symlink_to("real.sdf")
    write_ensembles([ethanol], tmp_path / "link.sdf", force=True)
    assert (tmp_path / "link.sdf").is_symlink()
    assert len(sd_records(tmp_path / "real.sdf")) == 2


def test_a_folder_that_does_not_exist_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"), Writer(tmp_path / "no" / "out.sdf"):
        pytest.fail("the block must not begin")


def test_a_folder_as_output_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "out.sdf").mkdir()
    with pytest.raises(OutputError, match="is a folder"), Writer(tmp_path / "out.sdf", force=True):
        pytest.fail("the block must not begin")


def test_an_unwritable_folder_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # the superuser, who may run this, is never refused for real

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(OutputError, match="permission denied"), Writer(tmp_path / "out.sdf"):
        pytest.fail("the block must not begin")


# Whole or not at all


@pytest.mark.parametrize("name", ["out.sdf", "out.sdf.gz", "out.xyz", "out.jsonl", "out.parquet"])
def test_a_finished_file_stands_alone(name: str, ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol], tmp_path / name)
    assert only_file(tmp_path, name)


@pytest.mark.parametrize("name", ["out.sdf", "out.sdf.gz", "out.parquet"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_nothing(
    name: str, interruption: type[BaseException], ethanol: Ensemble, tmp_path: Path
) -> None:
    def stopped() -> Iterator[Ensemble]:
        yield from [ethanol] * 300
        raise interruption

    with pytest.raises(interruption):
        write_ensembles(stopped(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_the_file_it_was_to_replace(ethanol: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "out.sdf").write_text("precious")
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "out.sdf", force=True) as writer:
        writer.write(ethanol)
        raise KeyboardInterrupt
    assert (tmp_path / "out.sdf").read_text() == "precious"
    assert only_file(tmp_path, "out.sdf")


@pytest.fixture
def little_space() -> Iterator[None]:
    """Files may not grow beyond 20 kB, which the system reports as it reports a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("little_space")
@pytest.mark.parametrize("name", ["out.sdf", "out.sdf.gz", "out.xyz", "out.jsonl", "out.parquet"])
def test_a_full_disk_is_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    large = [Ensemble(molecule("C" * 60 + "O" * (number % 7))) for number in range(700)]
    with pytest.raises(OutputError) as caught:
        write_ensembles(large, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_device_is_an_output_error(ethanol: Ensemble) -> None:
    with pytest.raises(OutputError, match="no space left"):
        write_ensembles([ethanol], "/dev/full", format="sdf")


def test_a_device_is_written_to_and_not_replaced(ethanol: Ensemble) -> None:
    assert write_ensembles([ethanol], "/dev/null", format="parquet") == 2
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_file_that_appears_meanwhile_is_not_overwritten(ethanol: Ensemble, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="appeared") as caught, Writer(tmp_path / "out.sdf") as writer:
        writer.write(ethanol)
        (tmp_path / "out.sdf").write_text("precious")
    assert (tmp_path / "out.sdf").read_text() == "precious"
    assert "V2000" in Path(str(caught.value).rsplit(" ", 1)[1]).read_text()


def test_nothing_to_write_makes_no_file(tmp_path: Path) -> None:
    failed = Ensemble(Chem.Mol(), checks=[], sources=[], error=MoleculeError("mols.smi:7: no"))
    empty = Ensemble(molecule("CCO", num_confs=0), checks=[], sources=[])
    assert write_ensembles([failed, empty], tmp_path / "out.sdf") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_failed_ensemble_is_passed_over(ethanol: Ensemble, tmp_path: Path) -> None:
    failed = Ensemble(molecule("CO"), error=MoleculeError("mols.smi:7: no"))
    assert write_ensembles([ethanol, failed, ethanol], tmp_path / "out.sdf") == 4


def test_a_molecule_the_format_cannot_hold_does_not_spoil_the_others(
    ethanol: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*_: object) -> str:
        raise ValueError("no such bond in this format")

    with Writer(tmp_path / "out.sdf") as writer:
        with monkeypatch.context() as patch, pytest.raises(MoleculeError, match=r"mols\.smi:7 'ethanol'"):
            patch.setitem(sys.modules["confgen.writer"].TEXT_OF, "sdf", unwritable)
            writer.write(ethanol)
        writer.write(ethanol)
    assert len(sd_records(tmp_path / "out.sdf")) == 2


# Standard output


@pytest.mark.parametrize("format", ["sdf", "xyz", "jsonl"])
def test_standard_output_gets_what_a_file_would(
    format: str, ethanol: Ensemble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ensembles([ethanol], "-", format=format)
    write_ensembles([ethanol], tmp_path / f"out.{format}")
    assert capsys.readouterr().out == (tmp_path / f"out.{format}").read_text()


def test_a_closed_pipe_is_an_output_error(ethanol: Ensemble, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Closed()), write_through=True))
    with pytest.raises(OutputError, match="has ended"):
        write_ensembles([ethanol], "-")


def test_what_is_open_already_is_written_on_and_not_replaced(ethanol: Ensemble, tmp_path: Path) -> None:
    with (tmp_path / "all.txt").open("w+b", buffering=0) as file:
        file.write(b"before\n")
        assert write_ensembles([ethanol], f"/dev/fd/{file.fileno()}", format="jsonl") == 2
        file.write(b"after\n")
    lines = (tmp_path / "all.txt").read_text().splitlines()
    assert (len(lines), lines[0], lines[2]) == (3, "before", "after")
    assert only_file(tmp_path, "all.txt")


def test_a_pipe_can_be_named_by_its_number(ethanol: Ensemble) -> None:
    reading, writing = os.pipe()
    write_ensembles([ethanol], f"/proc/self/fd/{writing}", format="jsonl")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert len(pipe.read().splitlines()) == 1


def test_a_link_that_leads_to_itself_is_refused(ethanol: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "a.sdf").symlink_to(tmp_path / "b.sdf")
    (tmp_path / "b.sdf").symlink_to(tmp_path / "a.sdf")
    with pytest.raises(OutputError, match="leads back to itself"):
        write_ensembles([ethanol], tmp_path / "a.sdf", force=True)


def test_what_is_no_ensemble_is_refused(ethanol: Ensemble, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="give ensembles of generate"):
        write_ensembles([ethanol.mol], tmp_path / "a.sdf")  # type: ignore[list-item]
    assert ethanol.mol is not None
    ethanol.mol.RemoveConformer(0)
    with pytest.raises(MoleculeError, match="2 checks for 1 conformers"):
        write_ensembles([ethanol], tmp_path / "a.sdf")
