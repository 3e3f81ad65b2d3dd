"""What an ensemble becomes in each format: every conformer, with its tags, where it was."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
from ensembles import Ensemble, molecule, positions, sd_records
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.conformers import with_positions
from confgen.ensembles import read_ensembles
from confgen.molecule import from_smiles
from confgen.writer import write_ensembles


@pytest.fixture
def ethanol() -> Ensemble:
    return Ensemble(molecule("CCO"))


def test_the_readme_names_every_key_of_a_line_of_json(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol], tmp_path / "out.jsonl")
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert [key for key in json.loads((tmp_path / "out.jsonl").read_text()) if f"`{key}`" not in readme] == []


# SDF


def test_sdf_has_one_record_per_conformer_with_its_positions(ethanol: Ensemble, tmp_path: Path) -> None:
    assert write_ensembles([ethanol], tmp_path / "out.sdf") == 2
    read = np.concatenate([positions(record) for record in sd_records(tmp_path / "out.sdf")])
    np.testing.assert_allclose(read, positions(ethanol.mol), atol=1e-4)


def test_sdf_records_carry_the_tags_in_order(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol], tmp_path / "out.sdf")
    _, second = sd_records(tmp_path / "out.sdf")
    tags = {tag: second.GetProp(tag) for tag in second.GetPropNames()}
    version = tags.pop("confgen_version")
    assert version
    assert list(tags.items()) == [
        ("conformer", "2"),
        ("valid", "false"),
        ("failed_checks", "clash, planarity"),
        ("source", "etkdg"),
        ("seed", "7"),
        ("weights", "drugs"),
        ("confgen_smiles", "CCO"),
    ]


def test_sdf_records_have_no_private_tags(tmp_path: Path) -> None:
    read = from_smiles("CCO", "ethanol", "mols.smi:7")
    write_ensembles([Ensemble(with_positions(read, positions(molecule("CCO"))))], tmp_path / "out.sdf")
    assert "_confgen" not in (tmp_path / "out.sdf").read_text()


def test_sdf_records_say_which_stereochemistry_was_asked_for(tmp_path: Path) -> None:
    asked = molecule("C[C@H](N)C(=O)O")
    write_ensembles([Ensemble(with_positions(asked, -positions(asked)))], tmp_path / "mirrored.sdf")
    smiles = sd_records(tmp_path / "mirrored.sdf")[0].GetProp("confgen_smiles")
    assert Chem.CanonSmiles(smiles) == Chem.CanonSmiles("C[C@H](N)C(=O)O")


def test_sdf_records_show_which_way_an_open_double_bond_is(tmp_path: Path) -> None:
    asked = from_smiles("CC=CC")
    shown = [from_smiles(smiles) for smiles in (r"C/C=C\C", "C/C=C/C")]
    for isomer in shown:
        rdDistGeom.EmbedMolecule(isomer, randomSeed=5)
    pos = np.stack([isomer.GetConformer().GetPositions() for isomer in shown])
    write_ensembles([Ensemble(with_positions(asked, pos))], tmp_path / "out.sdf")
    records = sd_records(tmp_path / "out.sdf")
    assert [Chem.MolToSmiles(Chem.RemoveHs(record)) for record in records] == [r"C/C=C\C", "C/C=C/C"]
    assert {record.GetProp("confgen_smiles") for record in records} == {"CC=CC"}


def test_sdf_energy_tags_are_absolute_relative_and_a_share(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"), energies=[-5.0, -4.0])], tmp_path / "out.sdf")
    _, second = sd_records(tmp_path / "out.sdf")
    assert (second.GetProp("energy_kcal_mol"), second.GetProp("relative_energy_kcal_mol")) == ("-4.0", "1.0")
    assert second.GetDoubleProp("boltzmann_weight") == pytest.approx(0.1561, abs=1e-4)


def test_sdf_keeps_the_tags_of_the_input(ethanol: Ensemble, tmp_path: Path) -> None:
    ethanol.mol.SetProp("IC50 (nM)", "12\nsecond line")
    write_ensembles([ethanol], tmp_path / "out.sdf")
    assert [record.GetProp("IC50 (nM)") for record in sd_records(tmp_path / "out.sdf")] == ["12\nsecond line"] * 2


def test_sdf_writes_numbers_set_on_the_molecule_as_text(ethanol: Ensemble, tmp_path: Path) -> None:
    ethanol.mol.SetIntProp("rank", 3)
    ethanol.mol.SetDoubleProp("logP", -0.25)
    write_ensembles([ethanol], tmp_path / "out.sdf")
    first, _ = sd_records(tmp_path / "out.sdf")
    assert (first.GetProp("rank"), float(first.GetProp("logP"))) == ("3", -0.25)


def test_sdf_drops_energies_of_an_earlier_conformer(ethanol: Ensemble, tmp_path: Path) -> None:
    ethanol.mol.SetProp("energy_kcal_mol", "99")
    ethanol.mol.SetProp("confgen_smiles", "CCO")  # so it comes from a file that confgen wrote
    write_ensembles([ethanol], tmp_path / "out.sdf")
    assert not {"energy_kcal_mol", "input_energy_kcal_mol"} & set(sd_records(tmp_path / "out.sdf")[0].GetPropNames())


@pytest.mark.parametrize("tag", ["source", "seed", "energy_kcal_mol", "conformer"])
def test_sdf_keeps_tags_of_the_input_that_are_named_as_its_own(tag: str, ethanol: Ensemble, tmp_path: Path) -> None:
    ethanol.mol.SetProp(tag, "mine")
    ethanol.mol.SetProp(f"input_{tag}", "also mine")
    write_ensembles([ethanol], tmp_path / "out.sdf")
    record, _ = sd_records(tmp_path / "out.sdf")
    assert (record.GetProp(f"input_{tag}"), record.GetProp(f"input_{tag}_2")) == ("also mine", "mine")


def test_sdf_keeps_tags_that_differ_in_what_it_cannot_hold(ethanol: Ensemble, tmp_path: Path) -> None:
    for tag in ("a<b", "a(b", " ", "source "):
        ethanol.mol.SetProp(tag, tag)
    write_ensembles([ethanol], tmp_path / "out.sdf")
    assert {"a(b", "a(b_2", "unnamed", "source_2"} <= set(sd_records(tmp_path / "out.sdf")[0].GetPropNames())


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("two words", "two words"),
        ("a\nb\r\nc", "a b c"),
        ("", ""),
        ("$$$$", "_$$$$"),
        ("äöü 分子", "äöü 分子"),
        ("stray \udcff", "stray ?"),
    ],
)
def test_any_name_makes_a_readable_title(name: str, title: str, tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"), name=name)], tmp_path / "out.sdf")
    assert [record.GetProp("_Name") for record in sd_records(tmp_path / "out.sdf")] == [title] * 2


@pytest.mark.parametrize(
    ("tag", "value"),
    [("note", "a\n\nb"), ("note", "a\n$$$$\nb"), ("note", "a\n> <b>\nc"), ("a<b>\nc", "x"), ("note", "")],
)
def test_no_tag_breaks_the_records_after_it(tag: str, value: str, tmp_path: Path) -> None:
    mol = molecule("CCO")
    mol.SetProp(tag, value)
    write_ensembles([Ensemble(mol)], tmp_path / "out.sdf")
    assert [record.GetProp("conformer") for record in sd_records(tmp_path / "out.sdf")] == ["1", "2"]


@pytest.mark.parametrize("name", ["out.sdf", "out.jsonl", "out.parquet", "out.xyz"])
def test_a_tag_in_another_encoding_does_not_lose_the_molecule(name: str, ethanol: Ensemble, tmp_path: Path) -> None:
    block = Chem.MolToMolBlock(ethanol.mol).encode() + ">  <dose>\n5 µg\n\n$$$$\n".encode("latin-1")
    mol = next(Chem.ForwardSDMolSupplier(io.BytesIO(block), removeHs=False))
    assert write_ensembles([Ensemble(mol, checks=[[]], sources=["network"])], tmp_path / name) == 1


@pytest.mark.parametrize("name", ["out.sdf", "out.jsonl", "out.parquet", "out.xyz"])
def test_stray_bytes_in_a_file_name_do_not_lose_the_molecule(name: str, ethanol: Ensemble, tmp_path: Path) -> None:
    stray = Ensemble(ethanol.mol, name="a\udcff", origin="b\udcff.smi:1")
    assert write_ensembles([stray], tmp_path / name) == 2


def test_sdf_beyond_999_atoms_is_v3000(tmp_path: Path) -> None:
    chain = molecule("C" * 400)
    write_ensembles([Ensemble(chain)], tmp_path / "out.sdf")
    first, second = sd_records(tmp_path / "out.sdf")
    assert "V3000" in (tmp_path / "out.sdf").read_text()
    assert first.GetNumAtoms() == second.GetNumAtoms() == chain.GetNumAtoms() > 999


def test_compressed_sdf_holds_the_same_records(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol], tmp_path / "out.sdf")
    write_ensembles([ethanol], tmp_path / "out.sdf.gz")
    assert gzip.decompress((tmp_path / "out.sdf.gz").read_bytes()) == (tmp_path / "out.sdf").read_bytes()


def test_the_same_ensembles_give_the_same_bytes(ethanol: Ensemble, tmp_path: Path) -> None:
    for name in ("a.sdf.gz", "b.sdf.gz"):
        write_ensembles([ethanol], tmp_path / name)
    assert (tmp_path / "a.sdf.gz").read_bytes() == (tmp_path / "b.sdf.gz").read_bytes()


# The other formats


def test_xyz_frames_are_read_back_by_ase(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol], tmp_path / "out.xyz")
    frames = list(ase.io.iread(tmp_path / "out.xyz", format="extxyz"))
    np.testing.assert_allclose(np.stack([frame.positions for frame in frames]), positions(ethanol.mol), atol=1e-6)
    assert frames[0].numbers.tolist() == [atom.GetAtomicNum() for atom in ethanol.mol.GetAtoms()]


def test_xyz_comment_line_carries_name_smiles_and_tags(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("C[NH3+]"), name='a "b" c=d')], tmp_path / "out.xyz")
    _, second = ase.io.iread(tmp_path / "out.xyz", format="extxyz")
    info = second.info
    assert (info["name"], info["smiles"], info["charge"], info["conformer"], info["valid"], info["failed_checks"]) == (
        'a "b" c=d',
        "C[NH3+]",
        1,
        2,
        False,
        "clash, planarity",
    )


AWKWARD = ["C[C@H](N)C(=O)O", "F/C=C\\F", "[H][H]", "O=C=O", "[Na+].[Cl-]", "[2H]OC", "C[S@](=O)CC", "[H]/N=C/C"]


@pytest.mark.parametrize("smiles", AWKWARD)
def test_jsonl_positions_follow_the_atoms_of_its_smiles(smiles: str, tmp_path: Path) -> None:
    original = molecule(smiles)
    write_ensembles([Ensemble(original)], tmp_path / "out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert_same_atoms_in_same_places(original, row["smiles"], np.array(row["positions"]))


@pytest.mark.parametrize("smiles", AWKWARD)
def test_parquet_positions_follow_the_atoms_of_its_smiles(smiles: str, tmp_path: Path) -> None:
    original = molecule(smiles)
    write_ensembles([Ensemble(original)], tmp_path / "out.parquet")
    row = pq.read_table(tmp_path / "out.parquet").to_pylist()[0]
    centres = positions(original).mean(axis=1, keepdims=True)
    places = np.array(row["positions"]).reshape(row["num_confs"], row["num_atoms"], 3) + centres
    assert_same_atoms_in_same_places(original, row["smiles"], places)


def assert_same_atoms_in_same_places(original: Chem.Mol, smiles: str, places: np.ndarray) -> None:
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False  # type: ignore[assignment]  # wrong in the stubs
    read = Chem.MolFromSmiles(smiles, keep_hydrogens)
    where = {tuple(place.round(2)): atom for atom, place in enumerate(positions(original)[0])}
    order = [where[tuple(place.round(2))] for place in (places[0] + 1e-9)]
    elements = [
        (original.GetAtomWithIdx(atom).GetAtomicNum(), original.GetAtomWithIdx(atom).GetIsotope()) for atom in order
    ]
    assert [(atom.GetAtomicNum(), atom.GetIsotope()) for atom in read.GetAtoms()] == elements
    assert Chem.MolToSmiles(Chem.RenumberAtoms(original, order)) == Chem.MolToSmiles(read)


def test_jsonl_line_tells_everything_about_the_ensemble(tmp_path: Path) -> None:
    mol = molecule("CCO")
    mol.SetProp("batch", "4")
    write_ensembles([Ensemble(mol, energies=[1.0, 0.5])], tmp_path / "out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text())
    del row["positions"], row["confgen_version"], row["smiles"]
    assert row.pop("relative_energies_kcal_mol") == [0.5, 0.0]
    assert row.pop("boltzmann_weights") == pytest.approx([0.3007, 0.6993], abs=1e-4)
    assert row.pop("energy_methods") is row.pop("relaxations") is None
    assert row == {
        "name": "ethanol",
        "origin": "mols.smi:7",
        "charge": 0,
        "num_atoms": 9,
        "num_confs": 2,
        "energies_kcal_mol": [1.0, 0.5],
        "failed_checks": [[], ["clash", "planarity"]],
        "sources": ["network", "etkdg"],
        "seed": 7,
        "weights": "drugs",
        "tags": {"batch": "4"},
    }


def test_parquet_ids_are_unique_and_energies_may_be_missing(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol, ethanol, Ensemble(molecule("CCO"), energies=[-2.0, -1.5])], tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["id"] == ["ethanol", "ethanol~2", "ethanol~3"]
    assert table["energies"] == [None, None, [0.0, 0.5]]


def test_parquet_of_many_molecules_is_written_in_groups(ethanol: Ensemble, tmp_path: Path) -> None:
    write_ensembles([ethanol] * 600, tmp_path / "out.parquet")
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_row_groups == 3
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_rows == 600


@pytest.mark.parametrize("ending", ["sdf", "xyz", "jsonl", "parquet"])
def test_nul_in_a_name_or_tag_does_not_make_a_file_that_cannot_be_read(ending: str, tmp_path: Path) -> None:
    mol = molecule("CCO")
    mol.SetProp("note", "a\0b")
    write_ensembles([Ensemble(mol, name="x\0y")], tmp_path / f"out.{ending}")
    [found] = read_ensembles(tmp_path / f"out.{ending}")
    assert found.error is None
    assert found.name.startswith("x")
