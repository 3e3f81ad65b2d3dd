"""Bonds that are shorter, and angles of chains and of saturated rings that are more open, than those of any molecule.

So they are where an estimate lies between two places that an atom may take: that of the O of an aldehyde, or of the
methyl of an amidine, which a step of the network may bring to the middle of the two. Limits lie a little beyond what
DFT references reach (102,000 conformers of OpenFF, NSP, CASCADE, QM9 and others, of which none fails).
"""

from __future__ import annotations

import itertools

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondType, HybridizationType, Mol

# Angstrom, by the other end. Of a double bond at a carbon with three neighbours; references have 1.17, 1.23 and 1.29.
SHORTEST_DOUBLE = {8: 1.15, 7: 1.19, 6: 1.24}
# Of a single bond at a carbon with four neighbours; references have 1.41, 1.39, 1.34, 1.73.
SHORTEST_AT_SP3 = {6: 1.40, 7: 1.37, 8: 1.31, 16: 1.71}
SHORTEST_AT_METHYL = {6: 1.43, 7: 1.41, 8: 1.38, 16: 1.72}  # of one that is a methyl; 1.454, 1.435, 1.403, 1.749
SHORTEST_OTHER = 1.20  # of other single and of aromatic bonds among C, N and O; references have 1.21
SHORTEST_NN = 1.16  # of those between two N; in QM9 oxadiazines that are about to lose N2 have 1.17
SHORTEST_TRIPLE = {6: 1.17, 7: 1.12}  # at a carbon; references have 1.19 and 1.14
HEAVIER = (14, 15, 16, 17, 34, 35, 53)
SHORTEST_HEAVIER = 0.79  # of the sum of covalent radii, for bonds of these but triple ones; references have 0.83

# Degrees between two heavy neighbours of an atom outside rings, by its element and number of neighbours.
OPENEST = {(6, 3): 142.0, (7, 3): 145.0, (8, 2): 142.0, (16, 2): 120.0}  # references reach 139.5, 143.5, 137.8, 116.6
# Of a carbon with four, by how many of the two are methyl; references reach 127.2, 122.1 and 115.9.
OPENEST_AT_SP3 = (130.0, 125.0, 119.0)
OPENEST_AT_AZO = 130.0  # of a nitrogen with two, one of them nitrogen, and no triple bond; references reach 126.6
# Of a carbon with four in a ring, between its neighbours there, by the size of that; references reach 123.6, 124.3 and
# 121.4, taxanes 126 by MMFF94s.
OPENEST_IN_RING = {6: 126.0, 7: 126.5, 8: 128.0}
WIDE_BESIDE = (5, 14, 15, 32)  # elements at which an oxygen opens much farther: siloxanes reach 180


def squashed(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Which of the conformers, positions (K, N, 3) angstrom, have such a bond or angle, (K,) bool."""
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), _shortest(bond)) for bond in mol.GetBonds()]
    first, second, least = np.array(bonds, dtype=float).reshape(-1, 3).T
    lengths = np.linalg.norm(pos[:, first.astype(int)] - pos[:, second.astype(int)], axis=-1)
    angles = [angle for atom in mol.GetAtoms() for angle in _angles(atom)]
    one, at, other, most_deg = np.array(angles, dtype=float).reshape(-1, 4).T
    spokes = [pos[:, ends.astype(int)] - pos[:, at.astype(int)] for ends in (one, other)]
    spokes = [spoke / np.maximum(np.linalg.norm(spoke, axis=-1, keepdims=True), 1e-9) for spoke in spokes]
    wide = (spokes[0] * spokes[1]).sum(axis=-1) < np.cos(np.deg2rad(most_deg))
    wrong: np.ndarray = (lengths < least).any(axis=1) | wide.any(axis=1)
    return wrong


def _shortest(bond: Bond) -> float:
    """Below which length a bond is squashed, angstrom; 0 for one that is not looked at."""
    ends = bond.GetBeginAtom(), bond.GetEndAtom()
    elements, kind = [end.GetAtomicNum() for end in ends], bond.GetBondType()
    if 1 in elements:
        return 0.0
    if kind == BondType.TRIPLE:
        return SHORTEST_TRIPLE.get(elements[1 - elements.index(6)], 0.0) if 6 in elements else 0.0
    if kind == BondType.DOUBLE:
        limits = [
            SHORTEST_DOUBLE.get(other.GetAtomicNum(), 0.0) for own, other in (ends, ends[::-1]) if _is_carbon(own, 3)
        ]
    else:
        limits = [
            (SHORTEST_AT_METHYL if _is_methyl(own) else SHORTEST_AT_SP3).get(other.GetAtomicNum(), 0.0)
            for own, other in (ends, ends[::-1])
            if _is_carbon(own, 4)
        ]
        other = SHORTEST_NN if elements == [7, 7] else SHORTEST_OTHER
        limits += [other] if all(number in SHORTEST_DOUBLE for number in elements) else []
    if any(number in HEAVIER for number in elements):
        radius = Chem.GetPeriodicTable().GetRcovalent
        limits.append(SHORTEST_HEAVIER * sum(radius(number) for number in elements))
    return max(limits, default=0.0)


def _angles(atom: Atom) -> list[tuple[int, int, int, float]]:
    """The angles at an atom that are looked at: three atoms, and above how many degrees it is squashed."""
    if atom.IsInRing():
        return _ring_angles(atom)
    around = [n for n in atom.GetNeighbors() if n.GetAtomicNum() > 1]
    most = OPENEST.get((atom.GetAtomicNum(), atom.GetTotalDegree()))
    if _is_azo(atom):
        most = OPENEST_AT_AZO
    if any(n.GetAtomicNum() in WIDE_BESIDE for n in around):
        most = None
    found = []
    for one, other in itertools.combinations(around, 2):
        if _is_carbon(atom, 4):
            most = OPENEST_AT_SP3[_is_methyl(one) + _is_methyl(other)]
        if most is not None:
            found.append((one.GetIdx(), atom.GetIdx(), other.GetIdx(), most))
    return found


def _ring_angles(atom: Atom) -> list[tuple[int, int, int, float]]:
    """The same of a carbon with four neighbours in rings; beside a ring of three or four, angles open farther."""
    if not _is_carbon(atom, 4) or atom.IsInRingSize(3) or atom.IsInRingSize(4):
        return []
    found = []
    for ring in atom.GetOwningMol().GetRingInfo().AtomRings():
        most = OPENEST_IN_RING.get(len(ring))
        if most is not None and atom.GetIdx() in ring:
            place = ring.index(atom.GetIdx())
            found.append((ring[place - 1], atom.GetIdx(), ring[(place + 1) % len(ring)], most))
    return found


def _is_azo(atom: Atom) -> bool:
    bent = (atom.GetAtomicNum(), atom.GetDegree(), atom.GetHybridization()) == (7, 2, HybridizationType.SP2)
    return bent and any(n.GetAtomicNum() == 7 for n in atom.GetNeighbors())


def _is_carbon(atom: Atom, neighbours: int) -> bool:
    return bool(atom.GetAtomicNum() == 6 and atom.GetTotalDegree() == neighbours)


def _is_methyl(atom: Atom) -> bool:
    return _is_carbon(atom, 4) and sum(n.GetAtomicNum() > 1 for n in atom.GetNeighbors()) == 1
