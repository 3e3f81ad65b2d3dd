"""Every input is streamed to records: none is lost, none is renamed, one bad entry never stops the rest."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import sys
from pathlib import Path

import pytest
from blocks import ETHANOL_2D, methanol_mol2
from reading import give_stdin, summary, written

from confgen.errors import InputError
from confgen.readers import read_records


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path, monkeypatch):
    """So that origins are plain file names."""
    monkeypatch.chdir(tmp_path)


def sdf(*titles: str) -> str:
    return "".join(f"{title}{ETHANOL_2D}> <number>\n{number}\n\n$$$$\n" for number, title in enumerate(titles, start=1))


# Arguments


def test_smiles_argument_is_its_own_name():
    assert summary("CCO", "C/C=C/C") == [("CCO", "CCO", "argument 1"), ("C/C=C/C", "C/C=C/C", "argument 2")]


def test_smiles_argument_may_carry_a_name():
    assert summary("CCO spirit of wine") == [("CCO", "spirit of wine", "argument 1")]


def test_bad_smiles_argument_is_a_record_with_the_error():
    bad, good = read_records(["C1CC", "CCO"])
    assert "argument 1: ring 1 is not closed" in str(bad.error)
    assert good.mol is not None


def test_very_long_bad_smiles_argument_is_a_record():
    (record,) = read_records(["C(" * 5000])
    assert record.error is not None


@pytest.mark.parametrize("source", ["mols.smi", "lib.sdf.gz", "data/mols", "../x.csv", "C\\x", "nothing.gz"])
def test_missing_file_is_refused_at_once(source):
    with pytest.raises(InputError, match="no such file"):
        read_records(["CCO", source])


@pytest.mark.parametrize("name", ["mols.xyz", "notes"])
def test_file_of_unknown_kind_is_refused(name):
    written(name, "CCO\n")
    with pytest.raises(InputError, match="unknown kind of file"):
        read_records([name])


@pytest.mark.parametrize("name", ["mols.smi", "folder"])
def test_directory_is_refused(name):
    Path(name).mkdir()
    with pytest.raises(InputError, match="is a directory"):
        read_records([name])


@pytest.mark.parametrize("name", ["mols.smi", "lib.sdf", "pipe", "x/pipe"])
def test_pipe_is_refused_at_once(name):
    Path(name).parent.mkdir(exist_ok=True)
    os.mkfifo(name)
    with pytest.raises(InputError, match=f"{name}: is a pipe, not a file; give it on standard input"):
        read_records([name])


@pytest.mark.parametrize("source", ["mols.smi", Path("mols.smi")])
def test_a_single_source_needs_no_list(source):
    written("mols.smi", "CCO a\nC b\n")
    assert [record.name for record in read_records(source)] == ["a", "b"]


def test_smiles_wins_over_a_folder_of_that_name():
    Path("CCO").mkdir()
    assert summary("CCO")[0][0] == "CCO"


def test_sources_come_in_order():
    assert [name for _, name, _ in summary("C", written("a.smi", "CC b\nCCC c\n"), "CCCC")] == ["C", "b", "c", "CCCC"]


# SMILES files


@pytest.mark.parametrize("name", ["mols.smi", "mols.smiles", "mols.txt", "mols.SMI", "mols.smi.gz"])
def test_smiles_files_are_known_by_their_endings(name):
    assert summary(written(name, "CCO ethanol\n")) == [("CCO", "ethanol", f"{name}:1")]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("CCO", "CCO"),
        ("CCO spirit of wine.v2", "spirit of wine.v2"),
        ("CCO\tspirit of wine\t7.5", "spirit of wine"),
        ("  CCO   ethanol  ", "ethanol"),
        ("CCO |$a;b;c$| ethanol", "ethanol"),
        ("CCO |$a;b;c$|", "CCO"),
        ("CCO | pipe", "| pipe"),
        ("CCO |odd name|", "|odd name|"),
        ("CCO |r| ethanol", "ethanol"),
    ],
)
def test_name_is_the_rest_of_the_line(line, name):
    (record,) = read_records([written("mols.smi", line)])
    assert record.name == name


@pytest.mark.parametrize("header", ["smiles name\n", "SMILES\tID\n", "canonical_smiles,name\n", ""])
def test_header_is_passed_over(header):
    words = header.replace(",", " ")
    assert [name for _, name, _ in summary(written("mols.smi", words + "CCO ethanol\n"))] == ["ethanol"]


def test_lines_are_counted_through_comments_and_blanks():
    origins = [origin for *_, origin in summary(written("mols.smi", "# list\n\nCCO\r\n\r\nCC\n"))]
    assert origins == ["mols.smi:3", "mols.smi:5"]


def test_bad_line_does_not_stop_the_rest():
    first, bad, last = read_records([written("mols.smi", "CCO a\nc1ccccc aspirin\nCC c\n")])
    assert str(bad.error).startswith("mols.smi:2 'aspirin': ring 1 is not closed")
    assert (first.name, bad.mol, last.name) == ("a", None, "c")


def test_same_names_stay_separate_records():
    assert [name for _, name, _ in summary(written("mols.smi", "CCO x\nCCO x\n"))] == ["x", "x"]


@pytest.mark.parametrize("encoded", ["café".encode(), b"caf\xe9", "\ufeffcafé".encode()[3:]])
def test_names_in_utf8_and_latin1_are_read(encoded):
    assert summary(written("mols.smi", b"CCO " + encoded))[0][1] == "café"


@pytest.mark.parametrize(("name", "byte"), [("€", b"\x80"), ("“a”", b"\x93a\x94"), ("ÿ", b"\xff"), ("\x81", b"\x81")])
def test_names_in_windows_1252_are_read(name, byte):
    assert summary(written("mols.smi", b"CCO x" + byte + b"y"))[0][1] == f"x{name}y"


def test_byte_order_mark_is_no_part_of_the_smiles():
    assert summary(written("mols.smi", b"\xef\xbb\xbfCCO\n"))[0][0] == "CCO"


def test_empty_file_gives_no_records():
    empty = [written(name, b"") for name in ("a.smi", "b.csv", "c.sdf", "d.mol2")]
    Path("e.smi.gz").touch()
    assert summary(*empty, "e.smi.gz") == []


def test_smiles_lines_are_streamed(monkeypatch):
    """Only the first records are asked for, so the rest of an endless input must not be read."""

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            buffer[:4] = b"CCO\n"
            return 4

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    assert len(list(itertools.islice(read_records(["-"]), 3))) == 3


# SDF, MOL and MOL2


@pytest.mark.parametrize("file", ["lib.sdf", "lib.sdf.gz", "lib.sd"])
def test_sdf_records_have_title_tags_and_number(file):
    records = list(read_records([written(file, sdf("first one", "", "third"))]))
    assert [record.name for record in records] == ["first one", "", "third"]
    assert [record.mol.GetProp("number") for record in records] == ["1", "2", "3"]
    assert records[2].origin == f"{file} record 3"


@pytest.mark.parametrize("damage", [(" O ", " Xx"), ("M  END\n", ""), ("V2000", "V2"), ("0999", "\n")])
def test_bad_sdf_record_does_not_lose_the_others(damage):
    good, bad = sdf("good"), sdf("bad").replace(*damage)
    records = list(read_records([written("lib.sdf", good + bad + good)]))
    assert [record.mol is not None for record in records] == [True, False, True]
    assert str(records[1].error).startswith("lib.sdf record 2 'bad': ")


def test_truncated_sdf_gives_what_is_whole_and_one_error():
    first, cut = read_records([written("lib.sdf", sdf("a", "b")[:-200])])
    assert first.mol is not None
    assert "lib.sdf record 2 'b': the record is cut short" in str(cut.error)


def test_last_sdf_record_needs_no_delimiter():
    assert len(summary(written("lib.sdf", sdf("a", "b").removesuffix("$$$$\n")))) == 2


def test_trailing_blank_lines_are_no_record():
    assert len(summary(written("lib.sdf", sdf("a") + "\n\n"))) == 1


def test_windows_line_ends_are_read():
    assert summary(written("lib.sdf", sdf("a").replace("\n", "\r\n")))[0][:2] == ("CCO", "a")


def test_mol_file_is_one_record_named_by_the_file():
    assert summary(written("ligand.mol", "ethanol" + ETHANOL_2D)) == [("CCO", "ethanol", "ligand.mol")]


def test_mol2_records_are_split_and_bad_ones_named():
    given = [("a", "O.3"), ("b", "Foo"), ("c", "O.3")]
    text = "# made by hand\n" + "".join(methanol_mol2(*record) for record in given)
    records = list(read_records([written("lib.mol2", text)]))
    assert [(record.name, record.mol is not None) for record in records] == [("a", True), ("b", False), ("c", True)]
    assert str(records[1].error).startswith("lib.mol2 record 2 'b': ")


# Standard input


@pytest.mark.parametrize("content", [b"CCO ethanol\n", gzip.compress(b"CCO ethanol\n", mtime=0)], ids=["plain", "gzip"])
def test_stdin_may_be_smiles_lines(content, monkeypatch):
    give_stdin(monkeypatch, content)
    assert summary("-") == [("CCO", "ethanol", "stdin:1")]


def test_stdin_may_be_sdf(monkeypatch):
    give_stdin(monkeypatch, sdf("a", "b").encode())
    assert summary("-") == [("CCO", "a", "stdin record 1"), ("CCO", "b", "stdin record 2")]


def test_stdin_may_be_mol2(monkeypatch):
    give_stdin(monkeypatch, methanol_mol2("a").encode())
    assert summary("-") == [("CO", "a", "stdin record 1")]


def test_stdin_may_be_mol2_after_comments(monkeypatch):
    give_stdin(monkeypatch, b"# a comment\n" * 9 + methanol_mol2("a").encode())
    assert summary("-") == [("CO", "a", "stdin record 1")]


def test_stdin_may_be_smiles_and_comments_under_a_header(monkeypatch):
    give_stdin(monkeypatch, b"smiles\tname\n#c1\tbad\nCCO\ta\n")
    assert summary("-") == [("CCO", "a", "stdin:3")]


def test_stdin_may_be_smiles_named_as_a_format(monkeypatch):
    give_stdin(monkeypatch, b"CCO V2000 batch\nCCN b\n")
    assert summary("-") == [("CCO", "V2000 batch", "stdin:1"), ("CCN", "b", "stdin:2")]


def test_stdin_stays_open(monkeypatch):
    give_stdin(monkeypatch, b"CCO\n")
    summary("-")
    assert not sys.stdin.buffer.closed


# Damaged files


@pytest.mark.parametrize("content", [b"\x7fELF\x00\x01", "CCO ethanol\n".encode("utf-16")])
def test_binary_file_is_refused(content):
    with pytest.raises(InputError, match="is binary or UTF-16"):
        read_records([written("mols.smi", content)])


def test_plain_file_named_gz_is_refused():
    Path("mols.smi.gz").write_text("CCO\n")
    with pytest.raises(InputError, match="is not gzip-compressed"):
        read_records(["mols.smi.gz"])


def test_gzip_without_the_ending_is_read():
    assert summary(written("mols.smi", gzip.compress(b"CCO\n")))[0][0] == "CCO"


def test_corrupt_gzip_is_refused():
    Path("mols.smi.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"rubbish" * 9)
    with pytest.raises(InputError, match="cannot be read"):
        read_records(["mols.smi.gz"])


def test_truncated_gzip_gives_what_there_is_and_one_error():
    lines = "".join(f"{'C' * (i % 40 + 1)}O mol{i}\n" for i in range(3000))
    Path("mols.smi.gz").write_bytes(gzip.compress(lines.encode())[:-100])
    *good, last = read_records(["mols.smi.gz"])
    assert len(good) > 1000
    assert all(record.error is None for record in good[:-1])
    assert "damaged or cut short" in str(last.error)
