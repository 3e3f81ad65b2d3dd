"""The stereo check agrees with RDKit and fails every mirror image."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms

from confgen import conformers
from confgen.axes import renumbered
from confgen.descent import minimise
from confgen.embed import embed
from confgen.forcefields import mmff94s
from confgen.isomers import enumerate_stereo
from confgen.molecule import from_smiles
from confgen.stereo import elements, mismatches_all, mismatches_at, scores
from confgen.stereo_tags import open_double_bonds, show_double_bonds

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
    "sulfoximine": "C[S@](=O)(=NC)CC",
    "sulfonium": "C[S@+](CC)CCC",
    "phosphoramidate": "CN[P@](=O)(OC)Oc1ccccc1",
    "N-oxide": "C[N@@+]([O-])(CC)CCC",
    "silane": "C[Si@](F)(Cl)CC",
    "spiro, rings unlike": "C[C@H]1CC[C@@]2(CC1)CC[C@H](C)CC2",
    "spiro, rings alike": "O=C1CC[C@@]2(C1)CCC(=O)C2",
    "spiroketal": "C1CO[C@]2(C1)CCCO2",
    "bridgeheads": "O[C@H]1C[C@@H]2CC[C@H]1C2",
    "axis": "Cc1cccc(Cl)c1-c1c(C)cccc1F |wU:7.7|",
    "axis to nitrogen": "Cc1cccc(Cl)c1-n1c(C)ccc1C=O |wU:7.7|",
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
    "nitrone": r"C/C=[N+](\[O-])CC",
    "hydrazone": "C/C(CC)=N/NC",
}
EPIMERS = ("C[C@H](O)[C@H](F)/C=C/C", "C[C@H](O)[C@@H](F)/C=C/C", "C[C@@H](O)[C@@H](F)/C=C\\C")


def embedded(smiles: str, num_confs: int = 1) -> Chem.Mol:
    mol = from_smiles(smiles)
    assert len(rdDistGeom.EmbedMultipleConfs(mol, num_confs, randomSeed=7)) == num_confs
    return mol


def mismatches(mol: Chem.Mol) -> list[str]:
    """Those of the only conformer."""
    [names] = mismatches_all(mol)
    return names


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


SAME = {
    "cis-1,4-cyclohexane": "O[C@H]1CC[C@@H](F)CC1",
    "trans-1,4-cyclohexane": "O[C@H]1CC[C@H](F)CC1",
    "meso": "C[C@H](O)[C@H](O)C",
}


@pytest.mark.parametrize("smiles", SAME.values(), ids=SAME)
def test_labels_that_symmetry_swaps_may_all_be_inverted(smiles):
    mol = embedded(smiles)
    assert mismatches(with_positions(mol, -mol.GetConformer().GetPositions())) == []


@pytest.mark.parametrize(
    ("smiles", "names"),
    [
        ("C/C=C1/CC[C@H](C)CC1", ["centre 6 (C)"]),  # 4-methyl-ethylidenecyclohexane: RDKit's perception clears it
        (r"C/C=C/[C@H](O)/C=C\C", ["centre 4 (C)"]),
        ("C[C@H](F)/C(=C/C)[C@@H](C)F", ["centre 2 (C)", "centre 7 (C)"]),
    ],
)
def test_mirror_image_is_wrong_in_its_centres_alone(smiles, names):
    mol = embedded(smiles)
    assert mismatches(mol) == []
    assert mismatches(with_positions(mol, -mol.GetConformer().GetPositions())) == names


def test_two_of_the_nine_inositols_are_chiral():
    isomers = enumerate_stereo(from_smiles("OC1C(O)C(O)C(O)C(O)C1O"))
    mols = [embedded(Chem.MolToSmiles(isomer)) for isomer in isomers]
    mirrored = [with_positions(mol, -mol.GetConformer().GetPositions()) for mol in mols]
    assert [mismatches(mol) for mol in mols] == [[]] * 9
    assert sum(bool(mismatches(mol)) for mol in mirrored) == 2


def test_one_hand_of_troegers_base_is_right():
    """RDKit does not build its nitrogens to their tags, for it takes them for flat."""
    mol = embedded("C1[N@]2Cc3ccccc3[N@@]1Cc1ccccc12")
    hands = [mol, with_positions(mol, -mol.GetConformer().GetPositions())]
    assert sorted(len(mismatches(hand)) for hand in hands) == [0, 2]


def test_mirror_image_of_an_achiral_chain_of_spiro_rings_is_right():
    mol = embedded("C[C@H]1C[C@]2(C1)C[C@@]1(C2)C[C@H](C)C1")
    assert len(elements(mol).names) == 4
    assert mismatches(with_positions(mol, -mol.GetConformer().GetPositions())) == []


@pytest.mark.parametrize("smiles", ["C1CC[C@]2(C1)CCCO2", "F[C@](F)(Cl)Br", "C[N@](CC)CCC", "CC=[C@]=CC", "C/C=C(/F)F"])
def test_a_tag_that_tells_nothing_is_dropped(smiles):
    """No centre, or (allene) one that RDKit cannot carry."""
    assert elements(from_smiles(smiles)).names == []


INOSITOL = "O[C@H]1[C@H](O)[C@@H](O)[C@H](O)[C@H](O)[C@@H]1O"


def test_inositol_with_one_centre_inverted_is_another():
    asked, geometry = from_smiles(INOSITOL), embedded(INOSITOL.replace("[C@@H]1O", "[C@H]1O"))
    asked.AddConformer(geometry.GetConformer())
    assert mismatches(asked)


def test_both_centres_of_the_chiral_form_inverted_are_wrong():
    mol = embedded("C[C@H](O)[C@@H](O)C")
    assert len(mismatches(with_positions(mol, -mol.GetConformer().GetPositions()))) == 2


def test_trans_for_cis_on_a_cyclohexane_is_wrong():
    asked, geometry = from_smiles("O[C@H]1CC[C@@H](F)CC1"), embedded("O[C@H]1CC[C@H](F)CC1")
    asked.AddConformer(geometry.GetConformer())
    assert len(mismatches(asked)) == 1


def test_double_bonds_that_symmetry_swaps_may_both_be_inverted():
    asked, geometry = from_smiles("C/C=C/C/C=C\\C"), embedded("C/C=C\\C/C=C/C")
    asked.AddConformer(geometry.GetConformer())
    assert mismatches(asked) == []


def test_axis_of_an_atropisomer_is_checked_where_marked():
    mol = from_smiles("Cc1cccc(Cl)c1-c1c(C)cccc1F |wU:7.7|")
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    mirrored = with_positions(mol, -mol.GetConformer().GetPositions())
    assert (mismatches(mol), mismatches(mirrored)) == ([], ["axis 8-9 (C-C)"])


def test_an_axis_keeps_its_hand_in_another_order_of_atoms():
    mol = from_smiles("Cc1cccc(I)c1-c1c(C)cccc1Br |wU:7.6|")
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    orders = [np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist() for seed in range(12)]
    assert [mismatches(renumbered(mol, order)) for order in orders] == [[]] * 12


def test_a_relative_group_may_be_inverted_as_a_whole_only():
    asked = from_smiles("C[C@H](N)[C@H](C)[C@H](F)Cl |&1:1,3|")
    same, both, half, other = (
        embedded(smiles).GetConformer().GetPositions()
        for smiles in (
            "C[C@H](N)[C@H](C)[C@H](F)Cl",
            "C[C@@H](N)[C@@H](C)[C@H](F)Cl",
            "C[C@@H](N)[C@H](C)[C@H](F)Cl",
            "C[C@H](N)[C@H](C)[C@@H](F)Cl",
        )
    )
    assert [len(names) for names in mismatches_at(asked, np.array([same, both, half, other]))] == [0, 0, 1, 1]


@pytest.mark.parametrize("smiles", ["C/C=C/C=N/C(C)=N", "C/C=C\\C=N/C(C)=N", "C/C=C/C=N\\C(C)=N"])
def test_open_double_bonds_take_the_side_that_a_conformer_shows(smiles: str):
    pos = embedded(smiles).GetConformer().GetPositions()
    mol = conformers.with_positions(from_smiles("CC=CC=NC(C)=N"), pos[None])
    either = open_double_bonds(mol)
    assert len(either) == Chem.MolToMolBlock(mol).count("  2  3\n") == 3
    show_double_bonds(mol, either, pos)
    assert mismatches(mol) == []
    assert perceived(mol) == perceived(conformers.with_positions(from_smiles(smiles), pos[None]))
    assert "  2  3\n" not in Chem.MolToMolBlock(mol)


def test_each_conformer_is_judged_by_itself():
    mol = embedded("C[C@H](F)Cl", num_confs=2)
    mol.GetConformer(1).SetPositions(-mol.GetConformer(1).GetPositions())
    assert mismatches_all(mol) == [[], ["centre 2 (C)"]]


def test_molecule_without_stereo_never_mismatches():
    mol = embedded("CCO", num_confs=2)
    assert scores(elements(mol), np.zeros((2, 9, 3))).shape == (2, 0)
    assert mismatches_all(mol) == [[], []]


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


def test_a_centre_outside_its_neighbours_is_right_by_either_reading():
    """Of an aziridine fused to a bicycle: all four neighbours of the centre lie on one side of it, as in QM9."""
    mol = from_smiles("O=C1N[C@]23C=CC[C@@]12C3")
    found = np.array([pos for pos in embed(mol, range(1, 7)) if pos is not None])
    mol = conformers.with_positions(mol, found)
    minima = [one.pos for one in minimise(mol, found, mmff94s(mol), max_steps=500, deadline=None)]
    own = [not names for names in mismatches_at(mol, np.array(minima))]
    read = [perceived(with_positions(mol, pos)) == Chem.MolToSmiles(mol) for pos in minima]
    assert any(read)
    assert all(right for right, as_rdkit in zip(own, read, strict=True) if as_rdkit)
    assert mismatches_at(mol, -np.array(minima)) != [[]] * len(minima)
