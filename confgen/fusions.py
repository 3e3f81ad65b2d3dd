"""Three-membered rings on another ring: what else is bound to the two atoms that they share lies on one side.

Epoxides of cyclohexene are cis, and so is what else contains bicyclo[n.1.0]alkanes up to n = 5; trans forms of the
smaller ones do not exist, and of the others nobody means them without saying so.
"""

from __future__ import annotations

import itertools

import numpy as np
from rdkit.Chem import Mol

from confgen.stereo import HANDED

LARGEST = 7  # atoms of the other ring
CIS_BELOW_DEG = 90.0


def small_fusions(mol: Mol) -> list[tuple[int, int, int, int]]:
    """The two shared atoms, each beside what is bound to it outside both rings: (outside, atom, atom, outside).

    Not those of which both atoms have a tag: there it says what is meant.
    """
    rings = [frozenset(ring) for ring in mol.GetRingInfo().AtomRings() if len(ring) <= LARGEST]
    found = set()
    for three, other in itertools.permutations(rings, 2):
        shared = sorted(three & other)
        if len(three) != 3 or len(shared) != 2:
            continue
        atoms = [mol.GetAtomWithIdx(index) for index in shared]
        outside = [[n.GetIdx() for n in atom.GetNeighbors() if n.GetIdx() not in three | other] for atom in atoms]
        if all(len(own) == 1 for own in outside) and not all(atom.GetChiralTag() in HANDED for atom in atoms):
            found.add((outside[0][0], shared[0], shared[1], outside[1][0]))
    return sorted(found)


def trans_fused(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Which of the conformers, positions (K, N, 3) angstrom, have such atoms on opposite sides, (K,) bool."""
    return torsion_above(pos, small_fusions(mol))


def torsion_above(pos: np.ndarray, fusions: list[tuple[int, int, int, int]]) -> np.ndarray:
    """Which of the conformers have a torsion of more than CIS_BELOW_DEG among four atoms, (K,) bool."""
    at = np.array(fusions, dtype=int).reshape(-1, 4)
    before, axis, after = np.moveaxis(np.diff(pos[:, at], axis=2), 2, 0)
    m, n = np.cross(before, axis), np.cross(axis, after)
    cosine = (m * n).sum(-1) / np.maximum(np.linalg.norm(m, axis=-1) * np.linalg.norm(n, axis=-1), 1e-9)
    wrong: np.ndarray = (cosine < np.cos(np.deg2rad(CIS_BELOW_DEG))).any(axis=1)
    return wrong
