"""Promises of `confgen.hydrogens`: heavy atoms stay, hydrogens come out where chemistry and the tags put them."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, Mol, rdMolTransforms

from confgen.conformers import is_token
from confgen.hydrogens import complete
from confgen.stereo import mismatches_all
from confgen.validity import check

DRUGS = [
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "C[C@H](N)C(=O)N[C@@H](CO)C(=O)O",
    "NS(=O)(=O)c1ccc(cc1)C(=O)NCC#C",
    "C[C@@H]1CC[NH2+]C[C@H]1O",
    "CC(=N)N",
    "OB(O)c1ccccc1",
    "C[C@H]1CC[C@@H](S)CC1",
    "Cc1c[nH]cn1",
    r"C/C=C\C(/F)=C/CP",
    "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
]
AWKWARD = [
    "C",
    "O",
    "[NH4+]",
    "[BH4-]",
    "F",
    "C=C=C",
    "[NH3+]CC(=O)[O-]",
    "C[Hg]",
    "[PH5]",
    "[ZnH2]",
    "[Na+].OC",
    "C#C",
]


def parse(smiles: str) -> Mol:
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False
    return Chem.AddHs(Chem.MolFromSmiles(smiles, keep_hydrogens))


def positions(mol: Mol) -> np.ndarray:
    return np.array([conformer.GetPositions() for conformer in mol.GetConformers()])


def angle_sum(pos: np.ndarray, centre: int, around: list[int]) -> float:
    """Of the three angles between bonds, degrees."""
    arms = pos[around] - pos[centre]
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    return float(np.degrees(np.arccos([arms[0] @ arms[1], arms[1] @ arms[2], arms[2] @ arms[0]])).sum())


def embed(smiles: str, num_confs: int = 3) -> tuple[Mol, np.ndarray]:
    """A molecule without conformers, and its tokens' positions (K, T, 3) from distance geometry."""
    mol = parse(smiles)
    embedded = Chem.Mol(mol)
    assert len(AllChem.EmbedMultipleConfs(embedded, num_confs, randomSeed=7)) == num_confs
    return mol, positions(embedded)[:, is_token(mol)]


def angle_deg(pos: np.ndarray, i: int, j: int, k: int) -> np.ndarray:
    first, last = pos[:, i] - pos[:, j], pos[:, k] - pos[:, j]
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(last, axis=1)
    return np.degrees(np.arccos((first * last).sum(axis=1) / norms))


def find(mol: Mol, smarts: str) -> tuple[int, ...]:
    return mol.GetSubstructMatch(Chem.MolFromSmarts(smarts))


@pytest.mark.parametrize("smiles", DRUGS + AWKWARD)
def test_tokens_stay_exactly_where_they_were_given(smiles: str) -> None:
    mol, token_pos = embed(smiles)
    np.testing.assert_array_equal(positions(complete(mol, token_pos))[:, is_token(mol)], token_pos)


@pytest.mark.parametrize("smiles", DRUGS)
def test_completed_conformers_pass_every_check(smiles: str) -> None:
    assert check(complete(*embed(smiles))) == [[], [], []]


def test_conformers_are_numbered_and_the_argument_keeps_none() -> None:
    mol, token_pos = embed("CCO")
    completed = complete(mol, token_pos)
    assert ([c.GetId() for c in completed.GetConformers()], mol.GetNumConformers()) == ([0, 1, 2], 0)


def test_hydrogens_may_stand_anywhere_in_the_atom_order() -> None:
    mol, token_pos = embed("[H]OC([H])([H])[C@]([H])(N([H])[H])C([H])([H])[H]")
    assert check(complete(mol, token_pos)) == [[], [], []]


@pytest.mark.parametrize(
    ("smiles", "length"), [("C", 1.095), ("C#C", 1.068), ("c1ccccc1", 1.087), ("O", 0.970), ("CS", 1.35)]
)
def test_bonds_to_hydrogen_have_their_usual_length(smiles: str, length: float) -> None:
    mol, token_pos = embed(smiles)
    hydrogen = mol.GetNumAtoms() - 1
    centre = mol.GetAtomWithIdx(hydrogen).GetNeighbors()[0].GetIdx()
    pos = positions(complete(mol, token_pos))
    np.testing.assert_allclose(np.linalg.norm(pos[:, hydrogen] - pos[:, centre], axis=1), length)


