"""Tables are read row by row: columns are found by their names, quotes cost no row but their own."""

from __future__ import annotations

import pytest
from reading import give_stdin, summary, written

from confgen.cli.journal import FAILED_HEADER, failed_line
from confgen.errors import InputError
from confgen.readers import read_records
from confgen.record_tags import kept_tags


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path, monkeypatch):
    """So that origins are plain file names."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("t.csv", "smiles,name\nCCO,ethanol\n"),
        ("t.csv", "Name,Canonical SMILES\nethanol,CCO\n"),
        ("t.csv", '"name";"SMILES"\n"ethanol";"CCO"\n'),
        ("t.tsv", "ID\tisosmiles\nethanol\tCCO\n"),
        ("t.csv.gz", "title,structure\nethanol,CCO\n"),
        ("t.csv", b"\xef\xbb\xbfsmiles,name\r\nCCO,ethanol\r\n"),
        ("t.tsv", '5" rod\tsmiles\tname\t6" rod\n\tCCO\tethanol\t\n'),
        ("t.tsv", '"rod\tsmiles\t"a" name\tname\n\tCCO\t\tethanol\n'),
    ],
)
def test_usual_columns_are_found(file, content):
    assert summary(written(file, content)) == [("CCO", "ethanol", f"{file}:2")]


@pytest.mark.parametrize(
    ("file", "header"),
    [
        ("t.csv", '"Compound\nName","SMILES"'),
        ("t.csv", '"Compound\r\nName","SMILES"'),
        ("t.csv", '"name, or; one; of\nthe others";"SMILES"'),
        ("t.tsv", '"Compound\nName"\tSMILES'),
    ],
)
def test_names_of_columns_may_hold_line_breaks(file, header):
    delimiter = "\t" if file == "t.tsv" else ";" if '";"' in header else ","
    table = written(file, f"{header}\n" + delimiter.join(("e", "CCO")) + "\n")
    assert [(smiles, origin) for smiles, _, origin in summary(table)] == [("CCO", f"{file}:3")]


def test_a_line_break_in_a_name_becomes_a_space():
    (record,) = read_records([written("t.csv", 'smiles,"note\nof two",compound name\nCCO,x,e\n')])
    assert (record.name, record.mol.GetPropsAsDict(), record.origin) == ("e", {"note of two": "x"}, "t.csv:3")


def test_quote_that_is_not_closed_in_the_header_takes_no_rows():
    rows = [("CCO", "a", "t.csv:2"), ("CC", "b", "t.csv:3")]
    assert summary(written("t.csv", 'smiles,name,"note\nCCO,a,1\nCC,b,"2"\n')) == rows


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\n', "SEP=;\n"])
def test_the_line_that_tells_excel_the_delimiter_is_obeyed(line):
    assert summary(written("t.csv", line + "a,b,c,smiles;name\nCCO;x\n"), smiles_column="a,b,c,smiles") == [
        ("CCO", "x", "t.csv:3")
    ]


def test_columns_can_be_named_in_any_case():
    table = written("t.csv", "smiles,product,batch\nC,CCO,b1\n")
    assert summary(table, smiles_column="Product", name_column="BATCH") == [("CCO", "b1", "t.csv:2")]


@pytest.mark.parametrize("columns", [{}, {"smiles_column": "smiles"}, {"smiles_column": "a", "name_column": "x"}])
def test_missing_column_is_refused_and_the_others_listed(columns):
    table = written("t.csv", "a,b\nCCO,1\n")
    with pytest.raises(InputError, match=r"its columns are a, b($|; name it with --smiles-column)"):
        read_records([table], **columns)


def test_other_columns_stay_as_properties():
    (record,) = read_records([written("t.csv", "smiles,pIC50,note,_Name\nCCO,7.5,,x\n")])
    assert record.mol.GetPropsAsDict() == {"pIC50": 7.5}


def test_row_without_smiles_is_a_record_with_the_error():
    records = list(read_records([written("t.csv", "name,smiles\nlost\n\nethanol,CCO\n")]))
    assert str(records[0].error).startswith("t.csv:2 'lost': the SMILES in column 'smiles' is empty")
    assert records[1].origin == "t.csv:4"


def test_quoted_cells_may_hold_commas():
    assert summary(written("t.csv", 'smiles,name\nCCO,"1,2-nothing"\n'))[0][1] == "1,2-nothing"


def test_quoted_cells_may_hold_line_breaks_and_quotes():
    table = 'smiles,name,note\nCCO,"1,2\nnothing","say ""no"""\nC,methane,\n'
    first, second = read_records([written("t.csv", table)])
    assert (first.name, first.mol.GetProp("note"), first.origin) == ("1,2\nnothing", 'say "no"', "t.csv:2")
    assert (second.name, second.origin) == ("methane", "t.csv:4")


