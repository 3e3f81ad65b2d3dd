"""Hydrogens at ideal geometry around heavy atoms that stay where they are."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom, Bond, Mol

from confgen.conformers import is_token, with_positions
from confgen.ideal import (
    PLANAR,
    bond_length,
    bonded_atoms,
    cone,
    is_flat,
    methine,
    methylene,
    perpendicular,
    roomiest,
    tag_sign,
    tilted,
    triple_product,
    unit,
)
from confgen.rotors import Choice, settle
from confgen.stereo import CISTRANS

HYDROGEN_FLIP = np.array([0.0, np.pi])
FULL_TURN = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
THIRD_TURN = np.linspace(0.0, 2.0 * np.pi / 3.0, 8, endpoint=False)
WAGGING = np.radians(np.linspace(-50.0, 50.0, 11))
WAGGING_OF_AMIDES = np.radians(np.linspace(-30.0, 30.0, 7))  # of 8,047 in the training set 0.6% lean farther
# How high the hydrogens of an NH2 on a flat atom stand over its plane, on the other side from the nitrogen's own depth
# below it: HEIGHT tanh(depth / DEPTH), angstrom, fitted to 567 of OpenFF's training set (B3LYP-D3BJ; the sides are
# opposite in 95 of 100). At full height the cone is narrower by NARROWING_DEG.
HEIGHT, DEPTH, NARROWING_DEG = 0.35, 0.035, 2.5
# The least of that on an aromatic ring, as a share, whatever the depth: an estimate between the two sides is flat, as
# an NH2 there is not (0.27 on average, 0.21 with a nitrogen of the ring next to it; 1,194 of the same set), but for
# each =O beside it that it gives a hydrogen bond to (0.15 with one, 0 with two).
LEAST_ON_RING, LESS_BESIDE_NITROGEN, LESS_BESIDE_OXYGEN = 0.75, 0.15, 0.38
LINEAR = Chem.HybridizationType.SP


def complete(mol: Mol, token_pos: np.ndarray) -> Mol:
    """A copy of `mol` with K conformers: tokens exactly where they were given, hydrogens completed around them.

    Every hydrogen gets an ideal length and angle on its atom; what those leave open (OH, alkyl NH2, CH3 rotors, the
    side of a pyramidal NH, how far a flat one leans to make up for the twist of its neighbours) is settled by the
    MMFF94s energy of the hydrogens alone. How much of a pyramid the NH2 of an aniline or amide is follows from its
    nitrogen. Tagged centres and double bonds whose outcome rests on hydrogens (imines, CHD) follow their tags; a centre
    whose heavy atoms are wrong stays wrong.

    token_pos:  (K, T, 3) angstrom, the atoms of `is_token(mol)` in index order.
    """
    tokens = is_token(mol)
    pos = np.zeros((len(token_pos), mol.GetNumAtoms(), 3))
    pos[:, tokens] = token_pos
    placed = tokens.copy()
    choices = []
    for centre, hydrogens in _sites(mol, placed):
        choices += _place(mol, pos, placed, centre, hydrogens)
    _swap_isotopes(mol, pos, tokens)
    settle(mol, pos, choices)
    return with_positions(mol, pos)


def _sites(mol: Mol, placed: np.ndarray) -> list[tuple[int, list[int]]]:
    """Atoms with hydrogens to place and those hydrogens, best determined first: later ones lean on earlier ones."""
    sites: list[tuple[int, int, list[int]]] = []
    for atom in mol.GetAtoms():
        neighbours = bonded_atoms(atom)
        hydrogens = [n for n in neighbours if not placed[n]]
        if placed[atom.GetIdx()] and hydrogens:
            sites.append((len(hydrogens) - len(neighbours), atom.GetIdx(), hydrogens))
    return [(centre, hydrogens) for _, centre, hydrogens in sorted(sites)]


def _place(mol: Mol, pos: np.ndarray, placed: np.ndarray, centre: int, hydrogens: list[int]) -> list[Choice]:
    """Write the positions of one atom's hydrogens into `pos`; returns what is left to choose, if anything."""
    atom = mol.GetAtomWithIdx(centre)
    length = bond_length(atom)
    anchors = [n for n in bonded_atoms(atom) if placed[n]]
    hydrogens = [h for h in hydrogens if not placed[h]]  # one that bridges two centres belongs to the first
    if not anchors:  # methane, water, ammonium: any orientation serves
        pos[:, hydrogens[0]] = pos[:, centre] + np.array([length, 0.0, 0.0])
        placed[hydrogens[0]] = True
        anchors, hydrogens = hydrogens[:1], hydrogens[1:]
    if not hydrogens:
        return []
    units = unit(pos[:, anchors] - pos[:, centre, None])  # (K, anchors, 3)
    coordination = len(anchors) + len(hydrogens)
    if coordination <= 4 and len(anchors) == 1:
        directions, choices = _on_one(mol, pos, placed, centre, anchors[0], hydrogens)
    elif coordination == 3 and len(anchors) == 2 and not is_flat(atom):
        directions = tilted(atom, units)[:, None]
        choices = [] if tag_sign(atom) else [Choice(centre, tuple(anchors), tuple(hydrogens), np.zeros(2))]
    elif coordination == 3 and len(anchors) == 2:
        directions = -unit(units.sum(axis=1))[:, None]
        wags = atom.GetAtomicNum() == 7 and not atom.GetIsAromatic()
        turns = WAGGING_OF_AMIDES if any(map(_has_oxo, atom.GetNeighbors())) else WAGGING
        choices = [Choice(centre, tuple(anchors), tuple(hydrogens), turns, wags=True)] if wags else []
    elif coordination == 4 and len(anchors) == 2:
        directions, choices = methylene(units), []
    elif coordination == 4 and len(anchors) == 3:
        directions, choices = methine(atom, units)[:, None], []
    else:
        directions, choices = roomiest(units, len(hydrogens)), []
    pos[:, hydrogens] = pos[:, centre, None] + length * directions
    placed[hydrogens] = True
    return choices


