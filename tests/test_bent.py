"""Promises of `confgen.bent`: angles that training hardly shows come to what they are, and all else stays."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from confgen.bent import bent
from confgen.embed import embed
from confgen.molecule import read_molecule


def angles(mol: Chem.Mol, pos: np.ndarray, pattern: str) -> list[float]:
    found = []
    for one, at, other in mol.GetSubstructMatches(Chem.MolFromSmarts(pattern)):
        arms = pos[one] - pos[at], pos[other] - pos[at]
        found.append(
            float(np.degrees(np.arccos(arms[0] @ arms[1] / np.linalg.norm(arms[0]) / np.linalg.norm(arms[1]))))
        )
    return found


@pytest.mark.parametrize(("smiles", "pattern", "angle", "number"), [
    ("C[Si](C)(C)O[Si](C)(C)C", "[Si]O[Si]", 146.0, 1), ("CC(C)(C)[Si](C)(C)OCC", "[Si]OC", 124.0, 1),
    ("c1ccc([I+]c2ccccc2)cc1", "[#6][I+][#6]", 95.0, 1), ("C[Se]CC[C@H](N)C(=O)O", "[#6][Se][#6]", 98.0, 1),
    ("C[As](C)c1ccccc1", "[#6][As][#6]", 98.0, 3), ("C[Bi](C)CC", "[#6][Bi][#6]", 94.0, 3),
])  # fmt: skip
def test_angles_come_to_what_they_are_and_the_rest_of_the_molecule_stays(
    smiles: str, pattern: str, angle: float, number: int
) -> None:
    mol = read_molecule(smiles)
    before = np.array(embed(mol, [1, 2]))
    after = bent(mol, before)
    for rough, now in zip(before, after, strict=True):
        assert max(abs(found - angle) for found in angles(mol, rough, pattern)) > 5.0
        assert angles(mol, now, pattern) == pytest.approx([angle] * number, abs=0.01 if number == 1 else 2.5)
        for bond in mol.GetBonds():
            ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
            np.testing.assert_allclose(*(np.linalg.norm(pos[ends[0]] - pos[ends[1]]) for pos in (rough, now)))
        np.testing.assert_allclose(angles(mol, rough, "[#6]~[#6]~[#6]"), angles(mol, now, "[#6]~[#6]~[#6]"))


@pytest.mark.parametrize("smiles", ["CCOCC", "CSC", "C1CC[Se]C1", "C[Si]1(C)O[Si](C)(C)O[Si](C)(C)O1"])
def test_others_and_rings_stay(smiles: str) -> None:
    mol = read_molecule(smiles)
    pos = np.array(embed(mol, [1]))
    np.testing.assert_array_equal(bent(mol, pos), pos)


def test_the_hand_of_three_neighbours_stays() -> None:
    mol = read_molecule("C[As](CC)c1ccccc1")
    before = np.array(embed(mol, range(1, 9)))
    hands = []
    for pos in (before, bent(mol, before)):
        arms = pos[:, [0, 2, 4]] - pos[:, [1]]
        hands.append(np.sign(np.linalg.det(arms)))
    np.testing.assert_array_equal(*hands)
