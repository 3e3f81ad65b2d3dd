"""Promises of `confgen.ensembles`: files of conformers become molecules, in order, with nothing lost unsaid."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDepictor

from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.ensembles import read_ensembles
from confgen.errors import InputError
from confgen.molecule import read_molecule
from confgen.omissions import finite_only, right_stereo_only
from confgen.smiles import stereo_smiles
from confgen.stereo import elements, mismatches_all
from confgen.writer import write_ensembles

Embed = Callable[..., Chem.Mol]


def sdf_text(
    mol: Chem.Mol, title: str, tags: Mapping[str, Sequence[str | None]] | None = None, kekulize: bool = True
) -> str:
    """A record for each conformer; tags have a value for each, None where a record lacks it."""
    mol, records = Chem.Mol(mol), []
    mol.SetProp("_Name", title)
    for number, conformer in enumerate(mol.GetConformers()):
        own = {tag: values[number] for tag, values in (tags or {}).items()}
        data = "".join(f">  <{tag}>\n{value}\n\n" for tag, value in own.items() if value is not None)
        records.append(Chem.MolToMolBlock(mol, confId=conformer.GetId(), kekulize=kekulize) + data + "$$$$\n")
    return "".join(records)


def read(path: Path, text: str) -> list[ConformerSet]:
    path.write_text(text)
    return list(read_ensembles(path))


@pytest.fixture(scope="module")
def alcohol(embed_mol: Embed) -> Chem.Mol:
    return embed_mol(read_molecule("C[C@H](O)CC"), 3)


def test_records_of_one_title_and_graph_are_one_molecule(tmp_path: Path, embed_mol: Embed, alcohol: Chem.Mol) -> None:
    other = embed_mol(read_molecule("CCN"), 2)
    first, second, third = read(
        tmp_path / "a.sdf", sdf_text(alcohol, "a") + sdf_text(other, "b") + sdf_text(other, "c")
    )
    assert [(one.name, one.mol.GetNumConformers()) for one in (first, second, third)] == [("a", 3), ("b", 2), ("c", 2)]
    assert second.origin == f"{tmp_path / 'a.sdf'} record 4"
    np.testing.assert_allclose(positions(first.mol), positions(alcohol), atol=1e-4)


def test_one_title_with_two_graphs_is_two_molecules(tmp_path: Path, embed_mol: Embed, alcohol: Chem.Mol) -> None:
    found = read(tmp_path / "a.sdf", sdf_text(alcohol, "a") + sdf_text(embed_mol(read_molecule("CCN"), 2), "a"))
    assert [one.mol.GetNumConformers() for one in found] == [3, 2]


def test_gzip_is_read_alike(tmp_path: Path, alcohol: Chem.Mol) -> None:
    (tmp_path / "a.sdf.gz").write_bytes(gzip.compress(sdf_text(alcohol, "a").encode()))
    (found,) = read_ensembles(str(tmp_path / "a.sdf.gz"))
    assert found.mol.GetNumConformers() == 3


def test_records_with_atoms_in_another_order_join_the_molecule(tmp_path: Path, alcohol: Chem.Mol) -> None:
    order = np.random.default_rng(0).permutation(alcohol.GetNumAtoms()).tolist()
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a") + sdf_text(Chem.RenumberAtoms(alcohol, order), "a"))
    assert found.mol.GetNumConformers() == 6
    carbons = [0, 1, 3, 4]
    np.testing.assert_allclose(positions(found.mol)[3:, carbons], positions(alcohol)[:, carbons], atol=1e-4)


def test_v3000_records_join_too(tmp_path: Path, alcohol: Chem.Mol) -> None:
    blocks = [Chem.MolToV3KMolBlock(alcohol, confId=number) for number in range(3)]
    (found,) = read(tmp_path / "a.sdf", "".join(f"{block}$$$$\n" for block in blocks))
    assert found.mol.GetNumConformers() == 3


def test_conformers_of_the_wrong_hand_join_and_are_judged_by_the_first(tmp_path: Path, alcohol: Chem.Mol) -> None:
    mirrored = Chem.Mol(alcohol)
    for conformer in mirrored.GetConformers():
        conformer.SetPositions(-conformer.GetPositions())
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a") + sdf_text(mirrored, "a"))
    assert [bool(wrong) for wrong in mismatches_all(found.mol)] == [False] * 3 + [True] * 3


def test_the_stereochemistry_asked_for_wins_over_the_first_conformer(tmp_path: Path, alcohol: Chem.Mol) -> None:
    tags = {"confgen_smiles": ["CC[C@@H](C)O"] * 3}
    assert Chem.CanonSmiles("CC[C@@H](C)O") != Chem.CanonSmiles("C[C@H](O)CC")
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a", tags))
    assert [bool(wrong) for wrong in mismatches_all(found.mol)] == [True] * 3


def test_enumerated_stereoisomers_of_one_title_stay_apart(tmp_path: Path, alcohol: Chem.Mol) -> None:
    texts = [sdf_text(alcohol, "a", {"stereoisomer": [f"{number}/2"] * 3}) for number in (1, 2)]
    assert [one.mol.GetNumConformers() for one in read(tmp_path / "a.sdf", "".join(texts))] == [3, 3]


def test_hydrogens_missing_in_the_file_stay_missing(tmp_path: Path, alcohol: Chem.Mol) -> None:
    (found,) = read(tmp_path / "a.sdf", sdf_text(Chem.RemoveHs(alcohol), "a"))
    assert (found.mol.GetNumAtoms(), found.mol.GetNumConformers()) == (5, 3)
    assert not any(mismatches_all(found.mol))


def test_energies_and_weights_come_from_the_tags_of_confgen(tmp_path: Path, alcohol: Chem.Mol) -> None:
    tags = {"energy_kcal_mol": ["-10.0", "-9.0", "-9.5"], "boltzmann_weight": ["0.5", "0.2", "0.1"]}
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a", tags))
    np.testing.assert_allclose(found.energies, [0.0, 1.0, 0.5])
    np.testing.assert_allclose(found.weights, [0.625, 0.25, 0.125])


@pytest.mark.parametrize(
    ("tags", "what", "said"),
    [
        ({"energy_kcal_mol": ["0.0", "n/a", "1.0"]}, "energies", "that of conformer 2 is not a finite number"),
        ({"energy_kcal_mol": ["0.0", "1.0", None]}, "energies", "that of conformer 3 is not a finite number"),
        ({"boltzmann_weight": ["0.5", "0.7", "-0.2"]}, "weights", "that of conformer 3 is negative"),
        ({"boltzmann_weight": ["0.0", "0.0", "0.0"]}, "weights", "all of them are 0"),
        ({"boltzmann_weight": ["0.5", "", "0.5"]}, "weights", "that of conformer 2 is not a finite number"),
    ],
)
def test_tags_of_no_use_are_left_out_and_named(
    tmp_path: Path, alcohol: Chem.Mol, tags: dict[str, list[str | None]], what: str, said: str
) -> None:
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a", tags))
    assert (found.energies, found.weights) == (None, None)
    assert found.notes == (f"{tmp_path / 'a.sdf'} record 1 'a': its {what} are left out: {said}",)


def test_an_energy_that_confgen_does_not_know_is_no_fault_of_its_file(tmp_path: Path, alcohol: Chem.Mol) -> None:
    tags = {"energy_kcal_mol": ["0.0", None, "1.0"], "confgen_version": ["1.0"] * 3}
    (found,) = read(tmp_path / "a.sdf", sdf_text(alcohol, "a", tags))
    assert (found.energies, found.notes) == (None, ())


def test_records_of_one_title_that_confgen_numbered_from_1_again_are_another_molecule(
    tmp_path: Path, alcohol: Chem.Mol
) -> None:
    tags = {"conformer": ["1", "2", "3"], "confgen_version": ["1"] * 3}
    found = read(tmp_path / "a.sdf", sdf_text(alcohol, "a", tags) * 2)
    assert [one.mol.GetNumConformers() for one in found] == [3, 3]
    shuffled = {"conformer": ["3", "1", "2"], "confgen_version": ["1"] * 3}  # sorted by another program
    assert len(read(tmp_path / "b.sdf", sdf_text(alcohol, "a", shuffled))) == 1


def test_of_records_with_several_stereochemistries_that_of_most_counts(tmp_path: Path, embed_mol: Embed) -> None:
    good, bad = (embed_mol(read_molecule(smiles), 3) for smiles in ("C[C@H](F)Cl", "C[C@@H](F)Cl"))
    one_bad = sdf_text(bad, "a").split("$$$$\n")[0] + "$$$$\n"
    [found] = read(tmp_path / "a.sdf", one_bad + sdf_text(good, "a"))
    assert found.mol is not None
    assert stereo_smiles(found.mol) == stereo_smiles(good)
    assert [bool(names) for names in mismatches_all(found.mol)] == [True, False, False, False]


@pytest.mark.parametrize(("name", "shown"), [(0, "0"), (None, "CC"), ("", "CC"), ("None", "None")])
def test_a_name_of_json_is_what_it_says(tmp_path: Path, name: object, shown: str) -> None:
    line = {"smiles": "CC", "name": name, "positions": [[[0, 0, 0], [1.5, 0, 0]]], "seed": True, "weights": "\ud800"}
    [found] = read(tmp_path / "a.jsonl", json.dumps(line) + "\n")
    assert found.name == shown
    assert found.making is not None
    assert found.making.seed is None  # true is no number
    assert write_ensembles([found], tmp_path / "a.parquet") == 1


def test_a_line_of_json_without_conformers_says_so(tmp_path: Path) -> None:
    [found] = read(tmp_path / "a.jsonl", json.dumps({"smiles": "CC", "positions": []}) + "\n")
    assert "has no conformers" in str(found.error)


def test_a_drawing_is_an_error_of_that_molecule_only(tmp_path: Path, alcohol: Chem.Mol) -> None:
    drawing = read_molecule("CCO")
    rdDepictor.Compute2DCoords(drawing)
    first, second, third = read(
        tmp_path / "a.sdf", sdf_text(drawing, "flat") * 3 + sdf_text(alcohol, "a") + sdf_text(drawing, "last")
    )
    assert (first.mol, second.mol.GetNumConformers(), third.name) == (None, 3, "last")
    assert "record 1 'flat': has no 3D coordinates" in str(first.error)
    assert "and 2 more records of it" in str(first.error)


def test_bad_records_are_one_only_if_they_have_one_title_and_one_fault(tmp_path: Path, alcohol: Chem.Mol) -> None:
    drawing = read_molecule("CCO")
    rdDepictor.Compute2DCoords(drawing)
    unknown = sdf_text(alcohol, "{}").split("$$$$\n")[0].replace(" O  ", " Qq ") + "$$$$\n"
    text = "".join(sdf_text(drawing, title) + unknown.format(title) * 2 for title in ("", "a"))
    found = read(tmp_path / "a.sdf", text)
    assert [one.name for one in found] == ["", "", "", "a", "a"]
    assert ["more record" in str(one.error) for one in found] == [False, False, False, False, True]


def test_a_broken_record_amid_a_molecule_is_named_and_the_rest_kept(tmp_path: Path, alcohol: Chem.Mol) -> None:
    records = sdf_text(alcohol, "a").split("$$$$\n")
    records[1] = records[1].replace("M  END", "")
    good, bad = read(tmp_path / "a.sdf", "$$$$\n".join(records))
    assert (good.mol.GetNumConformers(), bad.mol) == (2, None)
    assert "record 2 'a'" in str(bad.error)


def test_a_gzip_cut_short_gives_what_was_there_and_an_error(tmp_path: Path, embed_mol: Embed) -> None:
    text = "".join(sdf_text(embed_mol(read_molecule("CCO"), 2, seed=seed), f"m{seed}") for seed in range(1, 40))
    (tmp_path / "a.sdf.gz").write_bytes(gzip.compress(text.encode())[:-3000])
    *_, last = read_ensembles(tmp_path / "a.sdf.gz")
    assert "cut short" in str(last.error)


def test_lines_of_json_tell_of_energies_of_no_use_but_not_of_unknown_ones(tmp_path: Path) -> None:
    line = {"name": "x", "smiles": "[He]", "positions": [[[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]}
    text = "".join(json.dumps(line | {"energies_kcal_mol": energies}) + "\n" for energies in ([0.0], [0.0, None], None))
    assert [len(one.notes) for one in read(tmp_path / "a.jsonl", text)] == [1, 0, 0]


def with_broken(mol: Chem.Mol, *broken: int) -> Chem.Mol:
    """The molecule with a coordinate of some conformers that is no number."""
    pos = positions(mol)
    pos[list(broken), 0, 1] = np.nan
    return with_positions(mol, pos)


def test_conformers_that_are_no_numbers_are_left_out_of_everything_and_named(alcohol: Chem.Mol) -> None:
    weights = np.array([0.5, 0.3, 0.2])
    one = ConformerSet("a", "a.sdf record 1", with_broken(alcohol, 0), np.array([0.0, 1.0, 3.0]), weights)
    found = finite_only(one)
    np.testing.assert_allclose(positions(found.mol), positions(alcohol)[1:])
    np.testing.assert_allclose(found.energies, [0.0, 2.0])
    np.testing.assert_allclose(found.weights, [0.6, 0.4])
    assert found.notes == (
        "a.sdf record 1 'a': 1 of 3 conformers left out (1), with positions that are not finite numbers",
    )
    assert "each of its conformers" in str(finite_only(replace(one, mol=with_broken(alcohol, 0, 1, 2))).error)


@pytest.mark.parametrize("smiles", ["C[C@H](O)CC", "C/C=C/CO", "O=C1CC[C@]2(C1)CCC(=O)C2", "C/C=C1/CC[C@H](C)CC1"])
def test_conformers_of_another_isomer_are_left_out_and_named(embed_mol: Embed, smiles: str) -> None:
    mol = embed_mol(read_molecule(smiles), 2)
    other = read_molecule(smiles.replace("@", "@@") if "@" in smiles else "C/C=C\\CO")
    pos = np.concatenate([positions(mol), positions(embed_mol(other, 1))])
    found = right_stereo_only(ConformerSet("a", "here", with_positions(mol, pos)))
    assert found.mol.GetNumConformers() == 2
    assert "1 of 3 conformers left out (3), with other stereochemistry than" in found.notes[0]


@pytest.mark.parametrize("smiles", ["C[C@H](O)[C@@H](C)O", "C[C@H]1CC[C@@H](C)CC1", "CCO"])
def test_mirror_images_that_are_the_same_isomer_are_kept(embed_mol: Embed, smiles: str) -> None:
    mol = embed_mol(read_molecule(smiles), 2)
    one = ConformerSet("a", "here", with_positions(mol, -positions(mol)))
    assert right_stereo_only(one) is one


def geom(mols: list[Chem.Mol]) -> bytes:
    rows = [
        {"rd_mol": Chem.Mol(mol, confId=number), "boltzmannweight": 1.0, "relativeenergy": float(number)}
        for mol in mols
        for number in range(mol.GetNumConformers())
    ]
    return pickle.dumps({"smiles": "CC[C@@H](C)O", "conformers": rows})


def test_a_directory_of_geom_is_read_in_the_order_of_its_names(tmp_path: Path, alcohol: Chem.Mol) -> None:
    (tmp_path / "drugs").mkdir()
    for name in "ba":
        (tmp_path / "drugs" / f"{name}.pickle").write_bytes(geom([alcohol]))
    (tmp_path / "drugs" / "c.pickle").write_bytes(b"damaged")
    first, second, damaged = read_ensembles(tmp_path)
    assert [Path(one.origin).name for one in (first, second)] == ["a.pickle", "b.pickle"]
    assert (first.mol.GetNumConformers(), first.name) == (3, "CC[C@@H](C)O")
    np.testing.assert_allclose(first.weights, [1 / 3] * 3)
    assert not any(mismatches_all(first.mol))
    assert "c.pickle: cannot be read" in str(damaged.error)


def test_conformers_of_geom_that_are_another_molecule_are_left_out_and_named(
    tmp_path: Path, alcohol: Chem.Mol, embed_mol: Embed
) -> None:
    (tmp_path / "a.pickle").write_bytes(geom([alcohol, embed_mol(read_molecule("CCOCC"), 2)]))
    (found,) = read_ensembles(tmp_path / "a.pickle")
    assert found.mol.GetNumConformers() == len(found.weights) == 3
    assert "2 of 5 conformers have no coordinates or are another molecule" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.sdf", b"", "holds no molecules"),
        ("a.sdf.gz", b"not gzip", "is not gzip-compressed"),
        ("a.parquet", b"PAR1 not really", "cannot be read as Parquet"),
        ("a.parquet", b"", "cannot be read as Parquet"),
        ("a.pickle", b"nonsense", "cannot be read as a pickle"),
        ("a.pdb", b"3\n", "unknown kind of file"),
        ("a.xyz", b"3\n", "cut short"),
        ("a.smi", b"CCO", "unknown kind of file"),
    ],
)
def test_an_unreadable_file_is_one_line_at_once(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as refusal:
        read_ensembles(tmp_path / name)
    assert "\n" not in str(refusal.value)
    assert name in str(refusal.value)


def test_a_missing_file_and_an_empty_directory_are_one_line(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.sdf", "no such file"), (tmp_path, "a directory without pickles")):
        with pytest.raises(InputError, match=reason):
            read_ensembles(path)


def test_tags_that_rdkit_would_take_for_its_own_do_no_harm(tmp_path: Path) -> None:
    line = {"smiles": "[H][H]", "name": "a", "positions": [[[0, 0, 0], [0.74, 0, 0]]], "tags": {"": "1", "_Name": "2"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    [one] = read_ensembles(tmp_path / "a.jsonl")
    assert one.mol is not None
    assert one.name == one.mol.GetProp("_Name") == "a"
    assert {"input_unnamed", "input__Name"} <= set(one.mol.GetPropNames())


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("C[C@H](F)CCC(F)C", "C[C@H](F)CC[C@H](F)C"),
        ("C[C@H](F)CCC(F)C", "C[C@@H](F)CC[C@@H](F)C"),
        ("CC(F)C[C@H](C)F", "C[C@@H](F)C[C@H](C)F"),
        ("C/C=C/CCC=CC", "C/C=C/CC/C=C\\C"),
        ("C/C=C/CCC=CC", "C/C=C\\CC/C=C/C"),
        ("C1CC1C=C/C=C/C1CC1", "C1CC1/C=C\\C=C\\C1CC1"),
    ],
)
def test_what_was_specified_of_a_symmetric_molecule_is_looked_for_at_either_end(
    asked: str, made: str, tmp_path: Path, embed_mol: Embed
) -> None:
    text = sdf_text(embed_mol(read_molecule(made), 2), "half", {"confgen_smiles": [asked] * 2, "mw": ["7"] * 2})
    [one] = read(tmp_path / "a.sdf", text)
    assert one.mol is not None
    assert mismatches_all(one.mol) == [[], []]
    assert len(elements(one.mol).names) == len(elements(read_molecule(asked)).names)
    assert one.mol.GetProp("mw") == "7"
