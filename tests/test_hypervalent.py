"""Promises about centres of five and six electron pairs: their shapes are those known, embedded and mended alike."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.conformers import with_positions
from confgen.embed import embed
from confgen.hypervalent import centres, lone_pairs, mended
from confgen.molecule import from_smiles
from confgen.validity import check

OCTAHEDRON, BIPYRAMID = [90] * 12 + [180] * 3, [90] * 6 + [120] * 3 + [180]
SHAPES = {  # angles as experiment has them, but for the little that lone pairs bend them
    "FS(F)(F)(F)(F)F": OCTAHEDRON,
    "F[P-](F)(F)(F)(F)F": OCTAHEDRON,
    "FS(F)(F)(F)(F)c1ccccc1": OCTAHEDRON,
    "FP(F)(F)(F)F": BIPYRAMID,
    "CP(C)(C)(F)F": BIPYRAMID,
    "FI(F)(F)(F)F": [90] * 8 + [180] * 2,
    "F[Xe](F)(F)F": [90] * 4 + [180] * 2,
    "FS(F)(F)F": [90] * 4 + [120, 180],
    "Cl[I](Cl)c1ccccc1": [90, 90, 180],
    "F[Xe]F": [180],
}


def angles_deg(pos: np.ndarray, atom: int, neighbours: tuple[int, ...]) -> list[float]:
    spokes = pos[list(neighbours)] - pos[atom]
    spokes /= np.linalg.norm(spokes, axis=1, keepdims=True)
    cosines = [np.clip(first @ second, -1, 1) for first, second in itertools.combinations(spokes, 2)]
    return sorted(np.degrees(np.arccos(cosines)).tolist())


@pytest.mark.parametrize("smiles", SHAPES)
def test_centres_are_embedded_in_their_shape(smiles: str) -> None:
    mol = from_smiles(smiles)
    [centre] = centres(mol)
    for pos in embed(mol, [1, 2]):
        assert pos is not None
        assert check(with_positions(mol, pos[None])) == [[]]
        np.testing.assert_allclose(angles_deg(pos, centre.atom, centre.neighbours), SHAPES[smiles], atol=1e-3)


@pytest.mark.parametrize("smiles", SHAPES)
def test_mending_gives_the_shape_exactly_and_keeps_lengths(smiles: str) -> None:
    mol = from_smiles(smiles)
    [centre] = centres(mol)
    [pos] = embed(mol, [1])
    assert pos is not None
    rough = pos[None] + np.random.default_rng(5).normal(0, 0.2, (3, *pos.shape))
    after = mended(mol, rough)
    for before, own in zip(rough, after, strict=True):
        np.testing.assert_allclose(angles_deg(own, centre.atom, centre.neighbours), SHAPES[smiles], atol=1e-3)
        for bond in mol.GetBonds():
            ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
            lengths = [np.linalg.norm(p[ends[0]] - p[ends[1]]) for p in (before, own)]
            assert lengths[0] == pytest.approx(lengths[1])


def test_mending_turns_a_substituent_as_a_whole() -> None:
    mol = from_smiles("FS(F)(F)(F)(F)c1ccccc1")
    [pos] = embed(mol, [1])
    assert pos is not None
    bent = pos.copy()
    bent[0] = bent[1] + [0.3, 1.0, 1.2]  # one fluorine elsewhere turns them all a little
    ring = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetIsAromatic()]
    inside = [np.linalg.norm(p[ring][:, None] - p[ring], axis=-1) for p in (bent, mended(mol, bent[None])[0])]
    np.testing.assert_allclose(inside[0], inside[1], atol=1e-9)


@pytest.mark.parametrize("smiles", ["CS(C)(=O)=O", "OI(=O)=O", "C[S+](C)C", "CCO", "O=S=O", "C[Si](C)(C)C", "CP(C)C"])
def test_other_atoms_are_left_alone(smiles: str) -> None:
    mol = from_smiles(smiles)
    assert centres(mol) == []
    [pos] = embed(mol, [1])
    assert pos is not None
    np.testing.assert_array_equal(mended(mol, pos[None])[0], pos)


def test_electronegative_neighbours_lie_on_the_axis_and_double_bonds_do_not() -> None:
    for smiles, axial in (
        ("CP(C)(C)(F)F", ["F", "F"]),
        ("O=S(F)(F)(F)F", ["F", "F"]),
        ("ClP(Cl)(F)(Cl)Cl", ["Cl", "F"]),
    ):
        mol = from_smiles(smiles)
        [centre] = centres(mol)
        first, second = np.argwhere(centre.directions @ centre.directions.T < -0.99)[0]
        symbols = [mol.GetAtomWithIdx(centre.neighbours[k]).GetSymbol() for k in (first, second)]
        assert sorted(symbols) == axial


def test_a_small_ring_goes_from_the_axis_to_the_equator() -> None:
    mol = from_smiles("C1COP(O1)(F)(F)F")
    [centre] = centres(mol)
    oxygens = [k for k, n in enumerate(centre.neighbours) if mol.GetAtomWithIdx(n).GetSymbol() == "O"]
    assert centre.directions[oxygens[0]] @ centre.directions[oxygens[1]] == pytest.approx(0.0)


def test_metals_have_no_lone_pairs_that_count() -> None:
    mol = from_smiles("[NH3]->[Co+3](<-[NH3])(<-[NH3])(<-[NH3])(<-[NH3])<-[NH3]")
    assert [lone_pairs(atom) for atom in mol.GetAtoms()].count(0) == 1
    assert lone_pairs(from_smiles("N[Pt](N)(Cl)Cl").GetAtomWithIdx(1)) is None


@pytest.mark.parametrize("smiles", ["FS(F)(F)(F)(F)F", "CP(C)(C)(F)F"])
def test_what_distance_geometry_makes_by_itself_fails(smiles: str) -> None:
    mol = from_smiles(smiles)
    bare = Chem.Mol(mol)
    assert rdDistGeom.EmbedMolecule(bare, randomSeed=3) == 0
    [centre] = centres(mol)
    pos = bare.GetConformer().GetPositions()
    assert min(angles_deg(pos, centre.atom, centre.neighbours)) < 70
    assert "hypervalent" in check(with_positions(mol, pos[None]))[0]


def test_bent_xenon_difluoride_fails() -> None:
    mol = from_smiles("F[Xe]F")
    for angle, failed in ((100.0, ["hypervalent"]), (170.0, [])):
        turn = np.radians(angle)
        pos = 1.98 * np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [np.cos(turn), np.sin(turn), 0.0]])
        assert check(with_positions(mol, pos[None])) == [failed]