def test_methane_is_a_tetrahedron() -> None:
    pos = positions(complete(parse("C"), np.zeros((1, 1, 3))))
    angles = [angle_deg(pos, i, 0, j)[0] for i in range(1, 5) for j in range(i + 1, 5)]
    np.testing.assert_allclose(angles, 109.5, atol=1.5)


def test_water_is_bent() -> None:
    pos = positions(complete(parse("O"), np.zeros((1, 1, 3))))
    assert angle_deg(pos, 1, 0, 2)[0] == pytest.approx(105, abs=4)


def test_ethane_is_staggered() -> None:
    mol = parse("CC")
    completed = complete(mol, np.array([[[0.0, 0.0, 0.0], [1.53, 0.0, 0.0]]]))
    dihedral = rdMolTransforms.GetDihedralDeg(completed.GetConformer(), 2, 0, 1, 5)
    assert abs(dihedral) % 120 == pytest.approx(60, abs=1)


def test_both_ends_of_ethylene_lie_in_one_plane() -> None:
    completed = complete(parse("C=C"), np.array([[[0.0, 0.0, 0.0], [1.33, 0.0, 0.0]]]))
    dihedral = rdMolTransforms.GetDihedralDeg(completed.GetConformer(), 2, 0, 1, 4)
    assert abs(dihedral) % 180 == pytest.approx(0, abs=1e-3)


def test_the_ends_of_allene_are_perpendicular() -> None:
    pos = positions(complete(parse("C=C=C"), np.array([[[-1.3, 0.0, 0.0], [0.0, 0.0, 0.0], [1.3, 0.0, 0.0]]])))[0]
    assert (pos[3] - pos[4]) @ (pos[5] - pos[6]) == pytest.approx(0, abs=1e-6)


def test_a_terminal_alkyne_is_straight() -> None:
    mol, token_pos = embed("CC#C")
    np.testing.assert_allclose(angle_deg(positions(complete(mol, token_pos)), 1, 2, 6), 180, atol=1e-3)


def height_over_neighbours(smiles: str, smarts: str) -> np.ndarray:
    """How far, in angstrom, the first atom of the match lies from the plane of the other three."""
    mol, token_pos = embed(smiles)
    centre, *others = find(mol, smarts)
    pos = positions(complete(mol, token_pos))
    a, b, c = (pos[:, i] for i in others)
    normal = np.cross(b - a, c - a)
    return np.abs(((pos[:, centre] - a) * normal).sum(axis=1)) / np.linalg.norm(normal, axis=1)


def test_an_amide_nitrogen_is_flat() -> None:
    assert height_over_neighbours("CC(=O)NC", "[NH]([#1])([CX4])[CX3]").max() < 0.05


@pytest.mark.parametrize("smiles", ["CC(=O)NC", "CNc1ccccc1"])
def test_a_flat_nitrogen_leans_against_the_twist_of_its_neighbours(smiles: str) -> None:
    """With the methyl 30 degrees out of the plane a hydrogen opposite to it would be as far out on its side."""
    mol = parse(smiles)
    embedded = Chem.Mol(mol)
    AllChem.EmbedMolecule(embedded, randomSeed=7)
    far, carbon, nitrogen, methyl, hydrogen = find(mol, "[$(O=C),c]~[CX3,c][NH]([CH3])[#1]")
    rdMolTransforms.SetDihedralDeg(embedded.GetConformer(), far, carbon, nitrogen, methyl, 30.0)
    completed = complete(mol, positions(embedded)[:, is_token(embedded)])
    dihedral = rdMolTransforms.GetDihedralDeg(completed.GetConformer(), far, carbon, nitrogen, hydrogen)
    assert abs(abs(dihedral) - 180) < 20


def aniline(depths: list[float], smiles: str = "Nc1ccccc1") -> np.ndarray:
    """Positions (K, N, 3) of anilines whose rings are hexagons in the xy plane and whose nitrogens lie below it."""
    turn = np.arange(6) * np.pi / 3
    ring = 1.39 * np.stack([np.cos(turn), np.sin(turn), np.zeros(6)], axis=1)
    tokens = [np.concatenate([[[2.79, 0.0, -depth]], ring]) for depth in depths]
    return positions(complete(parse(smiles), np.array(tokens)))


def test_the_hydrogens_of_an_aniline_stand_on_the_other_side_than_its_nitrogen() -> None:
    above, below, flat = aniline([0.05, -0.05, 0.0])[:, 7:9]
    assert (above[:, 2] > 0.2).all()  # and the nitrogen at -0.05
    np.testing.assert_allclose(below[:, 2], -above[:, 2])
    assert (np.abs(flat[:, 2]) > 0.2).all()  # it is a pyramid on one side or the other


