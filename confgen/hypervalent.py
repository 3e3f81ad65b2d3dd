"""Centres of five or six electron pairs (SF6, phosphoranes, iodanes, XeF2): where their neighbours belong.

RDKit's distance geometry leaves the angles of such centres free, so that it puts their neighbours anywhere; here they
have the places of the VSEPR model (Gillespie and Nyholm, Q. Rev. Chem. Soc. 1957, 11, 339).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, DistanceGeometry
from rdkit.Chem import Atom, Mol, rdDistGeom

from confgen.ideal import least_rotations
from confgen.superpose import rotations

PAIRS = (5, 6)
TRANSITION_METALS = (range(21, 31), range(39, 49), range(57, 81), range(89, 113))  # no lone pairs that shape them
# Pauling's. Who pulls most gets an end of the axis of a trigonal bipyramid (Muetterties, Mahler and Schmutzler,
# Inorg. Chem. 1963, 2, 613).
ELECTRONEGATIVITY = {1: 2.2, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98, 16: 2.58, 17: 3.16, 34: 2.55, 35: 2.96, 53: 2.66}
OTHER_ELECTRONEGATIVITY = 2.0
MULTIPLE_BOND = 2.0  # by which the far end of a double bond seems less electronegative: it takes the equator's room
SMALL_RING = 7  # atoms of a ring that does not reach from one side of a centre to the other
RING_STRAIN = 20.0  # of two neighbours in such a ring, opposite each other; more than electronegativity outweighs
FREEDOM = 0.02  # share of a 1-3 distance that bounds leave to either side
RING_FREEDOM = 0.10  # the same in a ring, which has angles of its own
OPPOSITE_FREEDOM = 0.002  # the same of opposite neighbours: the distance hardly changes with an angle near 180 degrees
OPPOSITE = -0.99  # cosine
RIGHT_ANGLE = np.pi / 2  # rad, the smallest of both shapes
# Of the sum of covalent radii, below which no single bond of such a centre is: P-F in PF5 has 0.94 and 0.96, S-F in SF6
# 0.96, P-O in P(OMe)5 0.93 to 0.97, Sb-Cl in SbCl5 0.96, and those of three centres and four electrons 1.0 to 1.1.
LEAST_LENGTH = 0.95

ANYWHERE, APART = 1000.0, 2.5  # angstrom, bounds of atoms four bonds apart and more
EPS = 1e-9
COS, SIN = np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3)
BIPYRAMID = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [COS, SIN, 0], [COS, -SIN, 0]], dtype=float)
OCTAHEDRON = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=float)
# Places left by so many lone pairs, and what it is worth to have a neighbour there that pulls electrons.
BIPYRAMID_PLACES: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3, 4), (0, 1, 2, 3), (0, 1, 2), (0, 1))
BIPYRAMID_WORTH = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
OCTAHEDRON_PLACES: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3, 4, 5), (0, 2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4), (2, 3))
OCTAHEDRON_WORTH = np.array([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # the first is opposite the first lone pair


@dataclass(frozen=True, eq=False)
class Centre:
    """An atom and its L neighbours, with the unit vectors (L, 3) that lead to them in the ideal shape."""

    atom: int
    neighbours: tuple[int, ...]
    directions: np.ndarray


def centres(mol: Mol) -> list[Centre]:
    """The atoms of `mol` with five or six electron pairs, or neighbours, and the shape VSEPR gives them.

    Lone pairs and double bonds lie on the equator of a trigonal bipyramid, electronegative neighbours on its axis;
    a small ring goes from axis to equator. In an octahedron lone pairs lie opposite each other or opposite the least
    electronegative neighbour. What that leaves open (cis or trans SF4Cl2) follows the order of the bonds.
    """
    return [_centre(mol, atom, lone) for atom in mol.GetAtoms() if (lone := lone_pairs(atom)) is not None]


def lone_pairs(atom: Atom) -> int | None:
    """How many lone pairs help to shape an atom of five or six electron pairs; None for any other atom.

    A double bond counts as one pair. Metals are shaped by their neighbours alone.
    """
    degree, number = atom.GetDegree(), atom.GetAtomicNum()
    if degree < 2:
        return None
    outer = Chem.GetPeriodicTable().GetNOuterElecs(number)
    if outer >= 5 and not any(number in row for row in TRANSITION_METALS):
        bonding = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
        lone = max(0, int(outer - atom.GetFormalCharge() - bonding - atom.GetNumRadicalElectrons()) // 2)
        if degree + lone in PAIRS:
            return lone
    return 0 if degree in PAIRS else None


def bounds(mol: Mol, found: list[Centre], *, anyhow: bool = False) -> np.ndarray:
    """Bounds of distances for embedding, (N, N), lower ones below the diagonal, with the ideal angles of the centres.

    Bond lengths are those in the middle of RDKit's bounds. An atom three bonds away across a centre may be anywhere on
    its circle about the bond between, and those farther off anywhere: RDKit's bounds have them where angles of its own
    would put them.
    anyhow: whichever neighbours are opposite each other, which may follow from no more than the order of atoms.
    """
    matrix = np.array(rdDistGeom.GetMoleculeBoundsMatrix(mol))
    hops = Chem.GetDistanceMatrix(mol)
    middle = (matrix + matrix.T) / 2
    info = mol.GetRingInfo()
    for centre in found:
        from_here = hops[centre.atom]
        across = (hops == from_here[:, None] + from_here) & (hops > 3) & (from_here[:, None] > 0) & (from_here > 0)
        matrix[np.triu(across)] = ANYWHERE
        lower = np.tril(across)
        matrix[lower] = np.minimum(matrix[lower], APART)
        lengths = middle[centre.atom, list(centre.neighbours)]
        for near, length in zip(centre.neighbours, lengths, strict=True):
            _set(matrix, centre.atom, near, length, length, OPPOSITE_FREEDOM)
        for i, j in itertools.permutations(range(len(lengths)), 2):
            first, second = centre.neighbours[i], centre.neighbours[j]
            cosine = float(centre.directions[i] @ centre.directions[j])
            angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
            angles = (RIGHT_ANGLE, np.pi) if anyhow else (angle, angle)
            apart = [_across(lengths[i], lengths[j], each) for each in angles]
            freedom = OPPOSITE_FREEDOM if cosine < OPPOSITE else FREEDOM
            freedom = RING_FREEDOM if info.AreAtomsInSameRing(first, second) else freedom
            _set(matrix, first, second, apart[0], apart[1], freedom)
            for beyond in (n.GetIdx() for n in mol.GetAtomWithIdx(second).GetNeighbors()):
                if hops[first, beyond] == 3:
                    far, side = middle[centre.atom, beyond], middle[second, beyond]
                    tilt = np.arccos(np.clip((far**2 + lengths[j] ** 2 - side**2) / (2 * far * lengths[j]), -1.0, 1.0))
                    turns = [abs(each + way) for each in angles for way in (-tilt, tilt)]
                    ends = [_across(lengths[i], far, turn) for turn in turns]
                    _set(matrix, first, beyond, min(ends), max(ends), FREEDOM)
    DistanceGeometry.DoTriangleSmoothing(matrix)
    return matrix


def mended(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) with the neighbours of every centre turned to their ideal places, what hangs on them along.

    The ideal shape is laid on the neighbours as they are; lengths stay. So do centres in rings, whose angles are not
    those of the ideal shape.
    """
    pos = pos.copy()
    for centre in centres(mol):
        parts = branches(mol, centre.atom, centre.neighbours)
        if len(parts) < len(centre.neighbours):
            continue
        spokes = pos[:, list(centre.neighbours)] - pos[:, [centre.atom]]
        spokes = spokes / np.maximum(np.linalg.norm(spokes, axis=-1, keepdims=True), EPS)
        ideal = np.broadcast_to(centre.directions, spokes.shape)
        pos = turn_branches(pos, centre.atom, parts, spokes, ideal @ rotations(spokes, ideal))
    return pos


