"""Only real freedom counts as open, and the stereoisomers are those a chemist would draw."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.isomers import enumerate_stereo, settled, unspecified
from confgen.molecule import from_smiles
from confgen.stereo import mismatches_all

NIRMATRELVIR = "CC1([C@@H]2[C@H]1[C@H](N(C2)C(=O)[C@H](C(C)(C)C)NC(=O)C(F)(F)F)C(=O)N[C@@H](C[C@@H]3CCNC3=O)C#N)C"


@pytest.mark.parametrize(
    ("smiles", "names"),
    [
        ("CC(N)O", ["centre 2 (C)"]),
        ("CS(=O)CC", ["centre 2 (S)"]),
        ("COP(=S)(O)OCC", ["centre 3 (P)"]),
        ("CC=NO", ["double bond 2=3 (C=N)"]),
        ("CC(F)C=C", ["centre 2 (C)"]),
        ("C1CCCCCC=CC1", ["double bond 7=8 (C=C)"]),
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
        "O[C@@H]1CCC[NH+]2CCCC[C@H]12",
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


@pytest.mark.parametrize("smiles", ["C1CCCC=CCC1", "C1=CC=CC=CC=C1", "O=C1C=CCCCCC1", "CN1CCC=CCCC1"])
def test_double_bonds_in_rings_of_eight_are_z_unless_said_otherwise(smiles):
    mol = from_smiles(smiles)
    assert unspecified(mol) == []
    made = settled(mol)
    ring = {atom.GetIdx() for atom in made.GetAtoms() if atom.IsInRing()}
    double = [bond for bond in made.GetBonds() if bond.IsInRing() and bond.GetBondType() == Chem.BondType.DOUBLE]
    assert double
    for bond in double:
        first, last = bond.GetStereoAtoms()
        cis = bond.GetStereo() in (Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOZ)
        assert cis == ((first in ring) == (last in ring))


def test_e_in_a_ring_of_eight_is_kept_and_a_ring_of_nine_is_open():
    trans = from_smiles("C1CCC/C=C/CC1")
    assert settled(trans) is trans
    assert unspecified(from_smiles("C1CCCC=CCCC1")) == ["double bond 5=6 (C=C)"]


def test_centre_beside_a_cage_is_open():
    assert "centre 7 (C)" in unspecified(from_smiles("CC12CC(C1)(C2)C(O)CC"))


def test_asking_changes_nothing():
    mol = from_smiles("CC(N)O")
    before = mol.ToBinary()
    unspecified(mol)
    assert mol.ToBinary() == before


# Enumeration


def test_racemic_axis_is_open_and_gives_both_hands():
    mol = Chem.RWMol(from_smiles("Cc1cccc(Cl)c1-c1c(C)cccc1F |wU:7.7|"))
    axis = mol.GetBondBetweenAtoms(7, 8)
    mol.SetStereoGroups([Chem.CreateStereoGroup(Chem.StereoGroupType.STEREO_AND, mol, [], [axis.GetIdx()])])
    assert unspecified(mol) == ["relative group of atoms 8-9 (either enantiomer)"]
    stereo = {isomer.GetBondBetweenAtoms(7, 8).GetStereo() for isomer in enumerate_stereo(mol)}
    assert stereo == {Chem.BondStereo.STEREOATROPCW, Chem.BondStereo.STEREOATROPCCW}


@pytest.mark.parametrize("group", ["&1", "o1"])
def test_both_hands_of_a_racemic_axis_outlast_rdkit_s_perception(group):
    isomers = enumerate_stereo(from_smiles(f"Cc1cccc(I)c1-c1c(C)cccc1Br |wU:7.6,{group}:7|"))
    for isomer in isomers:
        Chem.FindMolChiralCenters(isomer, includeUnassigned=True)  # as graphs are made; it reads wedges anew
    assert {isomer.GetBondBetweenAtoms(7, 8).GetStereo() for isomer in isomers} == {
        Chem.BondStereo.STEREOATROPCW,
        Chem.BondStereo.STEREOATROPCCW,
    }


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
        ("OC1C(O)C(O)C(O)C(O)C1O", 9),  # inositols: seven meso forms and a pair
        ("CC(O)C(O)C(O)C", 4),  # two of them meso
        ("CC(O)C(O)C(O)C(O)C", 10),
        ("CC1CCC(C)CC1", 2),
        ("O=C1CCC2(C1)CCC(=O)C2", 2),  # the rings are alike, the spiro atom is a centre all the same
        ("CC1CCC2(CC1)CCC(C)CC2", 2),
        ("C1CCC2(C1)CCCO2", 1),
        ("CC=C1CCC(C)CC1", 2),
        ("CC=C1CC(C)CC(C)C1", 4),
        ("C1CC=CCCC=CCCC=C1", 4),
        ("C1N2Cc3ccccc3N1Cc1ccccc12", 2),  # both nitrogens must bridge the same way
        ("C[Sn](F)(Cl)CC", 2),
        ("CC=C=CC", 1),  # RDKit has no tag for allenes
        ("Cc1cccc(Cl)c1-c1c(C)cccc1F |wU:7.7|", 1),
    ],
)
def test_stereoisomers_are_counted_as_a_chemist_does(smiles, count):
    assert len(enumerate_stereo(from_smiles(smiles))) == count


@pytest.mark.parametrize(
    "smiles", ["CC(O)C(C)C=CC", "CC1(C)C2CCC1(C)C(=O)C2", "CC=CC=CC", "CC=C1CCC(C)CC1", "CC(F)C1CCC2(C1)CCC(=O)C2"]
)
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
    for isomer in enumerate_stereo(from_smiles("CC(O)C1CCC2(C1)CC(=CC)C2")):
        rdDistGeom.EmbedMolecule(isomer, randomSeed=7)
        assert mismatches_all(isomer) == [[]]