def test_an_amino_group_is_a_pyramid_by_how_far_it_is_out_of_plane() -> None:
    sums = [angle_sum(pos, 0, [1, 7, 8]) for pos in aniline([0.0, 0.05, 0.2])]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] < 357.0
    assert sums[-1] == pytest.approx(345.0, abs=2.0)  # as in B3LYP-D3BJ's anilines


@pytest.mark.parametrize(("smiles", "smarts", "least", "most"), [
    ("Nc1ccccc1", "[NH2]([#1])([#1])c", 0.15, 0.4), ("Nc1ccccc1C=O", "[NH2]([#1])([#1])c", 0.06, 0.2),
    ("Nc1c(C=O)cccc1C=O", "[NH2]([#1])([#1])c", 0.0, 0.05), ("NC(=[NH2+])NC", "[NH2;+0]([#1])([#1])C", 0.0, 0.02),
])  # fmt: skip
def test_an_amino_group_is_flat_where_it_gives_hydrogen_bonds_or_shares_a_charge(
    smiles: str, smarts: str, least: float, most: float
) -> None:
    mol = parse(smiles)
    flat = Chem.Mol(mol)
    AllChem.EmbedMolecule(flat, randomSeed=7)
    [tokens] = positions(flat)[:, is_token(mol)]
    tokens -= tokens.mean(axis=0)
    normal = np.linalg.svd(tokens)[2][2]
    pos = positions(complete(mol, (tokens - np.outer(tokens @ normal, normal))[None]))
    centre, *others = find(mol, smarts)
    a, b, c = (pos[:, i] for i in others)
    normal = np.cross(b - a, c - a)
    height = np.abs(((pos[:, centre] - a) * normal).sum(axis=1)) / np.linalg.norm(normal, axis=1)
    assert least <= height.max() <= most


@pytest.mark.parametrize(("smiles", "smarts", "degrees"), [
    ("OC(=O)c1ccc(cc1)S(F)(F)(F)(F)F", "[#1]OC=O", [0]), ("Oc1ccc(B(O)O)cc1", "[#1]Oc(:c)", [0, 180]),
    ("CC(=NO)c1ccc(B(O)O)cc1", "[#1]ON=C", [180]), ("CC(=O)NCC[Se]C", "[#1]NC=O", [180]),
])  # fmt: skip
def test_hydrogens_of_what_mmff_does_not_know_lie_in_the_plane(smiles: str, smarts: str, degrees: list[float]) -> None:
    mol, token_pos = embed(smiles)
    made = complete(mol, token_pos)
    match = mol.GetSubstructMatch(Chem.MolFromSmarts(smarts))
    for conformer in made.GetConformers():
        found = abs(rdMolTransforms.GetDihedralDeg(conformer, *match))
        assert min(abs(found - each) for each in degrees) < 15.0


def test_a_sulfonamide_nitrogen_is_a_pyramid() -> None:
    assert height_over_neighbours("CS(=O)(=O)Nc1ccccc1", "[NH]([#1])([#6])[S]").min() > 0.15


@pytest.mark.parametrize("smiles", ["CS(=O)(=O)NC(C)=O", "CC(=O)NSC", "CP(=O)(OC)NC(C)=O"])
def test_it_is_flat_if_it_is_acyl_too(smiles: str) -> None:
    assert height_over_neighbours(smiles, "[NH]([#1])([#6])[S,P]").max() < 0.1


def test_a_hydroxyl_on_boron_lies_in_its_plane() -> None:
    completed = complete(*embed("CCB(O)O"))
    for match in completed.GetSubstructMatches(Chem.MolFromSmarts("CBO[#1]")):
        degrees = abs(rdMolTransforms.GetDihedralDeg(completed.GetConformer(), *match))
        assert min(degrees, 180 - degrees) < 15


def test_a_carboxylic_acid_turns_its_hydrogen_to_the_carbonyl() -> None:
    completed = complete(*embed("CC(=O)O"))
    o, c, oh, h = find(completed, "O=CO[#1]")
    assert abs(rdMolTransforms.GetDihedralDeg(completed.GetConformer(), o, c, oh, h)) < 15


