"""Promises of comparing conformers with each other: bounds are bounds, and symmetric molecules take no ages."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.conformers import positions, with_positions
from confgen.distinct import ROUNDING, _sorted_lengths, distances, distinct
from confgen.rmsd import centred_positions, rmsd_heavy_matrix
from confgen.symmetry import heavy_skeleton, isomorphisms

BUSHY = "C[Si](C)(C)[Si]([Si](C)(C)C)([Si](C)(C)C)CC[Si]([Si](C)(C)C)([Si](C)(C)C)[Si](C)(C)C"
SYMMETRIC = ["C1CCCCC1", "OC(=O)CCCC(=O)[O-]", "CC(C)CN(CC(C)C)CC(C)C", "c1ccccc1OCCOc1ccccc1", "CC(C)(C)CCC(F)(F)F"]


def pool(smiles: str, number: int, shaken: float = 0.05) -> Chem.Mol:
    """Conformers, each followed by one that is nearly the same."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, number, randomSeed=7)
    pos = positions(mol)
    near = pos + shaken * np.random.default_rng(0).normal(size=pos.shape)
    return with_positions(mol, np.stack((pos, near), axis=1).reshape(-1, *pos.shape[1:]))


@pytest.mark.parametrize("smiles", [*SYMMETRIC, BUSHY])
def test_the_lower_bound_is_never_above_the_rmsd(smiles: str) -> None:
    mol = pool(smiles, 6)
    heavy, _ = heavy_skeleton(mol)
    symmetry = isomorphisms(heavy, heavy, 1_000)
    lengths = _sorted_lengths(centred_positions(heavy), symmetry, Chem.GetDistanceMatrix(heavy))
    bound = np.linalg.norm(lengths[:, None] - lengths, axis=-1) / heavy.GetNumAtoms() - ROUNDING
    assert (bound <= rmsd_heavy_matrix(mol, mol, 1_000)).all()
    assert bound.max() > 0.1 or smiles == "C1CCCCC1"  # it says something


def one_by_one(distance: np.ndarray, rms: float) -> list[int]:
    """Those that are not closer than `rms` to one kept before, first first, for distances (K, K)."""
    kept: list[int] = []
    for k in range(len(distance)):
        if not (distance[k, kept] < rms).any():
            kept.append(k)
    return kept


@pytest.mark.parametrize("smiles", SYMMETRIC)
@pytest.mark.parametrize("rms", [0.1, 0.5])
def test_screening_changes_nothing(smiles: str, rms: float) -> None:
    mol = pool(smiles, 15)
    assert distinct(mol, range(30), rms) == one_by_one(rmsd_heavy_matrix(mol, mol), rms)


def test_the_order_decides_which_of_two_stays() -> None:
    mol = pool("CCCO", 1)
    assert distinct(mol, [0, 1], 0.3) == [0]
    assert distinct(mol, [1, 0], 0.3) == [1]


def test_distances_are_rmsds_where_the_matches_are_few() -> None:
    mol = pool("OCCc1ccccc1", 8)
    np.testing.assert_allclose(
        distances(mol, [3, 0, 9]), rmsd_heavy_matrix(mol, mol)[[3, 0, 9]][:, [3, 0, 9]], atol=1e-5
    )


def test_a_molecule_of_many_end_groups_is_done_in_seconds() -> None:
    mol = pool(BUSHY, 4, shaken=0.02)
    repeated = with_positions(mol, np.tile(positions(mol), (12, 1, 1)))
    began = time.process_time()
    assert len(distinct(repeated, range(96), 0.2)) <= 4
    assert distances(repeated).shape == (96, 96)
    assert time.process_time() - began < 20
