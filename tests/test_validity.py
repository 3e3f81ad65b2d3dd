"""Promises of `confgen.validity`: sound conformers pass, and each kind of damage fails the check that names it."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, Mol, rdMolTransforms

from confgen.conformers import with_positions
from confgen.contacts import LIMITS, Limits, atom_pairs
from confgen.descent import minimise
from confgen.embed import embed
from confgen.forcefields import mmff94s
from confgen.molecule import read_molecule
from confgen.shapes import C_C_DOUBLE_BOND, OUT_OF_PLANE, _heights
from confgen.validity import check


def embedded(smiles: str, num_confs: int = 1) -> Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert len(AllChem.EmbedMultipleConfs(mol, num_confs, randomSeed=7)) == num_confs
    AllChem.MMFFOptimizeMoleculeConfs(mol)
    return mol


def placed(mol: Mol, *ensemble: np.ndarray) -> Mol:
    """A copy whose conformers have the given positions, (N, 3) each."""
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    for pos in ensemble:
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(np.ascontiguousarray(pos, dtype=float))
        copy.AddConformer(conformer, assignId=True)
    return copy


def moved(mol: Mol, atoms: list[int], shift: tuple[float, float, float]) -> Mol:
    pos = mol.GetConformer().GetPositions()
    pos[atoms] += shift
    return placed(mol, pos)


@pytest.mark.parametrize(
    "smiles",
    [
        "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
        "O=C1CCCN1CC#CCN1CCCC1",
        "C1CC1c1ccc2ncccc2c1",
        r"C/C=C\c1ccsc1",
        "OCC(O)CO",
        "FC(F)(F)S(=O)(=O)[O-]",
        "C12C3C4C1C5C2C3C45",
        "[H][H]",
        "O=C=O",
        "[Na+]",
    ],
)
def test_sound_conformers_pass(smiles: str) -> None:
    assert check(embedded(smiles, num_confs=2)) == [[], []]


def test_a_molecule_without_conformers_has_no_results() -> None:
    assert check(Chem.AddHs(Chem.MolFromSmiles("CCO"))) == []


def test_each_conformer_is_judged_by_itself() -> None:
    mol = embedded("CCO")
    pos = mol.GetConformer().GetPositions()
    broken = pos.copy()
    broken[0] = np.nan
    assert check(placed(mol, pos, broken, pos)) == [[], ["finite"], []]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_position_that_is_not_finite_fails(value: float) -> None:
    mol = embedded("c1ccccc1C=C")
    pos = mol.GetConformer().GetPositions()
    pos[3, 1] = value
    assert check(placed(mol, pos)) == [["finite"]]


@pytest.mark.parametrize("factor", [0.7, 1.35])
def test_a_squeezed_or_stretched_bond_fails(factor: float) -> None:
    mol = embedded("CCBr")
    length = rdMolTransforms.GetBondLength(mol.GetConformer(), 1, 2)
    rdMolTransforms.SetBondLength(mol.GetConformer(), 1, 2, factor * length)
    assert "bond_lengths" in check(mol)[0]


def test_a_bent_angle_fails() -> None:
    mol = embedded("CCC#N")
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), 1, 2, 3, 80.0)
    assert "bond_angles" in check(mol)[0]


def test_two_atoms_far_apart_in_the_graph_must_not_meet() -> None:
    mol = embedded("ClCCCl")
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 0, 1, 2, 3, 0.0)
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), 0, 1, 2, 85.0)
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), 1, 2, 3, 85.0)
    assert "clash" in check(mol)[0]


def test_a_hydrogen_bond_is_no_clash() -> None:
    mol = embedded("O=Cc1ccccc1O")
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 0, 1, 2, 7, 0.0)
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 2, 7, 8, 14, 0.0)
    assert check(mol) == [[]]


def test_a_mirrored_molecule_fails_stereo_only() -> None:
    mol = embedded("C[C@@H](N)C(=O)O")
    assert check(placed(mol, -mol.GetConformer().GetPositions())) == [["stereo"]]


def test_a_puckered_benzene_fails() -> None:
    mol = embedded("c1ccccc1")
    pos = mol.GetConformer().GetPositions()
    pos -= pos.mean(axis=0)
    normal = np.linalg.svd(pos)[2][2]
    pos[:6] += np.outer([0.3, -0.3, 0.3, -0.3, 0.3, -0.3], normal)
    assert "aromatic_flat" in check(placed(mol, pos))[0]


def test_a_twisted_alkene_fails() -> None:
    mol = embedded("CC(C)=C(C)C")
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 0, 1, 3, 4, 60.0)
    assert "double_bond_flat" in check(mol)[0]


# Minima of GFN2-xTB keep these; all had been refused, as they lie 0.2 to 0.34 angstrom out of plane.
@pytest.mark.parametrize(
    "smiles",
    [
        "C1CCC/C=C/CC1",
        "C1CC2=CCCC(C1)C2",
        "c1ccc2c(c1)C(=C1c3ccccc3-c3ccccc31)c1ccccc12",
    ],
    ids=["E-cyclooctene", "bridgehead", "crowded"],
)
def test_a_double_bond_that_strain_twists_passes(smiles: str) -> None:
    mol = embedded(smiles)
    assert check(mol) == [[]]
    out_of_plane = _heights(mol.GetConformer().GetPositions()[None], [list(mol.GetSubstructMatch(C_C_DOUBLE_BOND))])
    assert out_of_plane.max() > OUT_OF_PLANE


def test_strain_does_not_excuse_a_double_bond_turned_at_right_angles() -> None:
    mol = embedded("c1ccc(cc1)C(c1ccccc1)=C(c1ccccc1)c1ccccc1")
    rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 3, 6, 13, 14, 90.0)
    assert "double_bond_flat" in check(mol)[0]


def held(smiles: str, torsion: tuple[int, int, int, int], angle_deg: float) -> Mol:
    """A conformer relaxed with a torsion held at an angle."""
    mol = embedded(smiles)
    for target in np.linspace(0.0, angle_deg, 7):
        field = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol))
        field.Initialize()
        field.MMFFAddTorsionConstraint(*torsion, False, target - 1.0, target + 1.0, 500.0)
        field.Minimize(maxIts=2000)
    return mol


@pytest.mark.parametrize(
    ("smiles", "torsion"),
    [("O=C1CCCCN1", (2, 1, 6, 5)), ("O=C1CCCCCCN1", (2, 1, 8, 7)), ("O=C1CCCCCO1", (2, 1, 7, 6))],
)
def test_a_small_ring_holds_no_trans_amide_and_no_trans_ester(smiles: str, torsion: tuple[int, int, int, int]) -> None:
    assert "ring_cis" not in check(held(smiles, torsion, 0.0))[0]
    assert "ring_cis" in check(held(smiles, torsion, 165.0))[0]


@pytest.mark.parametrize(
    ("smiles", "torsion"), [("O=C1CCCCCCCCCCN1", (2, 1, 12, 11)), ("O=C1CCCCCCCCN1", (2, 1, 10, 9))]
)
def test_a_large_ring_may_hold_a_trans_amide(smiles: str, torsion: tuple[int, int, int, int]) -> None:
    mol = held(smiles, torsion, 180.0)
    assert abs(rdMolTransforms.GetDihedralDeg(mol.GetConformer(), *torsion)) > 130
    assert check(mol) == [[]]


def test_a_flattened_cyclohexane_fails() -> None:
    angles = np.arange(6) * np.pi / 3
    ring = np.stack([1.54 * np.cos(angles), 1.54 * np.sin(angles), np.zeros(6)], axis=1)
    mol = placed(Chem.MolFromSmiles("C1CCCCC1"), ring)
    assert check(mol) == [["ring_pucker"]]


def test_a_flat_barbiturate_passes() -> None:
    mol = embedded("O=C1CC(=O)NC(=O)N1")
    pos = mol.GetConformer().GetPositions()
    ring = list(mol.GetRingInfo().AtomRings()[0])
    centred = pos - pos[ring].mean(axis=0)
    normal = np.linalg.svd(centred[ring])[2][2]
    pos[ring] -= np.outer(centred[ring] @ normal, normal)
    assert check(placed(mol, pos)) == [[]]


@pytest.mark.parametrize("umbrella", [0.0, 0.3])
def test_an_atom_beside_its_four_neighbours_fails(umbrella: float) -> None:
    """A square, and one with the centre above it."""
    square = 1.77 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=float)
    square[0, 2] = umbrella
    assert check(placed(Chem.MolFromSmiles("C(Cl)(Cl)(Cl)Cl"), square))[0] == ["squashed", "tetrahedral"]


@pytest.mark.parametrize(("smiles", "short"), [("CC=O", 1.08), ("C/C=N/C", 1.12), ("CC=CC", 1.18), ("CNC=O", 1.1)])
def test_a_bond_between_two_places_of_its_atom_fails(smiles: str, short: float) -> None:
    """An estimate in the middle of two rotamers: the double bond is short."""
    mol = embedded(smiles)
    assert check(mol) == [[]]
    bond = mol.GetSubstructMatch(Chem.MolFromSmarts("[#6]=[#6,#7,#8]"))
    rdMolTransforms.SetBondLength(mol.GetConformer(), *bond, short)
    assert check(mol) == [["squashed"]]


def test_an_open_angle_at_a_trigonal_carbon_fails_outside_rings() -> None:
    mol = embedded("CC(=O)C")
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), 0, 1, 2, 136.0)
    assert "squashed" not in check(mol)[0]
    rdMolTransforms.SetAngleDeg(mol.GetConformer(), 0, 1, 2, 148.0)
    assert "squashed" in check(mol)[0]
    assert check(embedded("C1=CC2CCC1C2")) == [[]]


def test_short_bonds_of_cumulated_and_triple_ones_pass() -> None:
    for smiles in ("CN=C=O", "CC#N", "C=C=C", "[N-]=[N+]=NC", "O=C=O", "[C-]#[O+]"):
        assert check(embedded(smiles)) == [[]]


def test_bicyclobutane_may_have_inverted_carbons() -> None:
    assert check(embedded("C1C2C1C2C")) == [[]]


def test_heavy_atoms_alone_can_be_looked_at() -> None:
    mol = embedded("CCO")
    pos = mol.GetConformer().GetPositions()
    pos[8] = pos[2] + 0.2  # the hydrogen of the hydroxyl group
    failed = check(placed(mol, pos))[0]
    assert ("bond_lengths" in failed, check(placed(mol, pos), Limits(hydrogens=False))) == (True, [[]])


def test_a_cyclophosphazene_need_not_be_flat() -> None:
    mol = embedded("CP1(C)=NP(C)(C)=NP(C)(C)=N1")
    pos = mol.GetConformer().GetPositions()
    pos[1] += 0.1
    assert "aromatic_flat" not in check(placed(mol, pos))[0]


def test_a_molecule_in_pieces_is_not_connected() -> None:
    mol = embedded("CCCC")
    far = [a.GetIdx() for a in mol.GetAtoms() if mol.GetConformer().GetAtomPosition(a.GetIdx()).x > 0]
    assert "connected" in check(moved(mol, far, (30.0, 0.0, 0.0)))[0]


def test_an_opened_ring_is_still_connected() -> None:
    ring = Chem.MolFromSmiles("O1OO1")
    failed = check(placed(ring, np.array([[-1.45, 0.0, 0.0], [0.0, 0.0, 0.0], [1.45, 0.0, 0.0]])))[0]
    assert ("bond_lengths" in failed, "connected" in failed) == (True, False)


def salt(distance: float) -> Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles("[Na+].[Cl-]"))
    return placed(mol, np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]))


def test_ions_may_touch() -> None:
    assert check(salt(2.4)) == [[]]


def test_ions_must_not_overlap() -> None:
    assert check(salt(1.5)) == [["clash"]]


@pytest.mark.parametrize(("distance", "failed"), [(3.5, []), (1.8, ["clash"])])
def test_fragments_keep_their_distance(distance: float, failed: list[str]) -> None:
    single = embedded("c1ccccc1")
    pos = single.GetConformer().GetPositions()
    pos -= pos.mean(axis=0)
    normal = np.linalg.svd(pos)[2][2]
    pair = Chem.CombineMols(single, single)
    Chem.SanitizeMol(pair)
    assert check(placed(pair, np.concatenate([pos, pos + distance * normal]))) == [failed]


def test_limits_can_be_tightened() -> None:
    assert "bond_lengths" in check(embedded("CCO"), Limits(longest=0.9))[0]


@pytest.mark.parametrize(
    "smiles",
    ["CC1=C2CN3[C@H]([C@@H]1C)[C@H]23", "C[C@]12[C@@H]3[C@H]4C=C([C@@H]1O4)[C@@H]32", "O=C1/C=C/C/C=C\\CO1"],
    ids=["four- and five-membered ring", "cage", "lactone of eight"],
)
def test_what_small_rings_do_to_double_bonds_and_distances_is_no_fault(smiles: str) -> None:
    """Of QM9, whose DFT geometries are like the minima of MMFF94s: bent double bonds, 1-5 distances below RDKit's."""
    mol = read_molecule(smiles)
    found = np.array([pos for pos in embed(mol, range(1, 9)) if pos is not None])
    field = mmff94s(with_positions(mol, found))
    assert field is not None
    minima = [attempt.pos for attempt in minimise(mol, found, field, max_steps=1000, deadline=None)]
    assert check(with_positions(mol, np.array(minima))) == [[]] * len(minima)


@pytest.mark.parametrize("smiles", ["FS(F)(F)(F)(F)C=C", "FP(F)(F)(F)C=C"])
def test_which_of_equal_neighbours_is_where_does_not_matter_at_hypervalent_centres(smiles: str) -> None:
    mol = read_molecule(smiles)
    pairs = atom_pairs(mol, LIMITS)
    limits = np.full((2, mol.GetNumAtoms(), mol.GetNumAtoms()), np.nan)
    limits[:, pairs.first, pairs.second] = limits[:, pairs.second, pairs.first] = pairs.lower, pairs.upper
    equal = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetSymbol() == "F"]
    others = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetSymbol() != "F"]
    assert np.ptp(limits[0][np.ix_(equal, others)], axis=0).max() < 1e-6
    among = limits[:, *np.ix_(equal, equal)][:, ~np.eye(len(equal), dtype=bool)]
    assert np.ptp(among, axis=1).max() < 1e-6