def _on_one(
    mol: Mol, pos: np.ndarray, placed: np.ndarray, centre: int, anchor: int, hydrogens: list[int]
) -> tuple[np.ndarray, list[Choice]]:
    """Directions of 1-3 hydrogens on an atom with one other neighbour, (K, h, 3), and the turn left to choose."""
    atom = mol.GetAtomWithIdx(centre)
    bond = mol.GetBondBetweenAtoms(centre, anchor)
    axis = unit(pos[:, anchor] - pos[:, centre])
    number, planar = len(hydrogens), atom.GetHybridization() == PLANAR
    if number == 1 and atom.GetHybridization() == LINEAR:
        return -axis[:, None], []
    reference = _reference(mol, pos, placed, centre, anchor)
    asked = _asked_atoms(bond, centre, hydrogens)
    tagged = _asked_side(pos, bond, centre, anchor, asked, hydrogens) if asked and placed[asked[1]] else None
    angle, dihedrals = cone(atom, number, planar)
    if number == 2 and planar and bond.GetBondType() == Chem.BondType.SINGLE:
        plane = [n for n in bonded_atoms(mol.GetAtomWithIdx(anchor)) if n != centre and placed[n]]
        if atom.GetAtomicNum() == 7 and len(plane) == 2:
            shares = _shares(mol.GetAtomWithIdx(anchor), centre)
            return _shallow_pyramid(pos, centre, anchor, plane, angle, bond_length(atom), shares), []
    if tagged is not None:
        reference, dihedrals = tagged, np.arange(number) * np.pi
    sideways = np.cross(axis, reference)
    around = [np.cos(d) * reference + np.sin(d) * sideways for d in dihedrals]
    directions = np.stack([np.cos(angle) * axis + np.sin(angle) * turn for turn in around], axis=1)
    free = bond.GetBondType() == Chem.BondType.SINGLE
    if asked or (number == 2 and planar) or (number == 1 and not free and not planar):
        return directions, []
    isotopes = len({mol.GetAtomWithIdx(h).GetIsotope() for h in hydrogens}) > 1
    turns = FULL_TURN if number < 3 or isotopes else THIRD_TURN
    if not free:
        turns = HYDROGEN_FLIP
    return directions, [Choice(centre, (anchor,), tuple(hydrogens), turns)]


def _shallow_pyramid(
    pos: np.ndarray,
    centre: int,
    anchor: int,
    plane: list[int],
    angle_rad: float,
    length: float,
    shares: tuple[float, float],
) -> np.ndarray:
    """Directions of the hydrogens of an NH2 on a flat atom (anilines, amides, amidines), (K, 2, 3).

    How far the nitrogen lies out of the plane of the anchor and its neighbours tells how much of a pyramid it is, and
    on which side: in it, it is as flat as it may be.
    shares: of HEIGHT, the least and the most that there may be.
    """
    axis = unit(pos[:, anchor] - pos[:, centre])
    arms = unit(pos[:, plane] - pos[:, [anchor]])
    normal = unit(np.cross(arms[:, 0], arms[:, 1]))
    depth = ((pos[:, centre] - pos[:, anchor]) * normal).sum(axis=1, keepdims=True)
    up = unit(_across(normal, axis))
    share = -np.where(depth < 0, -1.0, 1.0) * np.clip(np.tanh(np.abs(depth) / DEPTH), *shares)  # (K, 1)
    cone_rad = angle_rad - np.radians(NARROWING_DEG) * share**2
    sine = HEIGHT / length * share / np.sin(cone_rad)
    aside = np.sqrt(1.0 - sine**2) * np.cross(axis, up)
    around = np.stack([aside + sine * up, -aside + sine * up], axis=1)
    directions: np.ndarray = np.cos(cone_rad)[..., None] * axis[:, None] + np.sin(cone_rad)[..., None] * around
    return directions


