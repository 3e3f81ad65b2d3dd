"""What reaches the disk: every conformer, with its tags, in each format; or nothing at all."""

from __future__ import annotations

import gzip
import io
import json
import resource
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
from rdkit import Chem
from rdkit.Geometry import Point3D

from confgen.errors import MoleculeError, OutputError
from confgen.formats import boltzmann_weights
from confgen.writer import Writer, write_ensembles


@dataclass(frozen=True)
class Ensemble:
    mol: Chem.Mol
    name: str = "ethanol"
    origin: str = "mols.smi:7"
    checks: list[list[str]] = field(default_factory=lambda: [[], ["clash", "planarity"]])
    energies: list[float] | None = None
    seed: int = 7
    weights: str = "drugs"
    sources: list[str] = field(default_factory=lambda: ["network", "etkdg"])
    error: MoleculeError | None = None


def molecule(smiles: str, num_confs: int = 2) -> Chem.Mol:
    """A molecule with conformers of recorded random positions (writers do not judge geometry)."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    generator = np.random.default_rng(3)
    for _ in range(num_confs):
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.Set3D(True)
        for atom, place in enumerate(generator.normal(scale=3.0, size=(mol.GetNumAtoms(), 3)).round(4)):
            conformer.SetAtomPosition(atom, Point3D(*place.tolist()))
        mol.AddConformer(conformer, assignId=True)
    return mol


@pytest.fixture
def ethanol() -> Ensemble:
    return Ensemble(molecule("CCO"))


def positions(mol: Chem.Mol) -> np.ndarray:
    return np.stack([conformer.GetPositions() for conformer in mol.GetConformers()])


def sd_records(path: Path) -> list[Chem.Mol]:
    return list(Chem.SDMolSupplier(str(path), removeHs=False))


def only_file(folder: Path, name: str) -> bool:
    return [entry.name for entry in folder.iterdir()] == [name]


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
    ]


def test_sdf_energy_tags_are_absolute_relative_and_a_share(tmp_path: Path) -> None:
    write_ensembles([Ensemble(molecule("CCO"), energies=[-5.0, -4.0])], tmp_path / "out.sdf")
    _, second = sd_records(tmp_path / "out.sdf")
    assert (second.GetProp("energy_kcal_mol"), second.GetProp("relative_energy_kcal_mol")) == ("-4.0", "1.0")
    assert second.GetDoubleProp("boltzmann_weight") == pytest.approx(0.1561, abs=1e-4)


def test_equal_energies_share_equally() -> None:
    assert boltzmann_weights([3.0] * 4) == pytest.approx([0.25] * 4)


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
    write_ensembles([ethanol], tmp_path / "out.sdf")
    assert not sd_records(tmp_path / "out.sdf")[0].HasProp("energy_kcal_mol")


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


@pytest.mark.parametrize(("tag", "value"), [("note", "a\n\nb"), ("note", "a\n$$$$\nb"), ("a<b>\nc", "x"), ("note", "")])
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
    ("path", "format"), [("a.pdb", None), ("a", None), ("a.sdf", "pdb"), ("-", "parquet"), ("a.parquet.gz", None)]
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
