"""Ideal lengths, angles and directions of hydrogens around one atom, for all conformers at once."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom

# Lengths X-H and angles Y-X-H: round figures; for C, N and O within 0.01 A and 3 degrees of the medians of B3LYP-D3BJ
# geometries of drug-like molecules (OpenFF Industry Benchmark), N-H of cations excepted (0.01 longer).
LENGTHS = {1: 0.74, 5: 1.20, 6: 1.095, 7: 1.016, 8: 0.970, 9: 0.92, 14: 1.48, 15: 1.42, 16: 1.35, 33: 1.52, 34: 1.47}
CARBON_LENGTHS = {Chem.HybridizationType.SP: 1.068, Chem.HybridizationType.SP2: 1.087}
OTHER_LENGTH = 0.35  # added to the covalent radius of an element without an entry, such as a metal
BENT_ANGLES_DEG = {6: 105.0, 7: 110.0, 8: 107.5}  # Y-X-H of a centre with two neighbours
PYRAMIDAL_ANGLES_DEG = {6: 109.5, 7: 110.0, 8: 110.0}  # Y-X-H of a centre with three
HEAVY_ANGLE_DEG = 96.0  # both of these from the third row on (S, P, Se): bonds nearly along p orbitals
METHYL_ANGLE_DEG = 110.3
METHYLENE_ANGLE_DEG = 107.0  # H-C-H
SULFONAMIDE_ANGLE_DEG = 111.0
EPS = 1e-9

PLANAR = Chem.HybridizationType.SP2


def bonded_atoms(atom: Atom) -> list[int]:
    """Indices in the order of the atom's bonds, the order chiral tags refer to."""
    return [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]


def is_flat(atom: Atom) -> bool:
    """Whether three bonds lie in a plane.

    NH on O, S or P is a pyramid even where RDKit sees conjugation (aryl); but not on S or P if it is acyl too: median
    sums of its angles are 356 to 360 degrees there in OpenFF's geometries, and 342 to 345 without, and on O.
    """
    if atom.GetHybridization() != PLANAR:
        return False
    if atom.GetAtomicNum() != 7 or atom.GetIsAromatic():
        return True
    around = {n.GetAtomicNum() for n in atom.GetNeighbors()}
    return 8 not in around and (not around & {15, 16} or any(_is_acyl(n) for n in atom.GetNeighbors()))


def _is_acyl(atom: Atom) -> bool:
    double = Chem.BondType.DOUBLE
    return atom.GetAtomicNum() == 6 and any(
        bond.GetBondType() == double and bond.GetOtherAtom(atom).GetAtomicNum() in (8, 16) for bond in atom.GetBonds()
    )


def bond_length(atom: Atom) -> float:
    z = atom.GetAtomicNum()
    if z == 6 and atom.GetHybridization() in CARBON_LENGTHS:
        return CARBON_LENGTHS[atom.GetHybridization()]
    return LENGTHS.get(z) or float(Chem.GetPeriodicTable().GetRcovalent(z)) + OTHER_LENGTH


def methine(atom: Atom, units: np.ndarray) -> np.ndarray:
    """At one angle to three neighbours and away from them, (K, 3); where they are flat, on the side of the chiral tag.

    So at right angles to the plane of the ends of their unit vectors: in OpenFF's geometries that is 0.03 A from the
    hydrogen where their angles differ much, the opposite of the vectors' sum 0.18 A.
    """
    normal = unit(np.cross(units[:, 1] - units[:, 0], units[:, 2] - units[:, 0]))
    height = (normal * units.mean(axis=1)).sum(axis=1)
    side = np.where(height > 0, -1.0, 1.0)
    flat = np.abs(height) < 0.1  # 0.33 in a tetrahedron
    sign = tag_sign(atom)
    if sign and flat.any():
        trial = np.insert(units, [_hydrogen_slot(atom)], normal[:, None], axis=1)
        side = np.where(flat, sign * np.sign(triple_product(trial)), side)
    away: np.ndarray = side[:, None] * normal
    return away


def _hydrogen_slot(atom: Atom) -> int:
    """Where the only hydrogen stands among the atom's neighbours."""
    return [n.GetAtomicNum() == 1 for n in atom.GetNeighbors()].index(True)


def methylene(units: np.ndarray) -> np.ndarray:
    """Two directions in the plane between two neighbours, (K, 2, 3)."""
    half = np.radians(METHYLENE_ANGLE_DEG) / 2
    middle, normal = _middle_and_normal(units)
    return np.stack([np.cos(half) * middle + side * np.sin(half) * normal for side in (1.0, -1.0)], axis=1)


