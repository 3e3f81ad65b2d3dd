"""Conformers turned about single bonds, until each torsion is as frequent among them as a library of torsions says."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from confgen.rotors import turned as spun
from confgen.scaffold import Core
from confgen.torsions import BINS, TorsionLibrary, Turn, bin_of, histogram, turns

CLASSES = 6  # of 30 degrees, of |torsion|, between which conformers are moved
OWN = 5.0  # bonds that a molecule's own conformers count as, beside those of the library (with 1 recall is worse)
NOTHING = 1e-9  # shares below are none
TOO_NEAR = 1.3  # angstrom between atoms of the two sides, below which a turn is not made


def turned(mol: Chem.Mol, pos: np.ndarray, library: TorsionLibrary, seed: int, core: Core | None = None) -> np.ndarray:
    """Conformers (K, N, 3) angstrom in their order, some of them turned; bond by bond, as few as will do.

    What a bond has more of than it is to have, is turned to what it has too little of: the torsions that distance
    geometry gave together stay together where they can. The bonds of what is turned keep their lengths and angles, and
    atoms may come close, so conformers are to be relaxed.
    core: atoms that stay where they are.
    """
    generator = np.random.default_rng(seed)
    held = set() if core is None else set(core.atoms.tolist())
    pos = pos.copy()
    for found in turns(mol):
        counts, turn = library.of(found), _leaving(found, held, mol.GetNumAtoms())
        if counts is not None and turn is not None and len(pos):
            _turn_some(pos, turn, counts, generator)
    return pos


def _turn_some(pos: np.ndarray, turn: Turn, counts: np.ndarray, generator: np.random.Generator) -> None:
    """Turns one bond of conformers (K, N, 3), in place.

    A conformer leaves its class with the probability that makes the class as frequent as it is to be, for one of those
    that are missing: a maximal coupling, which changes as few as can be. Within a class the library says how far.
    """
    own = histogram(turn, pos)
    wanted = (counts + OWN * own) / (counts.sum() + OWN)
    have, want = (shares.reshape(CLASSES, -1).sum(axis=1) for shares in (own, wanted))
    missing = np.maximum(want - have, 0.0)
    if missing.sum() < NOTHING:
        return
    leaving = np.maximum(have - want, 0.0) / np.maximum(have, NOTHING)
    fine = wanted.reshape(CLASSES, -1) / np.maximum(want, NOTHING)[:, None] * (missing / missing.sum())[:, None]
    torsions = turn.torsions_rad(pos)[0]
    leaves = generator.random(len(pos)) < leaving[bin_of(torsions, CLASSES)]
    for k in np.flatnonzero(leaves):
        goal = (generator.choice(BINS, p=fine.ravel() / fine.sum()) + generator.random()) * np.pi / BINS
        goal = -goal if generator.random() < 0.5 else goal
        changed = rotated(pos[k], turn, goal - torsions[k])
        if not _crowded(changed, turn):
            pos[k] = changed


def _leaving(turn: Turn, held: set[int], atoms: int) -> Turn | None:
    """The turn, by the side that leaves the held atoms where they are; None if both sides have some."""
    held = held - {turn.j, turn.k}
    if held.isdisjoint(turn.moved):
        return turn
    return turn.reversed(atoms) if held.issubset(turn.moved) else None


def rotated(pos: np.ndarray, turn: Turn, angle_rad: float) -> np.ndarray:
    """One conformer (N, 3) with a bond turned, so that its torsion grows by the angle."""
    moved, axis = list(turn.moved), pos[turn.k] - pos[turn.j]
    arms = (pos[moved] - pos[turn.k])[None]
    changed = pos.copy()
    changed[moved] = pos[turn.k] + spun(arms, (axis / np.linalg.norm(axis))[None], np.array([[angle_rad]]))[0, 0]
    return changed


def _crowded(pos: np.ndarray, turn: Turn) -> bool:
    """Whether atoms of the two sides lie on each other, but for those of the bond and their neighbours."""
    moved = np.zeros(len(pos), dtype=bool)
    moved[list(turn.moved)] = True
    apart = np.linalg.norm(pos[moved][:, None] - pos[~moved], axis=-1)
    apart[np.flatnonzero(moved) == turn.k] = np.inf
    apart[:, np.flatnonzero(~moved) == turn.j] = np.inf
    return bool(apart.min() < TOO_NEAR)