def test_quoted_line_break_and_empty_last_cells_are_one_row():
    table = written("t.csv", 'smiles,name,note\nCCO,e,"two\nlines",, \nCC,f,z,\n')
    assert summary(table) == [("CCO", "e", "t.csv:2"), ("CC", "f", "t.csv:4")]


@pytest.mark.parametrize("after", ["CCC,c\nCCF,d\n", 'CCC,c\nCCF,"d"\n', 'CCC,"c"\nCCF,"d"\n', "CCC,c\nCCF,d"])
def test_quote_that_is_not_closed_takes_its_own_row_only(after):
    good, bad, *rest = read_records([written("t.csv", 'smiles,name\nCCO,a\nCCN,"b\n' + after)])
    assert str(bad.error).startswith("t.csv:3: a quote is not closed")
    assert [(record.name, record.origin) for record in (good, *rest)] == [
        ("a", "t.csv:2"), ("c", "t.csv:4"), ("d", "t.csv:5")
    ]  # fmt: skip


def test_quote_that_is_not_closed_is_text_between_tabs():
    table = 'smiles\tname\nCCN\t"b\nCCC\tc\nCCF\t"d\te"\n'
    assert [name for _, name, _ in summary(written("t.tsv", table))] == ['"b', "c", "d\te"]


def test_quote_with_more_behind_it_is_text_between_tabs():
    table = 'smiles\tname\tnote\nCCN\t"b\tsays "no"\nCCF\t"d\te"\t\nCCC\t"c" and more\t\n'
    assert [name for _, name, _ in summary(written("t.tsv", table))] == ['"b', "d\te", '"c" and more']


@pytest.mark.parametrize("file", ["failed.tsv", "failed.smi"])
@pytest.mark.parametrize("name", ["two  blanks", '"quoted', '"q2"', '"', '""', '"a ""b"" c"', 'a "b"', "plain"])
def test_names_in_the_list_of_failed_molecules_come_back(name, file):
    rows = [failed_line("CC=CC", name, f'"m.smi:{n}', f"m.smi:{n} '{name}': it is open", "") for n in range(2)]
    assert [read for _, read, _ in summary(written(file, FAILED_HEADER.encode() + b"".join(rows)))] == [name, name]


@pytest.mark.parametrize("file", ["failed.tsv", "failed.smi"])
def test_comments_and_reasons_in_the_list_of_failed_molecules_are_passed_over(file):
    rows = failed_line("CCO", "a", "m.smi:1", "timed out"), failed_line(None, "b", "m.smi:2", "ring 1", "c1ccccc")
    (record,) = read_records([written(file, FAILED_HEADER.encode() + b"".join(rows))])
    assert (record.name, kept_tags(record.mol)) == ("a", {})


def test_the_sign_of_a_comment_is_written_once():
    assert failed_line(None, "b", "m.smi:2", "ring 1", "#c1ccccc").startswith(b"#c1ccccc\tb\t")


def test_only_so_many_lines_are_searched_for_the_end_of_a_quote():
    rows = "".join(f"CCO,{number}\n" for number in range(3000))
    *_, last = read_records([written("t.csv", f'smiles,name\nCCN,"b\n{rows}C,"end"\n')])
    assert (last.name, last.origin) == ("end", "t.csv:3003")


def test_cells_may_be_long():
    (record, other) = read_records([written("t.csv", f"smiles,name,image\nCCO,a,{'x' * 200_000}\nC,b,\n")])
    assert (len(record.mol.GetProp("image")), other.name) == (200_000, "b")


def test_columns_of_one_name_are_numbered():
    (record,) = read_records([written("t.csv", "smiles,mw,mw\nCCO,46,47\n")])
    assert record.mol.GetPropsAsDict() == {"mw": 46, "mw_2": 47}


def test_columns_that_rdkit_takes_for_private_are_renamed():
    (record,) = read_records([written("t.csv", "smiles,name,_x\nCCO,a,3\n")])
    assert record.mol.GetPropsAsDict() == {"input__x": 3}


def test_stdin_may_be_a_table(monkeypatch):
    give_stdin(monkeypatch, b"ID,mw,SMILES\na,46,CCO\nb,16,C\n")
    first, second = read_records(["-"])
    assert (first.name, first.mol.GetProp("mw"), second.name, second.origin) == ("a", "46", "b", "stdin:3")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("name\tsmiles\na\tCCO\n", {}),
        ('"name\nhere"\tsmiles\na\tCCO\n', {"name_column": "name here"}),
        ("product\tname\nCCO\ta\n", {"smiles_column": "product"}),
        ("sep=|\nname|smiles\na|CCO\n", {}),
    ],
)
def test_stdin_may_be_a_table_with_tabs_or_what_it_says(table, columns, monkeypatch):
    give_stdin(monkeypatch, table.encode())
    assert [(smiles, name) for smiles, name, _ in summary("-", **columns)] == [("CCO", "a")]
