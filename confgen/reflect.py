"""Wrong stereochemistry put right by turning part of a conformer; the network then smooths what that leaves.

A centre gets its other hand if two of its neighbours change places with all that hangs on them. Half a turn of both
about the line between their bonds does that, and changes no bond length and no other element. What turns must not be
tied to the rest by a ring: any two branches of a chain, the two substituents of a ring atom, one ring of a spiro atom.
An atom where rings are fused goes through the plane of three neighbours instead, its substituent with it, which leaves
the rings strained. A double bond gets its other side by turning one end about it. Bridgeheads, and double bonds and
axes in rings, cannot be put right so.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from rdkit.Chem import Mol

from confgen.exchanging import is_bridgehead
from confgen.ideal import unit
from confgen.rotors import turned
from confgen.stereo import FLAT, StereoElements, elements, scores
from confgen.torsions import beyond, torsion_rad


@dataclass(frozen=True)
class Turn:
    """Which atoms turn, and about what, to invert an element.

    ends: two neighbours of a centre, about the line between whose bonds the atoms make half a turn; three neighbours,
          through whose plane they go; or the four atoms of the torsion that they change.
    """

    origin: int
    ends: tuple[int, ...]
    moving: tuple[int, ...]


def reflected(mol: Mol, pos: np.ndarray, names: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Positions (K, N, 3) with the wrong elements of each conformer put right, and where that was possible, (K,) bool.

    names: of the wrong elements, as `stereo.mismatches_at` gives them. A conformer is left as it is if it has none, or
    if one of them cannot be turned or is a centre so flat that it has no hand, or if a position is not a finite number.
    """
    wanted = elements(mol)
    number_of = {name: number for number, name in enumerate(wanted.names)}
    wrong = np.zeros((len(pos), len(wanted.names)), dtype=bool)
    for k, own in enumerate(names):
        wrong[k, [number_of[name] for name in own]] = True
    turns = {int(s): _turn(mol, wanted, int(s)) for s in np.flatnonzero(wrong.any(axis=0))}
    flat = np.abs(scores(wanted, pos)) < FLAT
    flat[:, len(wanted.centres) :] = False
    stuck = flat | np.array([turns.get(s, "right") is None for s in range(len(wanted.names))], dtype=bool)
    done = wrong.any(axis=1) & ~(wrong & stuck).any(axis=1) & np.isfinite(pos).all(axis=(1, 2))
    pos = pos.copy()
    for s, turn in turns.items():
        rows = np.flatnonzero(done & wrong[:, s])
        if turn is not None and len(rows):
            pos[rows] = _applied(pos[rows], turn, wanted, s)
    return pos, done


def _turn(mol: Mol, wanted: StereoElements, number: int) -> Turn | None:
    """How to invert an element by moving as few atoms as can be; None if there is no way."""
    if number >= len(wanted.centres):
        first, begin, end, last = (int(a) for a in wanted.torsions[number - len(wanted.centres)])
        if mol.GetBondBetweenAtoms(begin, end).IsInRing():
            return None
        near, far = beyond(mol, begin, end), beyond(mol, end, begin)
        if len(near) < len(far):
            return Turn(begin, (last, end, begin, first), tuple(sorted(near - {begin})))
        return Turn(end, (first, begin, end, last), tuple(sorted(far - {end})))
    centre = int(wanted.centres[number, 0])
    around = [int(n) for n in wanted.centres[number, 1:] if n != centre]
    branch = {n: beyond(mol, n, centre) for n in around}
    whole: set[int] = set().union(*branch.values())
    options = []
    for pair in itertools.combinations(around, 2):
        both = branch[pair[0]] | branch[pair[1]]
        if not any(n in both for n in around if n not in pair):
            smaller = both if 2 * len(both) <= len(whole) else whole - both
            options.append(Turn(centre, pair, tuple(sorted(smaller))))
    if options:
        return min(options, key=lambda turn: len(turn.moving))
    if is_bridgehead(mol.GetAtomWithIdx(centre)):
        return None
    free = [n for n in around if not any(n in branch[other] for other in around if other != n)]
    tied = tuple(n for n in around if n not in free)
    hanging = {centre}.union(*(branch[n] for n in free))
    return Turn(centre, tied, tuple(sorted(hanging))) if len(tied) == 3 else None


def _applied(pos: np.ndarray, turn: Turn, wanted: StereoElements, number: int) -> np.ndarray:
    """Positions (K, N, 3) with one element inverted."""
    origin, corners, angle_rad = pos[:, turn.origin], pos[:, turn.ends], np.full(len(pos), np.pi)
    if len(turn.ends) == 2:
        axis = unit(unit(corners - origin[:, None]).sum(axis=1))
    elif len(turn.ends) == 3:
        axis = unit(corners[:, 1] - corners[:, 0])
        normal = unit(np.cross(axis, corners[:, 2] - corners[:, 0]))
        origin = origin - ((origin - corners[:, 0]) * normal).sum(axis=1, keepdims=True) * normal
    else:
        axis = unit(corners[:, 2] - corners[:, 1])
        bond = number - len(wanted.centres)
        angle_rad = _missing(corners, bool(wanted.axial[bond]), wanted.sign[bond] > 0)
    arms = pos[:, turn.moving] - origin[:, None]
    pos = pos.copy()
    pos[:, turn.moving] = turned(arms, axis, angle_rad[:, None])[:, 0] + origin[:, None]
    return pos


def _missing(corners: np.ndarray, axial: bool, cis: bool) -> np.ndarray:
    """By how much torsions (K, 4, 3) have to grow, (K,) rad: to 0 or pi, or that of an axis to its opposite."""
    now_rad = torsion_rad(corners)
    missing: np.ndarray = -2 * now_rad if axial else (0.0 if cis else np.pi) - now_rad
    return missing
