"""`confgen check` tells good conformers from bad ones, in four formats, and ends as it says."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import confgen
from rdkit import Chem
from typer.testing import Result

from confgen.conformers import positions, with_positions
from confgen.inspection import CHECKS
from confgen.molecule import from_smiles
from confgen.writer import write_ensembles

ALANINE, MIRRORED = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"
Made = Callable[[str], Chem.Mol]


def check(*arguments: object) -> Result:
    """The command run in this process, without energies; a bug raises."""
    return confgen("check", *arguments, "--no-energy")


@pytest.fixture(scope="module")
def made(embed_mol: Callable[..., Chem.Mol]) -> Made:
    """Function: SMILES -> molecule with two conformers."""
    return lambda smiles: embed_mol(from_smiles(smiles), 2)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(path: str, *mols: Chem.Mol) -> str:
    """A file as `confgen generate` writes it."""
    ensembles = [
        SimpleNamespace(
            mol=mol, name=f"mol{number}", origin="", checks=[[]] * mol.GetNumConformers(), energies=None, seed=1,
            weights="w", sources=["network"] * mol.GetNumConformers(), error=None,
        )
        for number, mol in enumerate(mols, start=1)
    ]  # fmt: skip
    write_ensembles(ensembles, path)
    return path


def mirrored(mol: Chem.Mol) -> Chem.Mol:
    return with_positions(mol, positions(mol) * [1.0, 1.0, -1.0])


def untagged(path: str, mol: Chem.Mol) -> str:
    """An SD file of another program: coordinates and a title."""
    with Chem.SDWriter(path) as writer:
        mol.SetProp("_Name", "theirs")
        for conformer in mol.GetConformers():
            writer.write(mol, confId=conformer.GetId())
    return path


@pytest.mark.parametrize("name", ["a.sdf", "a.xyz", "a.parquet", "a.jsonl"])
@pytest.mark.parametrize("hand", ["@", "@@"])
@pytest.mark.parametrize("smiles", ["O=C1CC[C{}]2(C1)CCC(=O)C2", "C/C=C1/CC[C{}H](C)CC1"])
def test_the_wrong_hand_fails_where_rdkit_sees_no_stereochemistry(
    smiles: str, hand: str, name: str, made: Made
) -> None:
    right = made(smiles.format(hand))
    assert check(written(name, right)).exit_code == 0
    result = check(written(f"wrong-{name}", mirrored(right)))
    assert (result.exit_code, "stereo failed by 2" in result.stdout) == (3, True)


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "a.parquet", "a.jsonl", "a.jsonl.gz"])
def test_good_conformers_pass_in_every_format_of_generate(name: str, made: Made) -> None:
    result = check(written(name, made(ALANINE), made("CCO")))
    assert (result.exit_code, result.stdout) == (0, "mol1: 2 conformers, 2 passed\nmol2: 2 conformers, 2 passed\n")


@pytest.mark.parametrize("name", ["a.sdf", "a.parquet", "a.jsonl"])
def test_the_wrong_enantiomer_fails_in_every_format_of_generate(name: str, made: Made) -> None:
    result = check(written(name, mirrored(made(ALANINE))))
    assert (result.exit_code, result.stdout) == (3, "mol1: 2 conformers, 0 passed; stereo failed by 2 (1, 2)\n")


def test_a_tag_of_another_program_counts_if_it_fits(made: Made) -> None:
    mol = made(ALANINE)
    for tag, code in ((ALANINE, 0), (MIRRORED, 3), ("CCO", 0), ("nonsense(", 0)):
        mol.SetProp("SMILES", tag)
        assert check(untagged("theirs.sdf", mol)).exit_code == code


def test_where_nothing_is_asked_it_says_so_and_shows_what_is_there(made: Made) -> None:
    untagged("theirs.sdf", made(MIRRORED))
    result = check("theirs.sdf", "--outfmt", "csv")
    assert result.exit_code == 0
    assert "nothing says which stereochemistry 1 molecule should have" in result.stderr
    row = next(csv.DictReader(io.StringIO(result.stdout)))
    assert (row["stereo"], Chem.CanonSmiles(row["shown"])) == ("", Chem.CanonSmiles(MIRRORED))


def test_smiles_and_reference_say_what_is_asked(made: Made) -> None:
    untagged("theirs.sdf", made(ALANINE))
    written("asked.parquet", made(MIRRORED))
    Path("asked.smi").write_text(f"CCO ethanol\n{MIRRORED} theirs\n")
    assert check("theirs.sdf", "--smiles", ALANINE).exit_code == 0
    assert check("theirs.sdf", "--smiles", MIRRORED).exit_code == 3
    assert check("theirs.sdf", "--reference", "asked.smi").exit_code == 3
    assert check("theirs.sdf", "--reference", "asked.parquet").exit_code == 3


def test_a_reference_without_the_molecule_is_an_error_of_the_molecule(made: Made) -> None:
    untagged("theirs.sdf", made(ALANINE))
    Path("asked.smi").write_text("CCO a\nCCC b\n")
    result = check("theirs.sdf", "--reference", "asked.smi")
    assert result.exit_code == 4
    assert "asked.smi has no molecule of that name" in result.stderr


@pytest.mark.parametrize("name", ["theirs", "another"])
def test_an_entry_of_the_reference_that_cannot_be_read_is_named_and_stands_for_nothing(name: str, made: Made) -> None:
    """Nor is the one beside it taken for the only one there is."""
    untagged("theirs.sdf", made(ALANINE))
    Path("asked.smi").write_text(f"{MIRRORED} other\nCC(( {name}\n")
    result = check("theirs.sdf", "--reference", "asked.smi", "-q")
    assert (result.exit_code, result.stdout) == (4, "theirs: could not be checked\n")
    first, second = result.stderr.splitlines()
    assert first.startswith("--reference: asked.smi:2")
    reason = "cannot be read (asked.smi:2)" if name == "theirs" else "asked.smi has no molecule of that name"
    assert reason in second


def test_a_reference_that_has_nothing_to_read_is_one_line(made: Made) -> None:
    untagged("theirs.sdf", made(ALANINE))
    Path("asked.smi").write_text("CC(( theirs\n")
    result = check("theirs.sdf", "--reference", "asked.smi")
    assert (result.exit_code, result.stderr.startswith("asked.smi:1 'theirs'")) == (2, True)
    assert len(result.stderr.splitlines()) == 1


def test_two_different_molecules_of_one_name_in_the_reference_are_an_error_of_that_name_only(made: Made) -> None:
    written("a.sdf", made(ALANINE), made("CCO"))
    Path("asked.smi").write_text(f"{ALANINE} mol1\n{MIRRORED} mol1\nCCO mol2\nOCC mol2\n")
    result = check("a.sdf", "--reference", "asked.smi", "-q")
    assert (result.exit_code, result.stdout.splitlines()[1]) == (3, "mol2: 2 conformers, 2 passed")
    (line,) = result.stderr.splitlines()
    assert all(part in line for part in ("'mol1'", "asked.smi:1", "asked.smi:2", "a name of its own"))


@pytest.mark.parametrize("asked", ["C[C@H](O)[C@H](F)Cl |&1:1,3|", "C[C@@H](O)[C@@H](F)Cl |&1:1,3|"])
def test_records_of_a_racemate_are_one_reference(asked: str, made: Made) -> None:
    racemate = made("C[C@H](O)[C@H](F)Cl |&1:1,3|")
    pos = positions(racemate)
    written("a.sdf", with_positions(racemate, np.stack((pos[0], -pos[1]))))
    first, _, rest = Path("a.sdf").read_text().partition("$$$$\n")
    Path("b.sdf").write_text(f"{first.replace('C[C@H](O)[C@H](F)Cl |&1:1,3|', asked)}$$$$\n{rest}")
    result = check("a.sdf", "--reference", "b.sdf")
    assert (result.exit_code, "mol1: 2 conformers, 2 passed" in result.stdout) == (0, True)


def test_a_racemate_and_one_hand_of_it_are_different_references(made: Made) -> None:
    written("a.sdf", made("C[C@H](O)F"))
    Path("asked.smi").write_text("C[C@H](O)F mol1\nC[C@H](O)F |&1:1| mol1\n")
    result = check("a.sdf", "--reference", "asked.smi")
    assert (result.exit_code, "different molecules of asked.smi" in result.stderr) == (4, True)


def test_what_a_reference_left_open_may_be_either(made: Made) -> None:
    written("a.sdf", made("C[C@H](F)CC[C@H](C)O"))
    written("b.sdf", made("C[C@H](F)CC[C@@H](C)O"))
    text = Path("b.sdf").read_text()
    own = text.partition("<confgen_smiles>")[2].splitlines()[1]
    Path("b.sdf").write_text(text.replace(own, "C[C@H](F)CCC(C)O"))
    assert check("a.sdf", "--reference", "b.sdf").exit_code == 0


def test_a_confgen_smiles_that_cannot_be_read_is_named(made: Made) -> None:
    text = Path(written("a.sdf", made(ALANINE))).read_text()
    Path("a.sdf").write_text(text.replace(f"\n{ALANINE}\n", "\nCC(\n"))
    result = check("a.sdf", "-q")
    (line,) = result.stderr.splitlines()
    assert "a.sdf record 1 'mol1': its tag confgen_smiles cannot be read, 'CC('" in line
    assert check("a.sdf", "-q", "--smiles", ALANINE).stderr == ""


def test_long_has_a_line_for_each_conformer_with_every_check(made: Made) -> None:
    result = check(written("a.sdf", mirrored(made(ALANINE))), "--outfmt", "long")
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["molecule", "conf", *CHECKS]
    assert [line.split()[1] for line in lines] == ["1", "2"]
    assert all(line.split().count("FAIL") == 1 and line.endswith("stereo: centre 2 (C)") for line in lines)


def test_csv_and_json_tell_the_same(made: Made) -> None:
    written("a.sdf", made("CCO"), mirrored(made(ALANINE)))
    rows = list(csv.DictReader(io.StringIO(check("a.sdf", "--outfmt", "csv").stdout)))
    table = json.loads(check("a.sdf", "--outfmt", "json").stdout)
    conformers = [(m["name"], c) for m in table["molecules"] for c in m["conformers"]]
    words = {"true": True, "false": False, "": None}
    assert [(row["name"], {name: words[row[name]] for name in CHECKS}) for row in rows] == [
        (name, conformer["checks"]) for name, conformer in conformers
    ]
    assert table["summary"]["failed"] == {"stereo": 2}
    assert set(table["checks"]) == set(CHECKS)


def test_energies_are_compared_unless_told_not_to(made: Made) -> None:
    written("a.sdf", made("CCO"))
    rows = csv.DictReader(io.StringIO(confgen("check", "a.sdf", "--outfmt", "csv").stdout))
    assert all(0 < float(row["energy_ratio"]) < 100 and row["energy"] == "true" for row in rows)


def test_a_bad_record_is_one_line_and_the_rest_goes_on(made: Made) -> None:
    text = Path(written("a.sdf", made("CCO"))).read_text()
    Path("a.sdf").write_text("broken\n\n\n  1  0\nM  END\n$$$$\n" + text)
    result = check("a.sdf", "-q")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[1] == "mol1: 2 conformers, 2 passed"
    assert len(result.stderr.splitlines()) == 1


def test_a_drawing_has_nothing_to_check() -> None:
    mol = Chem.MolFromSmiles("CCO")
    Path("flat.sdf").write_text(Chem.MolToMolBlock(mol) + "$$$$\n")
    result = check("flat.sdf", "-q")
    assert result.exit_code == 4
    assert "has no 3D coordinates" in result.stderr


@pytest.mark.parametrize("name", ["none.sdf", "a.xyz", "a.smi", "a.parquet", "a.jpg"])
def test_what_cannot_be_read_ends_in_one_line(name: str) -> None:
    if name != "none.sdf":
        Path(name).write_text("CCO\n")
    result = check(name)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)


def test_an_empty_file_has_nothing_in_it() -> None:
    Path("empty.sdf").touch()
    assert check("empty.sdf").exit_code == 4


def test_lines_of_json_that_are_no_conformers_are_named(made: Made) -> None:
    good = Path(written("a.jsonl", made("CCO"))).read_text()
    Path("a.jsonl").write_text('{"smiles": "CCO"}\n[1]\nnonsense\n' + good)
    result = check("a.jsonl", "-q")
    assert result.exit_code == 3
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"]


def test_the_output_goes_where_it_is_told_and_replaces_nothing(made: Made) -> None:
    written("a.sdf", made("CCO"))
    assert check("a.sdf", "-o", "out.csv.gz", "--outfmt", "csv").exit_code == 0
    assert gzip.decompress(Path("out.csv.gz").read_bytes()).startswith(b"file,origin,name,")
    refused = check("a.sdf", "-o", "out.csv.gz")
    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert check("a.sdf", "-o", "a.sdf", "--force").exit_code == 2


def test_positions_that_are_no_numbers_fail(made: Made) -> None:
    mol = made("CCO")
    pos = positions(mol)
    pos[1, 0, 0] = np.nan
    result = check(written("a.jsonl", with_positions(mol, pos)))
    assert (result.exit_code, result.stdout) == (3, "mol1: 2 conformers, 1 passed; finite failed by 1 (2)\n")
