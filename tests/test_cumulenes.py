"""Promises of `confgen.cumulenes`: the ends of an allene stand at right angles, whatever a force field makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from confgen.conformers import positions, with_positions
from confgen.cumulenes import allene_flattened, unfolded
from confgen.embed import embed
from confgen.molecule import read_molecule


def flat(smiles: str, torsion: tuple[int, int, int, int], degrees: float) -> Chem.Mol:
    """Two conformers of an allene, turned as far as that to either side."""
    mol = read_molecule(smiles)
    both = with_positions(mol, np.array(embed(mol, [1, 1])))
    for conformer, sign in zip(both.GetConformers(), (1, -1), strict=True):
        turned = sum(rdMolTransforms.GetDihedralDeg(conformer, *torsion) for _ in range(1))
        pos = conformer.GetPositions()
        side = [atom for atom in range(mol.GetNumAtoms()) if _beyond(mol, torsion[2], atom)]
        axis = pos[torsion[2]] - pos[torsion[1]]
        axis /= np.linalg.norm(axis)
        angle = np.deg2rad(sign * degrees - turned)
        arms = pos[side] - pos[torsion[2]]
        along = np.outer(arms @ axis, axis)
        pos[side] = pos[torsion[2]] + along + np.cos(angle) * (arms - along) + np.sin(angle) * np.cross(axis, arms)
        conformer.SetPositions(pos)
    return both


def _beyond(mol: Chem.Mol, end: int, atom: int) -> bool:
    path = Chem.GetDistanceMatrix(mol)
    return bool(path[0, atom] > path[0, end])


CASES = [("CC=C=CC", (0, 1, 3, 4)), ("CC(C)=C=CC(=O)OC", (0, 1, 4, 5))]


@pytest.mark.parametrize(("smiles", "torsion"), CASES)
@pytest.mark.parametrize(("degrees", "wrong"), [(5.0, True), (60.0, True), (85.0, False), (175.0, True)])
def test_flat_allenes_are_found_and_unfolded_to_the_side_they_lean_to(
    smiles: str, torsion: tuple[int, int, int, int], degrees: float, wrong: bool
) -> None:
    mol = flat(smiles, torsion, degrees)
    assert allene_flattened(mol, positions(mol)).tolist() == [wrong, wrong]
    mended = unfolded(mol, positions(mol))
    assert not allene_flattened(mol, mended).any()
    upright = with_positions(mol, mended)
    found = [rdMolTransforms.GetDihedralDeg(conformer, *torsion) for conformer in upright.GetConformers()]
    assert found == pytest.approx([90.0, -90.0], abs=0.1)
    middle = torsion[1] + 1 if smiles == "CC=C=CC" else 3
    angles = [rdMolTransforms.GetAngleDeg(c, torsion[1], middle, torsion[2]) for c in upright.GetConformers()]
    assert angles == pytest.approx([180.0, 180.0], abs=0.01)
    for bond in mol.GetBonds():
        ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        lengths = [np.linalg.norm(p[:, ends[0]] - p[:, ends[1]], axis=-1) for p in (positions(mol), mended)]
        np.testing.assert_allclose(lengths[0], lengths[1], atol=1e-9)


@pytest.mark.parametrize("smiles", ["CC=CC", "C=C=O", "CC=C=C=CC", "C1CCCC=C=CCCC1", "CN=C=NC"])
def test_what_is_no_open_allene_stays(smiles: str) -> None:
    mol = read_molecule(smiles)
    pos = np.array(embed(mol, [1])) + np.random.default_rng(0).normal(0, 0.05, (1, mol.GetNumAtoms(), 3))
    assert allene_flattened(mol, pos).tolist() == [False]
    np.testing.assert_array_equal(unfolded(mol, pos), pos)
