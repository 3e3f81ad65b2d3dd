"""Angles at elements that training has hardly shown, opened or closed to what they have in molecules.

At a heavier element of the p block they are near right angles (selenides, stibanes, iodonium ions), between silicon and
oxygen they are wide; the network gives such atoms the angles of carbon.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.hypervalent import branches, turn_branches

# Degrees between all neighbours of the first atom of a pattern, which are the atoms that follow; of several that match,
# the last counts. Sources: electron diffraction of disiloxane (144), hexamethyldisiloxane (148), Me2Se (96), Me2Te (94)
# and the trimethyls of As (96), Sb (94) and Bi (97); crystals of diphenyl selenide (100), telluride (101), triphenyls
# of As (100), Sb (97) and Bi (94), and diaryliodonium salts (90 to 98); of silyl ethers GFN2-xTB.
STANDARD = {
    "[OX2]([SiX4])[SiX4]": 146.0, "[OX2]([SiX4])[CX4]": 124.0, "[OX2]([SiX4])c": 127.0,
    "[SeX2]([#6])[#6]": 98.0, "[TeX2]([#6])[#6]": 95.0, "[IX2+]([#6])[#6]": 95.0,
    "[AsX3]([#6])([#6])[#6]": 98.0, "[SbX3]([#6])([#6])[#6]": 96.0, "[BiX3]([#6])([#6])[#6]": 94.0,
}  # fmt: skip
NEAR_DEG = 4.0  # within which an angle stays
EPS = 1e-9


def bent(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) angstrom with these angles, what hangs on their ends along; those in rings stay."""
    pos = pos.copy()
    for (atom, *neighbours), angle_deg in _standard_angles(mol).items():
        parts = branches(mol, atom, neighbours)
        if len(parts) < len(neighbours):
            continue
        spokes = pos[:, neighbours] - pos[:, [atom]]
        spokes /= np.maximum(np.linalg.norm(spokes, axis=-1, keepdims=True), EPS)
        cosines = [(spokes[:, i] * spokes[:, j]).sum(-1) for i in range(len(neighbours)) for j in range(i)]
        off = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))) - angle_deg
        wrong = np.flatnonzero((np.abs(off) > NEAR_DEG).any(axis=0))
        pos[wrong] = turn_branches(pos[wrong], atom, parts, spokes[wrong], _on_cone(spokes[wrong], angle_deg))
    return pos


def _on_cone(spokes: np.ndarray, angle_deg: float) -> np.ndarray:
    """Unit vectors (K, 2 or 3, 3) turned towards their mean or away from it, so that any two have that angle."""
    number = spokes.shape[1]
    axis = spokes.sum(axis=1, keepdims=True)
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), EPS)
    aside = spokes - (spokes * axis).sum(-1, keepdims=True) * axis
    aside = aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), EPS)
    # Chord between two of n places evenly around a circle of that radius on the unit sphere.
    sine = np.sin(np.radians(angle_deg) / 2) / np.sin(np.pi / number)
    placed: np.ndarray = np.sqrt(1.0 - sine**2) * axis + sine * aside
    return placed


def _standard_angles(mol: Mol) -> dict[tuple[int, ...], float]:
    """Those of STANDARD, by the atom and its neighbours."""
    found = {}
    for pattern, angle_deg in _patterns():
        for atom, *neighbours in mol.GetSubstructMatches(pattern):
            found[atom, *sorted(neighbours)] = angle_deg
    return found


@cache
def _patterns() -> list[tuple[Mol, float]]:
    return [(Chem.MolFromSmarts(pattern), angle_deg) for pattern, angle_deg in STANDARD.items()]