def tilted(atom: Atom, units: np.ndarray) -> np.ndarray:
    """To one side of the plane of two neighbours (amine NH, P-H), (K, 3); the side a chiral tag asks for, if any."""
    middle, normal = _middle_and_normal(units)
    opening = np.clip((middle * units[:, 0]).sum(axis=1), -1.0, -0.1)
    cosine = np.clip(np.cos(_pyramidal_angle(atom)) / opening, 0.0, 1.0)[:, None]
    up, down = (cosine * middle + side * np.sqrt(1.0 - cosine**2) * normal for side in (1.0, -1.0))
    trial = np.insert(units, [_hydrogen_slot(atom)], up[:, None], axis=1)
    chosen: np.ndarray = np.where((triple_product(trial) * tag_sign(atom) >= 0)[:, None], up, down)
    return chosen


def _middle_and_normal(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction away from two neighbours and the normal of their plane, (K, 3) each, also when in line."""
    middle = unit(-units.sum(axis=1))
    in_line = (np.abs(middle).sum(axis=1) < 0.5)[:, None]
    middle = np.where(in_line, perpendicular(units[:, 0]), middle)
    return middle, unit(np.cross(middle, units[:, 0]))


def _pyramidal_angle(atom: Atom) -> float:
    """Y-X-H of a three-coordinate pyramid, rad."""
    z = atom.GetAtomicNum()
    if z == 7 and any(n.GetAtomicNum() in (15, 16) for n in atom.GetNeighbors()):
        return float(np.radians(SULFONAMIDE_ANGLE_DEG))
    return float(np.radians(PYRAMIDAL_ANGLES_DEG.get(z, HEAVY_ANGLE_DEG)))


def cone(atom: Atom, number: int, planar: bool) -> tuple[float, np.ndarray]:
    """Angle Y-X-H (rad) and dihedrals of hydrogens around one bond, the first one anti to the reference."""
    z = atom.GetAtomicNum()
    if number == 3:
        return float(np.radians(METHYL_ANGLE_DEG)), np.pi + np.array([0.0, 2.0, 4.0]) * np.pi / 3
    if number == 2 and planar:
        return float(np.radians(121.0 if z == 6 else 118.0)), np.array([np.pi, 0.0])
    if number == 2:
        angle = _pyramidal_angle(atom)
        between = np.cos(angle - np.radians(3.0))  # H-X-H is a little tighter than Y-X-H
        spread = np.arccos(np.clip((between - np.cos(angle) ** 2) / np.sin(angle) ** 2, -1.0, 1.0))
        return angle, np.pi + np.array([-0.5, 0.5]) * float(spread)
    return float(np.radians(BENT_ANGLES_DEG.get(z, HEAVY_ANGLE_DEG))), np.array([np.pi])


def roomiest(units: np.ndarray, number: int) -> np.ndarray:
    """Directions far from all neighbours and each other, (K, number, 3), for centres without an ideal shape here."""
    golden = np.arange(200) + 0.5
    z, turn = 1.0 - golden / 100.0, np.pi * (1.0 + 5.0**0.5) * golden
    sphere = np.stack([np.sqrt(1.0 - z**2) * np.cos(turn), np.sqrt(1.0 - z**2) * np.sin(turn), z], axis=1)
    taken = units
    for _ in range(number):
        closest = np.einsum("kmx,sx->ksm", taken, sphere).max(axis=2, initial=-1.0)
        taken = np.concatenate([taken, sphere[closest.argmin(axis=1)][:, None]], axis=1)
    return taken[:, units.shape[1] :]


def tag_sign(atom: Atom) -> float:
    """Sign of the neighbours' `triple_product` that the chiral tag asks for; 0 without a tag."""
    signs = {Chem.ChiralType.CHI_TETRAHEDRAL_CCW: 1.0, Chem.ChiralType.CHI_TETRAHEDRAL_CW: -1.0}
    return signs.get(atom.GetChiralTag(), 0.0)


def triple_product(vectors: np.ndarray) -> np.ndarray:
    """Signed volume spanned by three vectors (K, 3, 3), or by three corners seen from the fourth (K, 4, 3); (K,).

    Of the neighbours of a centre both have the same sign, but only the second keeps it when three of them are flat.
    """
    first, second, third = (vectors[:, i] - (vectors[:, 3] if vectors.shape[1] > 3 else 0.0) for i in range(3))
    product: np.ndarray = (np.cross(first, second) * third).sum(axis=1)
    return product


def unit(vectors: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(norm, EPS)
    return scaled


def perpendicular(axis: np.ndarray) -> np.ndarray:
    """Some unit vector across each of (K, 3) unit vectors."""
    helper = np.where(np.abs(axis[:, :1]) < 0.7, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    return unit(np.cross(axis, helper))


def least_rotations(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The least rotations (K, 3, 3) that bring unit vectors (K, 3) to others.

    Two reflections, the first of the old one to its opposite, the second at right angles to the middle of both.
    """
    middle = old + new
    length = np.linalg.norm(middle, axis=-1, keepdims=True)
    middle = np.where(length > 1e-6, middle, perpendicular(old))
    middle = middle / np.maximum(np.linalg.norm(middle, axis=-1, keepdims=True), 1e-9)
    one = np.eye(3)
    turns: np.ndarray = (one - 2 * middle[:, :, None] * middle[:, None]) @ (one - 2 * old[:, :, None] * old[:, None])
    return turns
