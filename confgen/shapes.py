"""Shapes that the bond graph fixes: flat rings and double bonds, puckered rings, ring bonds that stay cis, tetrahedra,
bipyramids and octahedra.

Positions are (K, N, 3) angstrom and finite; every answer is (K,) bool, True for a conformer that has it wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdMolDescriptors

from confgen.fusions import trans_fused
from confgen.hypervalent import lone_pairs
from confgen.stereo import CISTRANS, VOLUME_THREE

# Thresholds; the first from PoseBusters (doi 10.1039/D3SC04185A), the others measured on the DFT references of OpenFF,
# CASCADE and QM9, of which hardly any fails.
OUT_OF_PLANE = 0.25  # angstrom, farthest atom of an aromatic ring or of the six atoms around a C=C
STRAINED_OUT_OF_PLANE = 0.45  # angstrom, of a C=C that strain twists; GFN2-xTB has 0.27 in E-cyclooctene, 0.34 at most
MEETING_OUT_OF_PLANE = 0.75  # angstrom, of one with an end where small rings meet; references reach 0.67
CAGED_RINGS = 3  # that an end is in; references reach 1.25 there, and nothing is asked
PUCKER = 0.05  # angstrom, the same of a saturated six-membered ring, at least; references have 0.13
TETRAHEDRAL = 0.20  # smallest of the four volumes between the bonds of an atom, 1 if ideal; references have 0.61
CIS_BELOW_DEG = 120.0  # torsion about a bond that its ring keeps cis; references reach 110
CROWDED_DEG = 70.0  # angle between two of five or six bonds of an atom; minima of GFN2-xTB have 79 (IF5)
OPPOSITE_DEG = 140.0  # angle between bonds on opposite sides of an atom with lone pairs; GFN2-xTB has 155 (IF3)

C_C_DOUBLE_BOND = Chem.MolFromSmarts("[C;X3;^2](*)(*)=[C;X3;^2](*)(*)")  # as in PoseBusters
E_STRAINED_UP_TO = 11  # atoms of a ring in which E is more strained than Z
# Bonds that a ring of at most so many atoms keeps cis. Lactones of eight are known in both forms (Huisgen and Ott,
# Tetrahedron 1959, 6, 253), and a double bond in a ring of eight has a label, so that the stereo check sees it.
CIS_IN_RING = (
    (Chem.MolFromSmarts("[#6X3](=[O,S,N])-;@[#7X3]"), 8),
    (Chem.MolFromSmarts("[#6X3](=[O,S,N])-;@[O,S;X2]"), 7),
    (Chem.MolFromSmarts("[C,N;^2](~*)=;@[C,N;^2]"), 7),
)
SP2, SP3 = Chem.HybridizationType.SP2, Chem.HybridizationType.SP3
MAIN_GROUP = (5, 6, 7, 14, 15, 16)


def aromatic_bent(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Some aromatic ring of five or six sp2 atoms is not flat; cyclophosphazenes need not be."""
    flat = [a.GetIsAromatic() and a.GetHybridization() == SP2 for a in mol.GetAtoms()]
    rings = [ring for ring in _rings(mol) if len(ring) in (5, 6) and all(flat[i] for i in ring)]
    return _any(_heights(pos, rings) > OUT_OF_PLANE)


