"""Checks of geometry that every conformer must pass: those of PoseBusters' `mol` configuration, and more.

`confgen generate` makes a conformer again if one of them fails, and `confgen check` reports them; strain, which takes
an ensemble of its own, is left to the latter (`confgen.strain`).
"""

from __future__ import annotations

import numpy as np
from rdkit.Chem import Mol

from confgen import shapes
from confgen.complaints import short
from confgen.conformers import positions
from confgen.contacts import LIMITS, Limits, Pairs, atom_pairs, torn
from confgen.cumulenes import allene_flattened
from confgen.errors import CannotStart
from confgen.squashed import squashed
from confgen.stereo import mismatches_all

# Every check, in the order of reports. `finite` fails alone: nothing else can be said of such a conformer.
CHECKS = {
    "finite": "every position is a finite number",
    "connected": "no bond is so long that the molecule comes apart",
    "bond_lengths": "bond lengths lie within the bounds of distance geometry",
    "bond_angles": "1-3 distances lie within the bounds of distance geometry",
    "clash": "atoms farther apart in the graph do not meet",
    "aromatic_flat": "aromatic rings are flat",
    "double_bond_flat": "C=C and its neighbours are flat",
    "ring_pucker": "saturated six-membered rings are not flat",
    "allene": "the ends of an allene stand at right angles",
    "squashed": "no bond is shorter, and no angle of a chain more open, than in any molecule",
    "tetrahedral": "atoms with four neighbours lie amid them",
    "hypervalent": "five or six bonds of an atom keep apart, and lone pairs keep others opposite",
    "ring_cis": "no trans amide, ester or double bond in a small ring, no trans fusion to one of three",
    "stereo": "centres and double bonds are as asked",
}
SHAPES = {
    "aromatic_flat": shapes.aromatic_bent,
    "double_bond_flat": shapes.double_bond_bent,
    "ring_pucker": shapes.ring_flattened,
    "allene": allene_flattened,
    "squashed": squashed,
    "tetrahedral": shapes.centre_flattened,
    "hypervalent": shapes.centre_crowded,
    "ring_cis": shapes.ring_trans,
}
CHUNK = 4_000_000  # distances held in memory at once


def check(mol: Mol, limits: Limits = LIMITS) -> list[list[str]]:
    """Names of the failed checks of every conformer, [] for a valid one, in the order of the molecule's conformers.

    The stereochemistry asked for is that of the molecule's tags. Raises CannotStart for what is no molecule.
    """
    if not isinstance(mol, Mol):
        raise CannotStart(f"what is to be checked is {short(repr(mol))}; give an RDKit molecule with conformers")
    pos = positions(mol)
    finite = np.asarray(np.isfinite(pos).all(axis=(1, 2)))
    sound = np.flatnonzero(finite)
    failed = {name: np.zeros(len(pos), dtype=bool) for name in CHECKS}
    failed["finite"] = ~finite
    failed["connected"][sound] = torn(mol, pos[sound], limits)
    pairs = atom_pairs(mol, limits)
    chunk = max(1, CHUNK // max(1, len(pairs.first)))
    for rows in (sound[start : start + chunk] for start in range(0, len(sound), chunk)):
        for name, wrong in _distances(pos[rows], pairs).items():
            failed[name][rows] = wrong
    for name, is_wrong in SHAPES.items():
        failed[name][sound] = is_wrong(mol, pos[sound])
    failed["stereo"] = finite & np.array([bool(wrong) for wrong in mismatches_all(mol)], dtype=bool)
    return [[name for name, flags in failed.items() if flags[k]] for k in range(len(pos))]


def _distances(pos: np.ndarray, pairs: Pairs) -> dict[str, np.ndarray]:
    """Which conformers have a distance out of its limits, (K,) bool for each check of distances."""
    distance = np.linalg.norm(pos[:, pairs.first] - pos[:, pairs.second], axis=2)
    outside = (distance < pairs.lower) | (distance > pairs.upper)
    return {name: outside[:, kind].any(axis=1) for name, kind in pairs.kinds.items()}