def test_a_hydroxyl_finds_the_hydrogen_bond_it_can_make() -> None:
    salicylaldehyde = parse("O=Cc1ccccc1O")
    embedded = Chem.Mol(salicylaldehyde)
    AllChem.EmbedMolecule(embedded, randomSeed=7)
    rdMolTransforms.SetDihedralDeg(embedded.GetConformer(), 0, 1, 2, 7, 0.0)
    pos = positions(complete(salicylaldehyde, positions(embedded)[:, is_token(embedded)]))[0]
    acceptor, hydrogen = find(salicylaldehyde, "O=Cc:cO[#1]")[0::5]
    assert np.linalg.norm(pos[acceptor] - pos[hydrogen]) < 2.1


STEREO = [
    "C[C@@H](N)C(=O)O",
    "C[C@H](N)C(=O)O",
    "[2H][C@]([H])(C)O",
    "[2H][C@@]([H])(C)O",
    "[2H][C@]([3H])([H])C(=O)O",
    "[2H][C@@]([3H])([H])C(=O)O",
    "[H]/N=C(/C)CC",
    r"[H]/N=C(\C)CC",
    "[H]/N=N/[H]",
    r"[H]/N=N\[H]",
    "[2H]/C([H])=C(/C)F",
    r"[2H]/C([H])=C(\C)F",
    "C[P@H]c1ccccc1",
    "C[P@@H]c1ccccc1",
    "C[P@@H](=O)CC",
]


@pytest.mark.parametrize("smiles", STEREO)
def test_hydrogens_agree_with_the_stereo_tags(smiles: str) -> None:
    assert mismatches_all(complete(*embed(smiles))) == [[], [], []]


def test_a_centre_wrong_in_its_heavy_atoms_is_not_hidden() -> None:
    mol, token_pos = embed("C[C@@H](N)C(=O)O")
    assert all(mismatches_all(complete(mol, -token_pos)))


def test_a_methine_makes_one_angle_with_three_unlike_neighbours() -> None:
    """As the strained one of a cyclopropane does; the opposite of the sum of the bonds does not."""
    mol, token_pos = embed("CC1CC1")
    pos = positions(complete(mol, token_pos))
    hydrogen = next(n.GetIdx() for n in mol.GetAtomWithIdx(1).GetNeighbors() if n.GetAtomicNum() == 1)
    angles = np.stack([angle_deg(pos, heavy, 1, hydrogen) for heavy in (0, 2, 3)])
    np.testing.assert_allclose(angles, angles.mean(axis=0)[None].repeat(3, axis=0), atol=0.1)


def test_the_tag_decides_where_three_neighbours_are_flat() -> None:
    mol = parse("[C@H](F)(Cl)Br")
    flat = np.array([[[0, 0, 0], [1.4, 0, 0], [-0.9, 1.5, 0], [-0.9, -1.7, 0]]], dtype=float)
    pos = positions(complete(mol, flat))[0]
    mirrored = positions(complete(parse("[C@@H](F)(Cl)Br"), flat))[0]
    assert pos[4, 2] * mirrored[4, 2] < 0


@pytest.mark.parametrize(("smiles", "num_atoms"), [("[H][H]", 2), ("[H+]", 1)])
def test_a_molecule_without_heavy_atoms_is_returned_as_given(smiles: str, num_atoms: int) -> None:
    token_pos = np.arange(num_atoms * 3, dtype=float).reshape(1, num_atoms, 3)
    np.testing.assert_array_equal(positions(complete(parse(smiles), token_pos)), token_pos)


@pytest.mark.parametrize("smiles", DRUGS + AWKWARD)
def test_meaningless_positions_do_not_raise(smiles: str) -> None:
    mol = parse(smiles)
    token_pos = np.zeros((3, int(is_token(mol).sum()), 3))
    token_pos[0] = np.nan
    token_pos[1] = np.arange(token_pos.shape[1])[:, None]  # all atoms in line; the third has them in one point
    assert complete(mol, token_pos).GetNumConformers() == 3


def test_no_conformers_in_gives_none_out() -> None:
    assert complete(parse("CCO"), np.zeros((0, 3, 3))).GetNumConformers() == 0


def test_a_conformer_does_not_depend_on_the_others() -> None:
    mol, token_pos = embed("NCC(O)CO", num_confs=4)
    together = positions(complete(mol, token_pos))
    alone = positions(complete(mol, token_pos[2:3]))
    np.testing.assert_allclose(together[2], alone[0], atol=1e-9)