def _shares(anchor: Atom, centre: int) -> tuple[float, float]:
    """How much of a pyramid an NH2 on that atom is at least and at most: none where it shares a positive charge."""
    beside = [n for n in anchor.GetNeighbors() if n.GetIdx() != centre]
    if not anchor.GetIsAromatic():
        return 0.0, 0.0 if any(n.GetAtomicNum() == 7 and n.GetFormalCharge() > 0 for n in beside) else 1.0
    least = LEAST_ON_RING - LESS_BESIDE_NITROGEN * any(n.GetAtomicNum() == 7 for n in beside)
    least -= LESS_BESIDE_OXYGEN * sum(any(map(_has_oxo, n.GetNeighbors())) for n in beside)
    return max(least, 0.0), 1.0


def _has_oxo(atom: Atom) -> bool:
    """Whether it is no part of an aromatic ring and has an =O, as C=O, NO2 and SO2."""
    own = (bond for bond in atom.GetBonds() if bond.GetBondType() == Chem.BondType.DOUBLE)
    return not atom.GetIsAromatic() and any(bond.GetOtherAtom(atom).GetAtomicNum() == 8 for bond in own)


def _reference(mol: Mol, pos: np.ndarray, placed: np.ndarray, centre: int, anchor: int) -> np.ndarray:
    """Unit vectors across the bond centre-anchor that a dihedral of zero points along, (K, 3).

    They point to a neighbour of the anchor; through a cumulene to one of its far end, a quarter turn on for allenes,
    whose two ends are perpendicular.
    """
    axis = unit(pos[:, anchor] - pos[:, centre])
    before, here, double_bonds = centre, anchor, 1
    for _ in range(mol.GetNumAtoms()):
        atom = mol.GetAtomWithIdx(here)
        others = [n for n in bonded_atoms(atom) if n != before and placed[n]]
        if atom.GetHybridization() != LINEAR or len(others) != 1:
            break
        before, here, double_bonds = here, others[0], double_bonds + 1
    if not others:
        return perpendicular(axis)
    across = _across(pos[:, others[0]] - pos[:, here], axis)
    if double_bonds % 2 == 0:
        across = np.cross(axis, across)
    usable = np.linalg.norm(across, axis=1, keepdims=True) > 0.3
    return np.where(usable, unit(across), perpendicular(axis))


def _across(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of (K, 3) vectors at right angles to unit axes."""
    part: np.ndarray = vectors - (vectors * axis).sum(axis=1, keepdims=True) * axis
    return part


def _asked_atoms(bond: Bond, centre: int, hydrogens: list[int]) -> tuple[int, int] | None:
    """The stereo atoms of a tagged double bond, that of `centre` first, if that one is among its hydrogens."""
    atoms = tuple(bond.GetStereoAtoms())
    if bond.GetStereo() not in CISTRANS or len(atoms) != 2:
        return None
    near, far = atoms if bond.GetBeginAtomIdx() == centre else atoms[::-1]
    return (near, far) if near in hydrogens else None


def _asked_side(
    pos: np.ndarray, bond: Bond, centre: int, anchor: int, asked: tuple[int, int], hydrogens: list[int]
) -> np.ndarray:
    """Direction across a tagged double bond on which the first hydrogen belongs, (K, 3)."""
    near, far = asked
    axis = unit(pos[:, anchor] - pos[:, centre])
    across = unit(_across(pos[:, far] - pos[:, anchor], axis))
    return across if (CISTRANS[bond.GetStereo()] == 1) == (hydrogens[0] == near) else -across


def _swap_isotopes(mol: Mol, pos: np.ndarray, tokens: np.ndarray) -> None:
    """Exchange two hydrogens of a tagged centre (CHD, CHDT) in the conformers where its hand is wrong."""
    for atom in mol.GetAtoms():
        neighbours, sign = bonded_atoms(atom), tag_sign(atom)
        hydrogens = [n for n in neighbours if not tokens[n]]
        if sign and len(hydrogens) > 1:
            hand = triple_product(pos[:, neighbours] - pos[:, atom.GetIdx(), None])
            wrong = np.flatnonzero(np.sign(hand) == -sign)[:, None]
            pos[wrong, hydrogens[:2]] = pos[wrong, hydrogens[1::-1]]
