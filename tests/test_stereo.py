"""The stereo check agrees with RDKit, fails every mirror image, and only real freedom counts as open."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms

from confgen.molecule import from_smiles
from confgen.stereo import elements, enumerate_stereo, mismatch_matrix, mismatches, mismatches_all, unspecified

NIRMATRELVIR = "CC1([C@@H]2[C@H]1[C@H](N(C2)C(=O)[C@H](C(C)(C)C)NC(=O)C(F)(F)F)C(=O)N[C@@H](C[C@@H]3CCNC3=O)C#N)C"
CHIRAL = {
    "nirmatrelvir": NIRMATRELVIR,
    "alanine": "C[C@H](N)C(=O)O",
    "all four neighbours heavy": "C[C@](N)(F)CC",
    "sulfoxide": "COc1ccc2[nH]c([S@@](=O)Cc3ncc(C)c(OC)c3C)nc2c1",
    "phosphine": "C[P@](CC)c1ccccc1",
    "phosphine oxide": "C[P@](=O)(CC)c1ccccc1",
    "ammonium": "C[N@+](CC)(CCC)c1ccccc1",
    "epoxide": "C[C@@H]1O[C@@H]1CC",
    "cage": "CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2",
    "written hydrogen": "[H][C@](C)(N)C(=O)O",
}
DOUBLE = {
    "E-stilbene": "c1ccccc1/C=C/c1ccccc1",
    "Z-stilbene": "c1ccccc1/C=C\\c1ccccc1",
    "E-oxime": "C/C(=N\\O)c1ccccc1",
    "Z-oxime": "C/C(=N/O)c1ccccc1",
    "trans-cyclooctene": "C1CCC/C=C/CC1",
    "cis-cyclooctene": "C1CCC/C=C\\CC1",
    "azo": "c1ccccc1/N=N/c1ccccc1",
    "imine with its hydrogen": "[H]/N=C/C",
}
EPIMERS = ("C[C@H](O)[C@H](F)/C=C/C", "C[C@H](O)[C@@H](F)/C=C/C", "C[C@@H](O)[C@@H](F)/C=C\\C")


def embedded(smiles: str, num_confs: int = 1) -> Chem.Mol:
    mol = from_smiles(smiles)
    assert len(rdDistGeom.EmbedMultipleConfs(mol, num_confs, randomSeed=7)) == num_confs
    return mol


def with_positions(mol: Chem.Mol, pos: np.ndarray) -> Chem.Mol:
    moved = Chem.Mol(mol)
    moved.GetConformer().SetPositions(np.ascontiguousarray(pos))
    return moved


def perceived(mol: Chem.Mol) -> str:
    """Canonical SMILES with the stereo RDKit finds in the coordinates."""
    mol = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(mol)
    return Chem.MolToSmiles(mol)


# Geometry against tags


@pytest.mark.parametrize("smiles", [*CHIRAL.values(), *DOUBLE.values()], ids=[*CHIRAL, *DOUBLE])
def test_right_geometry_has_no_mismatch(smiles):
    mol = embedded(smiles, num_confs=5)
    assert elements(mol).names
    assert mismatches_all(mol) == [[]] * 5


@pytest.mark.parametrize("smiles", CHIRAL.values(), ids=CHIRAL)
def test_mirror_image_has_every_centre_wrong(smiles):
    mol = embedded(smiles)
    mirrored = with_positions(mol, mol.GetConformer().GetPositions() * [-1, 1, 1])
    assert mismatches(mirrored) == elements(mol).names


@pytest.mark.parametrize("smiles", DOUBLE.values(), ids=DOUBLE)
def test_double_bond_of_the_mirror_image_is_still_right(smiles):
    mol = embedded(smiles)
    assert mismatches(with_positions(mol, -mol.GetConformer().GetPositions())) == []


@pytest.mark.parametrize("wanted", EPIMERS)
@pytest.mark.parametrize("shown", EPIMERS)
def test_verdict_is_that_of_rdkit(wanted, shown):
    asked, geometry = from_smiles(wanted), embedded(shown)
    asked.AddConformer(geometry.GetConformer())
    assert (mismatches(asked) == []) == (perceived(geometry) == Chem.MolToSmiles(asked))


def test_only_the_wrong_element_is_named():
    asked, geometry = from_smiles("C[C@H](O)[C@H](F)/C=C/C"), embedded("C[C@H](O)[C@@H](F)/C=C/C")
    asked.AddConformer(geometry.GetConformer())
    assert mismatches(asked) == ["centre 4 (C)"]


def test_wrong_side_of_a_double_bond_is_named():
    asked, geometry = from_smiles("C/C=N/O"), embedded("C/C=N\\O")
    asked.AddConformer(geometry.GetConformer())
    assert mismatches(asked) == ["double bond 2=3 (C=N)"]


def test_flat_centre_is_wrong():
    mol = embedded("C[C@H](F)Cl")
    assert mismatches(with_positions(mol, mol.GetConformer().GetPositions() * [1, 1, 0])) == ["centre 2 (C)"]


def test_double_bond_twisted_by_a_right_angle_is_wrong():
    mol = embedded("F/C=C/F")
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 0, 1, 2, 3, 90.0)
    assert mismatches(mol) == ["double bond 2=3 (C=C)"]


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_broken_coordinates_are_wrong(fill):
    mol = embedded("C[C@H](F)/C=C/C")
    assert mismatches(with_positions(mol, np.full((mol.GetNumAtoms(), 3), fill))) == elements(mol).names


def test_axis_of_an_atropisomer_is_checked_where_marked():
    mol = from_smiles("Cc1cccc(Cl)c1-c1c(C)cccc1F |wU:7.7|")
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    mirrored = with_positions(mol, -mol.GetConformer().GetPositions())
    assert (mismatches(mol), mismatches(mirrored)) == ([], ["axis 8-9 (C-C)"])


def test_conformer_is_chosen_by_its_id():
    mol = embedded("C[C@H](F)Cl", num_confs=2)
    mol.GetConformer(1).SetPositions(-mol.GetConformer(1).GetPositions())
    assert (mismatches(mol, 0), mismatches(mol, 1)) == ([], ["centre 2 (C)"])


def test_molecule_without_stereo_never_mismatches():
    mol = embedded("CCO", num_confs=2)
    assert mismatch_matrix(elements(mol), np.zeros((2, 9, 3))).shape == (2, 0)


def test_no_conformers_give_no_rows():
    assert mismatches_all(from_smiles("C[C@H](F)Cl")) == []


def test_hundred_conformers_of_a_drug_take_milliseconds():
    mol = embedded(NIRMATRELVIR)
    for _ in range(99):
        mol.AddConformer(mol.GetConformer(0), assignId=True)
    laps = []
    for _ in range(5):
        start = time.perf_counter()
        mismatches_all(mol)
        laps.append(time.perf_counter() - start)
    assert min(laps) < 0.01


# What is left open


@pytest.mark.parametrize(
    ("smiles", "names"),
    [
        ("CC(N)O", ["centre 2 (C)"]),
        ("CS(=O)CC", ["centre 2 (S)"]),
        ("COP(=S)(O)OCC", ["centre 3 (P)"]),
        ("CC=NO", ["double bond 2=3 (C=N)"]),
        ("CC(F)C=C", ["centre 2 (C)"]),
        ("C1CCCCC=CC1", ["double bond 6=7 (C=C)"]),
        ("OC1CCC(O)CC1", ["centre 2 (C)", "centre 5 (C)"]),
        ("C[C@H](F)C(F)Cl", ["centre 4 (C)"]),
        ("C[C@H](F)Cl |&1:1|", ["relative group of atoms 2 (either enantiomer)"]),
        ("C1CCC2CCCCC2C1", ["centre 4 (C)", "centre 9 (C)"]),
    ],
)
def test_open_elements_are_named(smiles, names):
    assert unspecified(from_smiles(smiles)) == names


@pytest.mark.parametrize(
    "smiles",
    [
        "CCO",
        NIRMATRELVIR,
        "C/C=C/C",
        "C1CCCC=C1",
        "CC(=N)N",
        "CC=N",
        "NC(=N)NC",
        "C[NH+](CC)CCC",
        "CN(CC)CCC",
        "CC(C)N1CC1",
        "COP(=O)(O)OCC",
        "CS(=O)[O-]",
        "CC=C=CC",
        "[2H]C=CC",
    ],
)
def test_what_swaps_or_is_no_stereo_is_not_open(smiles):
    assert unspecified(from_smiles(smiles)) == []


@pytest.mark.parametrize("smiles", ["C1CC2CCC1C2", "OC1C2CC3CC1CC(C2)C3", "C1CC2CCN1CC2", "NC12CC(C1)(C2)C"])
def test_cage_that_can_be_joined_one_way_is_not_open(smiles):
    assert unspecified(from_smiles(smiles)) == []


def test_centre_beside_a_cage_is_open():
    assert "centre 7 (C)" in unspecified(from_smiles("CC12CC(C1)(C2)C(O)CC"))


def test_asking_changes_nothing():
    mol = from_smiles("CC(N)O")
    before = mol.ToBinary()
    unspecified(mol)
    assert mol.ToBinary() == before


# Enumeration


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("CCO", 1),
        ("CC(N)O", 2),
        ("CC(O)C(C)O", 3),  # two enantiomers and the meso form
        ("CC=CC=CC", 3),
        ("CC(O)C(C)C=CC", 8),
        ("C[C@H](F)C(F)Cl", 2),
        ("C[C@H](F)Cl |&1:1|", 2),
        ("CC1(C)C2CCC1(C)C(=O)C2", 2),  # camphor: the bridge allows two of four
        ("CC(=N)N", 1),
    ],
)
def test_stereoisomers_are_counted_as_a_chemist_does(smiles, count):
    assert len({Chem.MolToSmiles(isomer) for isomer in enumerate_stereo(from_smiles(smiles))}) == count


@pytest.mark.parametrize("smiles", ["CC(O)C(C)C=CC", "CC1(C)C2CCC1(C)C(=O)C2", "CC=CC=CC"])
def test_enumerated_isomers_leave_nothing_open(smiles):
    assert all(unspecified(isomer) == [] for isomer in enumerate_stereo(from_smiles(smiles)))


def test_isomers_keep_name_and_origin_and_are_numbered():
    isomers = enumerate_stereo(from_smiles("CC(N)O", "aminal", "mols.smi:7"))
    props = ("_Name", "_confgen_origin", "stereoisomer")
    assert [tuple(isomer.GetProp(prop) for prop in props) for isomer in isomers] == [
        ("aminal", "mols.smi:7", "1/2"),
        ("aminal", "mols.smi:7", "2/2"),
    ]


def test_cap_is_kept_and_said():
    isomers = enumerate_stereo(from_smiles("CC(F)C(F)C(F)C(F)Cl"), cap=5)
    assert [isomer.GetProp("stereoisomer") for isomer in isomers] == [f"{i}/5 (more exist)" for i in range(1, 6)]


def test_very_many_centres_do_not_blow_up():
    isomers = enumerate_stereo(from_smiles("C" + "C(F)" * 70 + "Cl"), cap=4)
    assert len({Chem.MolToSmiles(isomer) for isomer in isomers}) == 4


def test_enumeration_is_the_same_every_time():
    runs = [[Chem.MolToSmiles(i) for i in enumerate_stereo(from_smiles("CC(F)" * 4 + "C"), cap=3)] for _ in range(2)]
    assert runs[0] == runs[1]


def test_isomers_embed_to_their_own_tags():
    for isomer in enumerate_stereo(from_smiles("CC(O)C(C)C=CC")):
        rdDistGeom.EmbedMolecule(isomer, randomSeed=7)
        assert mismatches(isomer) == []
