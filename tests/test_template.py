"""Promises of a template: what it can be read from, which core a molecule shares with it, and in how many ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDepictor

from confgen.conformers import positions, with_positions
from confgen.core_checks import core_faults
from confgen.errors import CannotStart, MoleculeError
from confgen.isomers import enumerate_stereo
from confgen.molecule import read_molecule
from confgen.scaffold import Core
from confgen.template import (
    Template,
    core_notes,
    make_template,
    match_isomers,
    read_template,
)

Make = Callable[..., Template]


@pytest.fixture
def template(embed_mol: Callable[..., Chem.Mol]) -> Make:
    """Function: SMILES and SMARTS -> a template of that shape."""

    def make(smiles: str, smarts: str | None = None) -> Template:
        return make_template(embed_mol(read_molecule(smiles)), "crystal.sdf", smarts)

    return make


def cores_of(mol: Chem.Mol, known: Template) -> list[Core]:
    """The ways to lay the molecule on the template."""
    _, [cores] = match_isomers([mol], known)
    return cores


def sdf(path: Path, *mols: Chem.Mol) -> Path:
    with Chem.SDWriter(str(path)) as writer:
        for mol in mols:
            writer.write(mol)
    return path


def test_the_first_record_is_the_template_and_the_others_are_mentioned(
    tmp_path: Path, embed_mol: Callable[..., Chem.Mol]
) -> None:
    shape = embed_mol(read_molecule("CC(=O)Nc1ccccc1"))
    found = read_template(sdf(tmp_path / "t.sdf", shape, embed_mol(read_molecule("CCO"))))
    assert found.mol.GetNumHeavyAtoms() == 10
    np.testing.assert_allclose(positions(found.mol)[0], positions(shape)[0], atol=1e-4)
    assert ["first of several" in note for note in found.notes] == [True]
    assert read_template(sdf(tmp_path / "one.sdf", shape)).notes == ()


def test_of_a_salt_the_largest_fragment_is_used(tmp_path: Path, embed_mol: Callable[..., Chem.Mol]) -> None:
    found = read_template(sdf(tmp_path / "t.sdf", embed_mol(read_molecule("[Cl-].C[NH2+]CC"))))
    assert found.mol.GetNumHeavyAtoms() == 4
    assert "2 fragments" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.sdf", "", "no molecule"),
        ("t.sdf", "no\nmolecule\nat all\n", "record"),
        ("t.smi", "CCO ethanol\n", "must be an .sdf"),
        ("t.pdb", "ATOM\n", "must be an .sdf"),
        ("missing.sdf", None, "no such file"),
    ],
)
def test_what_is_no_template_cannot_be_started_with(
    name: str, content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CannotStart, match=message) as error:
        read_template(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_drawing_is_no_template(tmp_path: Path) -> None:
    flat = Chem.MolFromSmiles("CC(=O)Nc1ccccc1")
    rdDepictor.Compute2DCoords(flat)
    with pytest.raises(CannotStart, match="no 3D coordinates"):
        read_template(sdf(tmp_path / "t.sdf", flat))


@pytest.mark.parametrize(
    ("smiles", "smarts", "message"),
    [
        ("[H][H]", None, "0 heavy atoms"),
        ("CO", None, "2 heavy atoms"),
        ("CCCO", "c1", "cannot be read"),
        ("CCCO", "c1ccccc1", "is not in the template"),
        ("CCCO", "CO", "matches 2 atoms"),
    ],
)
def test_a_core_of_nothing_is_refused(smiles: str, smarts: str | None, message: str, template: Make) -> None:
    with pytest.raises(CannotStart, match=message):
        template(smiles, smarts)


def test_a_core_has_the_positions_of_the_template(template: Make) -> None:
    known = template("CC(=O)Nc1ccccn1")
    mol = read_molecule("FC(F)CC(=O)Nc1ccc(C#N)cn1")
    [core] = cores_of(mol, known)
    assert len(core.atoms) == 10
    at = positions(known.mol)[0]
    for atom, place in zip(core.atoms, core.positions, strict=True):
        [original] = np.flatnonzero((at == place).all(1))
        assert mol.GetAtomWithIdx(int(atom)).GetAtomicNum() == known.mol.GetAtomWithIdx(int(original)).GetAtomicNum()


@pytest.mark.parametrize(
    ("smiles", "size"),
    [
        ("Clc1ccc(CC2CCNCC2)cn1", 8),  # of a ring that differs only the atom that carries the rest is kept
        ("O=C(CC1CCNCC1)c1ccoc1", 7),
    ],
)
def test_without_a_smarts_the_core_is_what_both_have_in_common(smiles: str, size: int, template: Make) -> None:
    cores = cores_of(read_molecule(smiles), template("c1ccc(CC2CCNCC2)cc1"))
    assert {len(core.atoms) for core in cores} == {size}


@pytest.mark.parametrize(
    ("smiles", "shape", "size"),
    [
        ("CC(=O)NC1CCCCC1", "CC(=O)Nc1ccccc1", 4),
        ("CC(=O)Nc1ccccc1", "CC(=O)NC1CCCCC1", 4),
        ("CC(=O)Nc1ccncc1", "CC(=O)Nc1ccccc1", 5),
        ("CC(=O)NC1CCC=CC1", "CC(=O)NC1CCCCC1", 5),
    ],
)
def test_flat_rings_are_not_laid_on_saturated_ones(smiles: str, shape: str, size: int, template: Make) -> None:
    assert {len(core.atoms) for core in cores_of(read_molecule(smiles), template(shape))} == {size}


def test_isomers_that_share_a_core_lie_in_one_way(template: Make) -> None:
    mol = read_molecule("c1ccc2[nH]cc(CC(N)C(=O)O)c2c1")
    known = template("c1ccc2[nH]cc(C[C@H](N)C(=O)O)c2c1", "c1ccc2[nH]ccc2c1")
    isomers, cores = match_isomers(enumerate_stereo(mol), known)
    assert len(isomers) == 2
    assert core_notes(mol, [core for own in cores for core in own]) == []


def test_a_chain_is_no_part_of_a_ring(template: Make) -> None:
    with pytest.raises(MoleculeError, match="shares no core"):
        cores_of(read_molecule("C1CCCCCC1"), template("CCCCO"))
    with pytest.raises(MoleculeError, match="shares no core"):
        cores_of(read_molecule("C1CCCCCC1"), template("CCCC"))


@pytest.mark.parametrize(
    ("smiles", "ways"),
    [
        ("CC(=O)Nc1ccc(Cl)cc1", 1),
        ("CC(=O)Nc1ccccc1Cl", 2),
        ("CC(=O)Nc1cc(Cl)cc(Cl)c1", 1),
        ("CC(=O)Nc1cc(Cl)ccc1F", 2),
    ],
)
def test_a_phenyl_ring_is_flipped_where_that_is_another_placement(smiles: str, ways: int, template: Make) -> None:
    mol = read_molecule(smiles)
    cores = cores_of(mol, template("CC(=O)Nc1ccccc1"))
    assert len(cores) == ways
    assert ("2 ways" in " ".join(core_notes(mol, cores))) == (ways == 2)


def test_a_smarts_names_the_core_and_hydrogens_do_not_count(template: Make) -> None:
    [core] = cores_of(read_molecule("[H]OCCC(=O)Nc1ccc(F)cc1"), template("CCC(=O)Nc1ccccc1", "C(=O)N[#6]"))
    assert len(core.atoms) == 4


def test_charges_may_differ(template: Make) -> None:
    [core] = cores_of(read_molecule("C[NH+](C)CCc1ccncc1"), template("CN(C)CC"))
    assert len(core.atoms) == 5


def test_nothing_in_common_is_a_molecule_error(template: Make) -> None:
    with pytest.raises(MoleculeError, match=r"shares no core with the template crystal\.sdf"):
        cores_of(read_molecule("FC(F)(F)F"), template("c1ccccc1O"))


def test_a_core_lies_in_one_fragment(template: Make) -> None:
    mol = read_molecule("[Cl-].C[NH2+]CC(=O)Nc1ccc(F)cc1.O")
    [core] = cores_of(mol, template("CC(=O)Nc1ccccc1"))
    assert core.atoms.min() > 1


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)NCC", "CC[C@@](C)(O)CN", "C/C=C/C(=O)NC"])
def test_the_other_hand_is_refused(smiles: str, template: Make) -> None:
    swapped = smiles.replace("@@", "@") if "@@" in smiles else smiles.replace("@", "@@").replace("/C(", "\\C(")
    assert len(cores_of(read_molecule(smiles + "F"), template(smiles))) == 1
    with pytest.raises(MoleculeError, match="other hand"):
        cores_of(read_molecule(swapped + "F"), template(smiles))


def test_a_centre_whose_fourth_neighbour_is_no_part_of_the_core_has_a_hand(template: Make) -> None:
    known = template("F[C@H](Cl)Br")
    assert cores_of(read_molecule("F[C@](Cl)(Br)CC"), known) != []
    with pytest.raises(MoleculeError, match="other hand"):
        cores_of(read_molecule("F[C@@](Cl)(Br)CC"), known)


def test_a_centre_that_is_left_open_takes_the_template_s_hand(template: Make) -> None:
    known = template("C[C@H](N)C(=O)NCC")
    isomers, cores = match_isomers(enumerate_stereo(read_molecule("CC(N)C(=O)NCCF")), known)
    assert [Chem.MolToSmiles(Chem.RemoveHs(isomer)) for isomer in isomers] == ["C[C@H](N)C(=O)NCCF"]
    assert [len(own) for own in cores] == [1]


def test_a_cis_ring_is_laid_on_in_the_way_that_fits(template: Make) -> None:
    known = template("C[C@H]1CC[C@@H](O)CC1")
    assert len(cores_of(read_molecule("C[C@H]1CC[C@@H](OC)CC1"), known)) == 1
    with pytest.raises(MoleculeError, match="other hand"):
        cores_of(read_molecule("C[C@H]1CC[C@H](OC)CC1"), known)


def test_a_fault_of_the_template_is_told_from_one_of_the_conformer(template: Make) -> None:
    known, mol = template("CC(=O)Nc1ccccc1"), read_molecule("CC(=O)Nc1ccc(CCO)cc1")
    [core] = cores_of(mol, known)
    assert core_faults(mol, core) == []
    bent = positions(known.mol)
    bent[0, 0] *= 1.7
    bent[0, 6] += [0.6, 0.6, 0.6]
    [core] = cores_of(mol, make_template(with_positions(known.mol, bent), "bent.sdf"))
    assert {"bond_lengths", "aromatic_flat"} <= set(core_faults(mol, core))
    assert "in the template's own coordinates" in " ".join(core_notes(mol, [core]))


def test_a_core_is_not_stretched_over_more_than_the_molecule_can_reach(template: Make) -> None:
    known, mol = template("NCC#CC#CCO", "N.CO"), read_molecule("OCNCC#CC#CCO")
    [core] = cores_of(mol, known)
    assert core.atoms.tolist() == [2, 8, 9]


def test_the_number_of_ways_is_bounded(template: Make) -> None:
    cores = cores_of(read_molecule("FC(F)(F)C(C(F)(F)F)(C(F)(F)F)CCO"), template("FC(F)(F)C(C(F)(F)F)C(F)(F)F"))
    assert len(cores) <= 24


@pytest.mark.parametrize("smarts", [3, "c1ccc("], ids=str)
def test_a_smarts_that_is_none_is_one_line(smarts: object, template: Make, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CannotStart, match=r"^the SMARTS of the core"):
        template("CCOC", smarts)
    assert capfd.readouterr().err == ""
