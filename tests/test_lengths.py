"""Promises of `confgen.lengths`: bonds that training hardly shows come to their lengths, and all else stays."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from confgen.embed import embed
from confgen.lengths import NEAR, corrected
from confgen.molecule import read_molecule


def lengths(mol: Chem.Mol, pos: np.ndarray, pattern: str) -> list[float]:
    matches = mol.GetSubstructMatches(Chem.MolFromSmarts(pattern))
    return [float(np.linalg.norm(pos[match[0]] - pos[match[1]])) for match in matches]


@pytest.mark.parametrize(("smiles", "pattern", "length"), [
    ("OB(O)c1ccccc1", "[#5]-[#8]", 1.37), ("CC1(C)OB(c2ccccc2)OC1(C)C", "[#5]-[#8]", 1.37),
    ("CC1(C)OB(c2ccccc2)OC1(C)C", "[#5]-[#6]", 1.56), ("CC(C)(C)[Si](C)(C)OCC", "[Si]-[#8]", 1.64),
    ("C[Si](C)(C)Cl", "[Si]-Cl", 2.06), ("CCS(=O)(=O)[O-]", "S~[OX1]", 1.46), ("CC(=O)[O-]", "C~[OX1]", 1.26),
    ("C[N+](=O)[O-]", "N~[OX1]", 1.23), ("CP(C)(C)=O", "P=O", 1.49), ("CN=S=O", "N=S", 1.52), ("CN=S=O", "S=O", 1.46),
    ("CC1(C)CCCC(C)(C)N1[O]", "N-[OX1]", 1.28), ("CC(C)(C)OOC(C)(C)C", "OO", 1.46), ("CC(C)CON", "ON", 1.44),
    ("CC(=O)N(C)OC", "ON", 1.40), ("CSSC", "SS", 2.05), ("CCCNC(N)=[NH2+]", "[CX3]~[#7]", 1.34),
    ("NC(=[NH2+])c1ccccc1", "[CX3;!a]~[#7]", 1.33), ("O=S(=O)(F)c1ccccc1", "S-F", 1.56), ("O=C=NC", "N=C", 1.21),
    ("CCOC(=O)C=P(C)(C)C", "P=C", 1.71),
    ("C1=Cc2cc3ccc(cc4nc(cc5ccc(cc1n2)[nH]5)C=C4)[nH]3", "[c;!r5]:[c;r5]", 1.39),
])  # fmt: skip
def test_bonds_come_to_their_lengths_and_others_stay(smiles: str, pattern: str, length: float) -> None:
    mol = read_molecule(smiles)
    pos = np.array(embed(mol, [1, 2]))
    rough = pos * 1.04
    after = corrected(mol, rough)
    own = {frozenset(match[:2]) for match in mol.GetSubstructMatches(Chem.MolFromSmarts(pattern), uniquify=False)}
    for now in after:
        assert lengths(mol, now, pattern) == pytest.approx([length] * len(own), abs=NEAR + 0.001)
    carbons = Chem.MolFromSmarts("[#6]~[#6]")
    for one, other in mol.GetSubstructMatches(carbons):
        if frozenset((one, other)) in own:
            continue
        kept = [np.linalg.norm(p[:, one] - p[:, other], axis=-1) for p in (rough, after)]
        np.testing.assert_allclose(kept[0], kept[1], atol=0.012)


def test_angles_stay() -> None:
    mol = read_molecule("CC1(C)OB(c2ccccc2)OC1(C)C")
    [rough] = np.array(embed(mol, [1])) * 1.05
    [after] = corrected(mol, rough[None])
    for one, at, other in mol.GetSubstructMatches(Chem.MolFromSmarts("*~*~*")):
        arms = [(p[one] - p[at], p[other] - p[at]) for p in (rough, after)]
        found = [np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))) for a, b in arms]
        assert found[0] == pytest.approx(found[1], abs=4.0)


def test_single_bonds_of_hypervalent_centres_in_rings_are_not_too_short() -> None:
    mol = read_molecule("CC(=O)OI1(OC(C)=O)(OC(C)=O)OC(=O)c2ccccc12")
    [rough] = np.array(embed(mol, [1])) * 0.9
    [after] = corrected(mol, rough[None])
    assert min(lengths(mol, after, "I-[#8]")) > 1.93


@pytest.mark.parametrize("smiles", ["CCO", "CC(=O)NC", "c1ccccc1"])
def test_ordinary_molecules_are_left_alone(smiles: str) -> None:
    mol = read_molecule(smiles)
    pos = np.array(embed(mol, [1])) * 1.05
    assert corrected(mol, pos) is pos


def test_what_is_near_stays() -> None:
    mol = read_molecule("CC(=O)[O-]")
    pos = corrected(mol, np.array(embed(mol, [1])) * 1.05)
    np.testing.assert_array_equal(corrected(mol, pos), pos)
