"""Allenes: C=C=C outside rings, whose ends stand at right angles to each other.

Force fields for molecules know no such torsion and lay them flat (MMFF94s moves allenes of ETKDG, which has them
right, by up to 90 degrees), and the network, which has met six of them in training, leaves them so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.ideal import least_rotations, unit
from confgen.rotors import turned

FLAT_DEG = 70.0  # angle between the planes of the ends below which an allene is flat
_ALLENE = Chem.MolFromSmarts("[CX3]=!@[CX2]=!@[CX3]")


@dataclass(frozen=True)
class Allene:
    """Its three carbons, a neighbour of the first and one of the last, and the atoms on the side of the last."""

    first: int
    middle: int
    last: int
    before: int
    after: int
    side: tuple[int, ...]


def allenes(mol: Mol) -> list[Allene]:
    """Those outside rings."""
    found = []
    for first, middle, last in mol.GetSubstructMatches(_ALLENE):
        before, after = _beside(mol, first, middle), _beside(mol, last, middle)
        parts = Chem.RWMol(mol, True)
        parts.RemoveBond(middle, last)
        side = next(part for part in Chem.GetMolFrags(parts) if last in part)
        found.append(Allene(first, middle, last, before, after, side))
    return found


def allene_flattened(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Which of the conformers, positions (K, N, 3) angstrom, have an allene that is flat, (K,) bool."""
    flat = np.zeros(len(pos), dtype=bool)
    for allene in allenes(mol):
        flat |= np.abs(_components(pos, allene)[0]) < np.sin(np.deg2rad(FLAT_DEG))
    return flat


def unfolded(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) with every allene straight and its ends at right angles, on the side that they lean to.

    What hangs on the last carbon moves as a whole.
    """
    pos = pos.copy()
    for allene in allenes(mol):
        side = list(allene.side)
        axis, middle = unit(pos[:, allene.middle] - pos[:, allene.first]), pos[:, [allene.middle]]
        straight = least_rotations(unit(pos[:, allene.last] - pos[:, allene.middle]), axis)
        pos[:, side] = np.einsum("kxy,kny->knx", straight, pos[:, side] - middle) + middle
        angle = np.arctan2(*_components(pos, allene))
        twist = np.where(angle < 0, -np.pi / 2, np.pi / 2) - angle
        pos[:, side] = turned(pos[:, side] - middle, axis, twist[:, None])[:, 0] + middle
    return pos


def _beside(mol: Mol, end: int, middle: int) -> int:
    return next(int(n.GetIdx()) for n in mol.GetAtomWithIdx(end).GetNeighbors() if n.GetIdx() != middle)


def _components(pos: np.ndarray, allene: Allene) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine, (K,) each, of the torsion between the neighbours of the ends about the axis."""
    axis = unit(pos[:, allene.last] - pos[:, allene.first])
    one, other = pos[:, allene.before] - pos[:, allene.first], pos[:, allene.after] - pos[:, allene.last]
    one, other = (unit(arm - (arm * axis).sum(-1, keepdims=True) * axis) for arm in (one, other))
    return (np.cross(one, other) * axis).sum(-1), (one * other).sum(-1)