def turn_branches(
    pos: np.ndarray, atom: int, parts: list[list[int]], spokes: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Positions (K, N, 3) with what hangs on the neighbours of an atom turned with these.

    parts: of every neighbour, see `branches`.     spokes, wanted: (K, L, 3) unit vectors to these, now and then.
    """
    pos = pos.copy()
    for j, part in enumerate(parts):
        turns = least_rotations(spokes[:, j], wanted[:, j])
        own = pos[:, part] - pos[:, [atom]]
        pos[:, part] = np.einsum("kxy,kny->knx", turns, own) + pos[:, [atom]]
    return pos


def least_lengths(mol: Mol) -> dict[frozenset[int], float]:
    """Lengths in angstrom that single bonds of the centres have at least, by their two atoms."""
    radius, found = Chem.GetPeriodicTable().GetRcovalent, {}
    for centre in centres(mol):
        for near in centre.neighbours:
            if mol.GetBondBetweenAtoms(centre.atom, near).GetBondType() == Chem.BondType.SINGLE:
                ends = [mol.GetAtomWithIdx(index).GetAtomicNum() for index in (centre.atom, near)]
                found[frozenset((centre.atom, near))] = LEAST_LENGTH * sum(radius(number) for number in ends)
    return found


def branches(mol: Mol, atom: int, neighbours: Sequence[int]) -> list[list[int]]:
    """The atoms that hang on each neighbour, itself included; fewer if a ring ties two of them together."""
    apart = Chem.RWMol(mol)
    for near in neighbours:
        apart.RemoveBond(atom, near)
    parts = Chem.GetMolFrags(apart)
    own = [next(part for part in parts if near in part) for near in neighbours]
    return [list(part) for part in dict.fromkeys(own)]


def _across(first: float, second: float, angle_rad: float) -> float:
    """The third side of a triangle."""
    return float(np.sqrt(first**2 + second**2 - 2 * first * second * np.cos(angle_rad)))


def _set(matrix: np.ndarray, first: int, second: int, least: float, most: float, freedom: float) -> None:
    low, high = sorted((first, second))
    matrix[high, low], matrix[low, high] = (1 - freedom) * least, (1 + freedom) * most


def _centre(mol: Mol, atom: Atom, lone: int) -> Centre:
    """The arrangement that suits the neighbours best; of equals the first."""
    neighbours = tuple(bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds())
    if len(neighbours) + lone == 5:
        shape, places, worth = BIPYRAMID, BIPYRAMID_PLACES[lone], BIPYRAMID_WORTH
    else:
        shape, places, worth = OCTAHEDRON, OCTAHEDRON_PLACES[lone], OCTAHEDRON_WORTH * (lone > 0)
    pull = np.array([_pull(atom, bond) for bond in atom.GetBonds()])
    arrangements = np.array(list(itertools.permutations(places, len(neighbours))))  # (P, L)
    directions = shape[arrangements]
    opposite = (-directions @ directions.transpose(0, 2, 1)).clip(min=0.0)  # (P, L, L)
    strain = (opposite * _share_small_ring(mol, neighbours)).sum((1, 2))
    cost = RING_STRAIN * strain - worth[arrangements] @ pull
    return Centre(atom.GetIdx(), neighbours, directions[np.round(cost, 6).argmin()])


def _pull(atom: Atom, bond: Chem.Bond) -> float:
    """How electronegative the other end of a bond is."""
    own = ELECTRONEGATIVITY.get(bond.GetOtherAtom(atom).GetAtomicNum(), OTHER_ELECTRONEGATIVITY)
    return own - MULTIPLE_BOND * (bond.GetBondTypeAsDouble() > 1.0)


def _share_small_ring(mol: Mol, neighbours: tuple[int, ...]) -> np.ndarray:
    """Which two of the neighbours are in one small ring, (L, L) bool."""
    rings = [set(ring) for ring in mol.GetRingInfo().AtomRings() if len(ring) <= SMALL_RING]
    return np.array([[i != j and any({i, j} <= ring for ring in rings) for j in neighbours] for i in neighbours])
