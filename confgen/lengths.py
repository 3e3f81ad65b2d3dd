"""Bonds of elements and groups that training has hardly shown, brought to the lengths that they have in molecules.

Boron, silicon and the oxygens of sulfonates, say, whose bonds the network leaves 0.05 to 0.1 angstrom off, and their
force field (UFF for boron) no nearer.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol
from scipy.optimize import minimize

from confgen.hypervalent import least_lengths

# Between the first two atoms of a pattern, angstrom; of several that match, the last counts. Source: Allen et al., J.
# Chem. Soc. Perkin Trans. 2 1987, S1 (means of crystal structures); of B-B and B-N the electron diffraction of
# B2(OMe)4 and borazine.
STANDARD = {
    "[#5X3]~[#6]": 1.56, "[#5X3]~[#7]": 1.43, "[#5X3]~[#8]": 1.37, "[#5X3]~F": 1.31, "[#5X3]~Cl": 1.75,
    "[#5X3]~[#5X3]": 1.70, "[#5X4]~[#6]": 1.61, "[#5X4]~[#7]": 1.55, "[#5X4]~[#8]": 1.46, "[#5X4]~F": 1.39,
    "[SiX4]-[#6]": 1.87, "[SiX4]-[#7]": 1.74, "[SiX4]-[#8]": 1.64, "[SiX4]-F": 1.60, "[SiX4]-Cl": 2.06,
    "[SiX4]-[SiX4]": 2.36, "[SeX2]-[SeX2]": 2.33,
    "[$([SX4]([O-])(=O)=O)]~[OX1]": 1.46, "[$([SX3]([O-])=O)]~[OX1]": 1.50,
    "[$([PX4](=O)([#6])([#6])[#6])]=O": 1.49, "[$([PX4](=O)[O-])]~[OX1]": 1.51,
    "[$([NX3+](=O)[O-])]~[OX1]": 1.23, "[$([CX3](=O)[O-])]~[OX1]": 1.26,
    # Of cations that share their charge among nitrogens: means of DFT.
    "[$([CX3;!a](~[NX3;!$(N[C,S]=O)])(~[NX3;!$(N[C,S]=O)])=[NX3+])]~[NX3]": 1.34,
    "[$([CX3;!a]([#6,#1])(~[NX3;!$(N[C,S]=O)])=[NX3+])]~[NX3]": 1.33,
    "[OX2]-[OX2]": 1.46, "[NX3;+0]-[OX2]": 1.44, "[$([NX3;+0][#6]=[O,S,N])]-[OX2]": 1.40, "[SX2]-[SX2]": 2.05,
    "[SX6]-F": 1.58, "[SX6]-[#6]": 1.80, "[PX6]-F": 1.60, "[$([SX4](=O)=O)]-F": 1.56,
    "[PX4]=[CX3]": 1.71, "[PX4]=[NX2]": 1.58, "[PX4+]-[#6]": 1.80, "[NX2]=[$([CX2]=O)]": 1.21,
    "[NX2]=[SX2]=[N,O]": 1.52, "O=[SX2]=N": 1.46, "O=[SX2]=O": 1.43, "[NX3;+0]-[OX1;v1;+0]": 1.28,
    "[c;!r5;!r6;!r7]:[c;r5]": 1.39,  # of porphyrins, which MMFF94s makes alternate
}  # fmt: skip
NEAR = 0.02  # angstrom, within which a length stays
# Weights of the squares of what is off, angstrom: lengths of bonds count most, those across an angle keep the angle,
# and atoms stay where they are where nothing moves them.
OF_ANGLE, OF_PLACE = 0.3, 0.002


def corrected(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) angstrom with these bonds at their lengths, and angles and all other bonds as they are."""
    standard, least = _standard_lengths(mol), least_lengths(mol)
    if not standard and not least:
        return pos
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    at = np.array(bonds)
    known = np.linalg.norm(pos[:, at[:, 0]] - pos[:, at[:, 1]], axis=-1)  # (K, bonds)
    fixed = np.array([standard.get(frozenset(ends), np.nan) for ends in bonds])
    wanted = np.where(np.isnan(fixed) | (np.abs(known - fixed) < NEAR), known, fixed)
    wanted = np.maximum(wanted, [least.get(frozenset(ends), 0.0) for ends in bonds])
    changed = np.flatnonzero((wanted != known).any(axis=1))
    if not len(changed):
        return pos
    pos, angles = pos.copy(), _angles(mol, bonds)
    for k in changed:
        pos[k] = _fitted(pos[k], at, known[k], wanted[k], angles)
    return pos


def _standard_lengths(mol: Mol) -> dict[frozenset[int], float]:
    """Those of STANDARD, by the two atoms."""
    return {
        frozenset(match[:2]): length
        for pattern, length in _patterns()
        for match in mol.GetSubstructMatches(pattern, uniquify=False)
    }


@cache
def _patterns() -> list[tuple[Mol, float]]:
    return [(Chem.MolFromSmarts(pattern), length) for pattern, length in STANDARD.items()]


def _angles(mol: Mol, bonds: list[tuple[int, int]]) -> np.ndarray:
    """The bonds on both sides of every angle, by their numbers, and the atoms at its ends, (angles, 4)."""
    number = {frozenset(ends): k for k, ends in enumerate(bonds)}
    found = []
    for atom in mol.GetAtoms():
        own = atom.GetIdx()
        for one, other in itertools.combinations([n.GetIdx() for n in atom.GetNeighbors()], 2):
            found.append((number[frozenset((own, one))], number[frozenset((own, other))], one, other))
    return np.array(found, dtype=int).reshape(-1, 4)


def _fitted(
    pos: np.ndarray, bonds: np.ndarray, known: np.ndarray, wanted: np.ndarray, angles: np.ndarray
) -> np.ndarray:
    """One conformer (N, 3) with bonds of the lengths that are wanted, by least squares."""
    first, second, one, other = angles.T
    across = np.linalg.norm(pos[one] - pos[other], axis=-1)
    cosine = (known[first] ** 2 + known[second] ** 2 - across**2) / (2 * known[first] * known[second])
    square = wanted[first] ** 2 + wanted[second] ** 2 - 2 * wanted[first] * wanted[second] * cosine
    at = np.concatenate((bonds, angles[:, 2:]))
    target = np.concatenate((wanted, np.sqrt(np.maximum(square, 0.0))))
    weight = np.concatenate((np.ones(len(bonds)), np.full(len(angles), OF_ANGLE)))

    def off(flat: np.ndarray) -> tuple[float, np.ndarray]:
        moved = flat.reshape(-1, 3)
        spokes = moved[at[:, 0]] - moved[at[:, 1]]
        lengths = np.maximum(np.linalg.norm(spokes, axis=-1), 1e-9)
        error, shift = lengths - target, moved - pos
        pull = (2 * weight * error / lengths)[:, None] * spokes
        gradient = 2 * OF_PLACE * shift
        np.add.at(gradient, at[:, 0], pull)
        np.add.at(gradient, at[:, 1], -pull)
        return float(weight @ error**2 + OF_PLACE * (shift**2).sum()), gradient.ravel()

    found = minimize(off, pos.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    fitted: np.ndarray = found.x.reshape(-1, 3)
    return fitted