def double_bond_bent(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Some C=C and its four neighbours do not lie in a plane; where strain twists it, they may lie farther off."""
    matches = [list(m) for m in mol.GetSubstructMatches(C_C_DOUBLE_BOND)]
    return _any(_heights(pos, matches) > np.array([_room_out_of_plane(mol, m) for m in matches]))


def _room_out_of_plane(mol: Mol, match: Sequence[int]) -> float:
    """How far from their plane a C=C and its neighbours may lie, angstrom; match: indices as of C_C_DOUBLE_BOND."""
    info = mol.GetRingInfo()
    around = [sorted(info.AtomRingSizes(end)) for end in (match[0], match[3])]
    if any(len(sizes) >= CAGED_RINGS for sizes in around):
        return np.inf
    if any(len(sizes) == 2 and (sizes[0] <= 4 or sizes[1] <= 5) for sizes in around):
        return MEETING_OUT_OF_PLANE
    return STRAINED_OUT_OF_PLANE if _strained(mol, match) else OUT_OF_PLANE


def _strained(mol: Mol, match: Sequence[int]) -> bool:
    """Whether something twists a C=C: E in a small ring, a bridgehead (taxanes), a crowd on all four sides, an amine.

    The lone pair of the latter makes a double bond of its own where an acceptor is at the other end.
    """
    ends = mol.GetAtomWithIdx(match[0]), mol.GetAtomWithIdx(match[3])
    bond = mol.GetBondBetweenAtoms(match[0], match[3])
    rings = [ring for ring in _rings(mol) if match[0] in ring and match[3] in ring]
    may_be_trans = CISTRANS.get(bond.GetStereo()) != 1
    if may_be_trans and any(8 <= len(ring) <= E_STRAINED_UP_TO for ring in rings):
        return True
    bridgeheads: list[int] = []
    rdMolDescriptors.CalcNumBridgeheadAtoms(mol, bridgeheads)  # type: ignore[arg-type] # RDKit's stubs are wrong
    if any(end.GetIdx() in bridgeheads for end in ends):
        return True
    sides = [n for end in ends for n in end.GetNeighbors() if n.GetIdx() not in (match[0], match[3])]
    if any(side.GetAtomicNum() == 7 and side.GetTotalDegree() == 3 for side in sides):
        return True
    return all(sum(n.GetAtomicNum() > 1 for n in side.GetNeighbors()) >= 3 for side in sides)


def ring_flattened(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Some six-membered ring with four sp3 atoms or more is flat; fused and bridged rings may be."""
    info = mol.GetRingInfo()
    rings = [ring for ring in _rings(mol) if len(ring) == 6 and all(info.NumAtomRings(i) == 1 for i in ring)]
    sp3 = [atom.GetHybridization() == SP3 for atom in mol.GetAtoms()]
    return _any(_heights(pos, [ring for ring in rings if sum(sp3[i] for i in ring) >= 4]) < PUCKER)


def centre_flattened(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Some atom with four neighbours lies outside, or in a face of, the tetrahedron that they span.

    So it is with square-planar carbon, and with a bridgehead that points into its cage. Atoms of three- and
    four-membered rings are left out: those of bicyclobutanes and propellanes are like that.
    """
    info = mol.GetRingInfo()
    centres = [
        [atom.GetIdx(), *(n.GetIdx() for n in atom.GetNeighbors())]
        for atom in mol.GetAtoms()
        if atom.GetDegree() == 4
        and atom.GetAtomicNum() in MAIN_GROUP
        and atom.GetHybridization() == SP3
        and not (info.IsAtomInRingOfSize(atom.GetIdx(), 3) or info.IsAtomInRingOfSize(atom.GetIdx(), 4))
    ]
    at = np.array(centres, dtype=int).reshape(-1, 5)
    spokes = pos[:, at[:, 1:]] - pos[:, at[:, :1]]
    spokes = spokes / np.maximum(np.linalg.norm(spokes, axis=-1, keepdims=True), 1e-9)
    a, b, c, d = np.moveaxis(spokes, 2, 0)
    volumes = np.stack([_volume(a, b, c), _volume(a, d, b), _volume(a, c, d), _volume(b, d, c)], axis=-1)
    hand = np.sign(volumes.sum(axis=-1, keepdims=True))
    return _any((hand * volumes / VOLUME_THREE).min(axis=-1) < TETRAHEDRAL)


def centre_crowded(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Two bonds of an atom with five or six lie too close, or lone pairs do not keep enough bonds opposite each other.

    The latter are main-group atoms of five or six electron pairs: XeF2 is straight, the iodine of PhICl2 a T, and SF4
    has one pair of opposite bonds, XeF4 and IF5 two. Bonds of one ring of three or four are left out.
    """
    wrong = np.zeros(len(pos), dtype=bool)
    info = mol.GetRingInfo()
    for atom in mol.GetAtoms():
        lone = lone_pairs(atom)
        if lone is None:
            continue
        around = [n.GetIdx() for n in atom.GetNeighbors()]
        first, second = np.triu_indices(len(around), k=1)
        spokes = pos[:, around] - pos[:, [atom.GetIdx()]]
        spokes = spokes / np.maximum(np.linalg.norm(spokes, axis=-1, keepdims=True), 1e-9)
        cosine = (spokes[:, first] * spokes[:, second]).sum(axis=-1)
        if lone:
            opposite = 2 if len(around) + lone == 6 and len(around) >= 4 else 1
            wrong |= (cosine < np.cos(np.deg2rad(OPPOSITE_DEG))).sum(axis=1) < opposite
        if len(around) >= 5:
            ringed = [
                info.AreAtomsInSameRingOfSize(around[i], around[j], size)
                for i, j in zip(first, second, strict=True) for size in (3, 4)
            ]  # fmt: skip
            free = ~np.array(ringed).reshape(-1, 2).any(axis=1)
            wrong |= (cosine[:, free] > np.cos(np.deg2rad(CROWDED_DEG))).any(axis=1)
    return wrong


def ring_trans(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Some amide, ester or double bond is trans inside a ring too small for it, or a ring of three trans on another."""
    torsions = []
    for pattern, largest in CIS_IN_RING:
        ends = {frozenset((m[0], m[-1])) for m in mol.GetSubstructMatches(pattern)}
        for ring in _rings(mol):
            if _span(mol, ring) > largest:
                continue
            for i in range(len(ring)):
                before, begin, end, after = (ring[(i + step) % len(ring)] for step in range(4))
                if len(ring) > 3 and frozenset((begin, end)) in ends:
                    torsions.append([before, begin, end, after])
    at = np.array(torsions, dtype=int).reshape(-1, 4)
    before, axis, after = np.moveaxis(np.diff(pos[:, at], axis=2), 2, 0)
    m, n = np.cross(before, axis), np.cross(axis, after)
    lengths = np.linalg.norm(m, axis=-1) * np.linalg.norm(n, axis=-1)
    cosine = (m * n).sum(axis=-1) / np.maximum(lengths, 1e-9)
    trans: np.ndarray = _any(cosine < np.cos(np.deg2rad(CIS_BELOW_DEG))) | trans_fused(mol, pos)
    return trans


def _rings(mol: Mol) -> list[list[int]]:
    return [list(ring) for ring in mol.GetRingInfo().AtomRings()]


def _span(mol: Mol, ring: Sequence[int]) -> int:
    """Ring size for what a ring forbids; atoms beyond neon count twice: a disulfide of eight holds a trans amide."""
    return sum(2 if mol.GetAtomWithIdx(i).GetAtomicNum() > 10 else 1 for i in ring)


def _heights(pos: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Distance of the farthest atom of each group from the plane through the group, (K, groups) in any order."""
    parts = [np.zeros((len(pos), 0))]
    for size in {len(group) for group in groups}:
        members = pos[:, [group for group in groups if len(group) == size]]  # (K, groups, size, 3)
        centred = members - members.mean(axis=2, keepdims=True)
        _, axes = np.linalg.eigh(np.einsum("kgax,kgay->kgxy", centred, centred))
        height = np.einsum("kgax,kgx->kga", centred, axes[..., 0])  # along the direction of least extent
        parts.append(np.abs(height).max(axis=2))
    return np.concatenate(parts, axis=1)


def _volume(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    volume: np.ndarray = (a * np.cross(b, c)).sum(axis=-1)
    return volume


def _any(wrong: np.ndarray) -> np.ndarray:
    return np.asarray(wrong.any(axis=1))
