"""Checks that every conformer must pass: the ones of PoseBusters' `mol` configuration, stereochemistry, and wholeness.

Names, in the order they are reported: finite, connected, bond_lengths, bond_angles, clash, aromatic_flat,
double_bond_flat, stereo. Energies are not checked here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom

from confgen.molecule import fragments, positions
from confgen.stereo import mismatches_all


@dataclass(frozen=True)
class Limits:
    """Thresholds; ratios are to the bounds of RDKit's distance geometry.

    Source: PoseBusters, Buttenschoen et al., Chem. Sci. 2024, 15, 3130 (doi 10.1039/D3SC04185A): bonds, angles (as 1-3
    distances) and planes to 0.25; clash at 0.7 of the lower bound. The rest is ours, as is that hydrogens count too.
    """

    shortest: float = 0.75  # bond or 1-3 distance, of its lower bound
    longest: float = 1.25  # the same, of its upper bound
    clash: float = 0.70  # any other distance, of its lower bound; between fragments, of the sum of vdW radii
    out_of_plane: float = 0.25  # angstrom, farthest atom of an aromatic ring or of the six atoms around a C=C
    hydrogen_bond: float = 1.40  # angstrom, polar hydrogen to N, O, S, P or halogen; DFT references reach 1.5
    ion_clash: float = 0.80  # an ion of one atom to another fragment, of the sum of covalent radii
    broken: float = 1.60  # a bond longer than this times the sum of covalent radii holds nothing together


C_C_DOUBLE_BOND = Chem.MolFromSmarts("[C;X3;^2](*)(*)=[C;X3;^2](*)(*)")  # as in PoseBusters
ACCEPTORS = (7, 8, 9, 15, 16, 17, 34, 35, 53)
CHUNK = 4_000_000  # distances held in memory at once


def check(mol: Mol, limits: Limits = Limits()) -> list[list[str]]:
    """Names of the failed checks of every conformer, [] for a valid one, in the order of the molecule's conformers.

    A conformer with a position that is not finite fails that check only: nothing else can be said of it.
    """
    pos = positions(mol)
    finite = np.asarray(np.isfinite(pos).all(axis=(1, 2)))
    failed = {name: np.zeros(len(pos), dtype=bool) for name in ("connected", "bond_lengths", "bond_angles", "clash")}
    sound = np.flatnonzero(finite)
    pairs = _pairs(mol, limits)
    chunk = max(1, CHUNK // max(1, len(pairs.first)))
    for rows in (sound[start : start + chunk] for start in range(0, len(sound), chunk)):
        distance = np.linalg.norm(pos[rows][:, pairs.first] - pos[rows][:, pairs.second], axis=2)
        outside = (distance < pairs.lower) | (distance > pairs.upper)
        failed["bond_lengths"][rows] = outside[:, pairs.bonded].any(axis=1)
        failed["bond_angles"][rows] = outside[:, pairs.angled].any(axis=1)
        failed["clash"][rows] = outside[:, ~(pairs.bonded | pairs.angled)].any(axis=1)
    failed["connected"][sound] = _broken(mol, pos[sound], limits)
    failed["aromatic_flat"] = _bent(pos, _aromatic_rings(mol), limits)
    failed["double_bond_flat"] = _bent(pos, [list(m) for m in mol.GetSubstructMatches(C_C_DOUBLE_BOND)], limits)
    failed["stereo"] = np.array([bool(wrong) for wrong in mismatches_all(mol)], dtype=bool)
    return [[name for name, flags in failed.items() if flags[k]] if finite[k] else ["finite"] for k in range(len(pos))]


@dataclass(frozen=True)
class _Pairs:
    """Every pair of atoms with the distances it may have (angstrom) and what it is; (pairs,) arrays."""

    first: np.ndarray
    second: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bonded: np.ndarray
    angled: np.ndarray


def _pairs(mol: Mol, limits: Limits) -> _Pairs:
    first, second = np.triu_indices(mol.GetNumAtoms(), k=1)
    hops = Chem.GetDistanceMatrix(mol)[first, second]
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol, forceTransAmides=False) if len(first) else np.zeros((1, 1))
    bonded, angled = hops == 1, hops == 2
    near = bonded | angled
    lower = bounds[second, first] * np.where(near, limits.shortest, limits.clash)
    upper = np.where(near, bounds[first, second] * limits.longest, np.inf)
    fragment = np.zeros(mol.GetNumAtoms(), dtype=int)
    for number, atoms in enumerate(fragments(mol)):
        fragment[atoms] = number
    apart = fragment[first] != fragment[second]
    lower[apart] = _contact_limits(mol, limits)[first[apart], second[apart]]
    bridged = _hydrogen_bonds(mol)[first, second] & (hops > 3)
    lower[bridged] = np.minimum(lower[bridged], limits.hydrogen_bond)
    return _Pairs(first, second, lower, upper, bonded, angled)


def _contact_limits(mol: Mol, limits: Limits) -> np.ndarray:
    """Closest distance between atoms of different fragments, (N, N) angstrom: by vdW radii, closer for ions."""
    table = Chem.GetPeriodicTable()
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    vdw = np.array([table.GetRvdw(z) for z in numbers])
    covalent = np.array([table.GetRcovalent(z) for z in numbers])
    alone = np.array([atom.GetDegree() == 0 for atom in mol.GetAtoms()])
    closest: np.ndarray = limits.clash * (vdw[:, None] + vdw)
    with_ion = alone[:, None] | alone
    closest[with_ion] = limits.ion_clash * (covalent[:, None] + covalent)[with_ion]
    return closest


def _hydrogen_bonds(mol: Mol) -> np.ndarray:
    """Pairs that could be the two ends of a hydrogen bond, (N, N) bool: vdW radii forbid what is real there."""
    acceptor = np.array([atom.GetAtomicNum() in ACCEPTORS for atom in mol.GetAtoms()], dtype=bool)
    polar = np.array([any(acceptor[n.GetIdx()] for n in atom.GetNeighbors()) for atom in mol.GetAtoms()], dtype=bool)
    polar &= np.array([atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()], dtype=bool)
    bridged: np.ndarray = (polar[:, None] & acceptor) | (acceptor[:, None] & polar)
    return bridged


def _broken(mol: Mol, pos: np.ndarray, limits: Limits) -> np.ndarray:
    """Whether the bonds short enough to hold leave some fragment in pieces, (K,) bool."""
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], dtype=int).reshape(-1, 2)
    table = Chem.GetPeriodicTable()
    covalent = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    length = np.linalg.norm(pos[:, bonds[:, 0]] - pos[:, bonds[:, 1]], axis=2)
    holds = length <= limits.broken * covalent[bonds].sum(axis=1)
    whole = len(fragments(mol))
    broken = np.zeros(len(pos), dtype=bool)
    for k in np.flatnonzero(~holds.all(axis=1)):
        torn = Chem.RWMol(mol)
        for begin, end in bonds[~holds[k]].tolist():
            torn.RemoveBond(begin, end)
        broken[k] = len(Chem.GetMolFrags(torn)) > whole
    return broken


def _aromatic_rings(mol: Mol) -> list[list[int]]:
    """Five- and six-membered aromatic rings of sp2 atoms, as in PoseBusters: cyclophosphazenes are not flat."""
    flat = [a.GetIsAromatic() and a.GetHybridization() == Chem.HybridizationType.SP2 for a in mol.GetAtoms()]
    rings = [list(ring) for ring in mol.GetRingInfo().AtomRings()]
    return [ring for ring in rings if len(ring) in (5, 6) and all(flat[i] for i in ring)]


def _bent(pos: np.ndarray, groups: list[list[int]], limits: Limits) -> np.ndarray:
    """Whether an atom of some group lies too far from the plane through that group, (K,) bool."""
    bent = np.zeros(len(pos), dtype=bool)
    finite = np.nan_to_num(pos, nan=0.0, posinf=0.0, neginf=0.0)
    for size in {len(group) for group in groups}:
        members = finite[:, [group for group in groups if len(group) == size]]  # (K, groups, size, 3)
        centred = members - members.mean(axis=2, keepdims=True)
        _, axes = np.linalg.eigh(np.einsum("kgax,kgay->kgxy", centred, centred))
        height = np.einsum("kgax,kgx->kga", centred, axes[..., 0])  # along the direction of least extent
        bent |= (np.abs(height) > limits.out_of_plane).any(axis=(1, 2))
    return bent
