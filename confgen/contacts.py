"""Distances between atoms: what RDKit's distance geometry and the radii of the elements allow, and what holds together.

Distances are in angstrom throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom

from confgen import hypervalent
from confgen.conformers import fragments

ACCEPTORS = (7, 8, 9, 15, 16, 17, 34, 35, 53)
FAR = 4  # bonds between atoms from which RDKit's bounds may be of a torsion that a ring does not have (lactones of 7)


@dataclass(frozen=True)
class Limits:
    """Thresholds; ratios are to the bounds of RDKit's distance geometry.

    Source: PoseBusters, Buttenschoen et al., Chem. Sci. 2024, 15, 3130 (doi 10.1039/D3SC04185A): bonds and angles (as
    1-3 distances) to 0.25; clash at 0.7 of the lower bound. The rest is ours, as is that hydrogens count too.
    """

    shortest: float = 0.75  # bond or 1-3 distance, of its lower bound
    longest: float = 1.25  # the same, of its upper bound
    clash: float = 0.70  # any other distance, of its lower bound; between fragments, of the sum of vdW radii
    hydrogen_bond: float = 1.40  # polar hydrogen to N, O, S, P or halogen; DFT references reach 1.5
    ion_clash: float = 0.80  # an ion of one atom to another fragment, of the sum of covalent radii
    broken: float = 1.60  # a bond longer than this times the sum of covalent radii holds nothing together
    hydrogens: bool = True  # PoseBusters looks at heavy atoms only


LIMITS = Limits()


@dataclass(frozen=True)
class Pairs:
    """Every pair of atoms with the distances it may have and what it is; (pairs,) arrays."""

    first: np.ndarray
    second: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bonded: np.ndarray
    angled: np.ndarray

    @property
    def kinds(self) -> dict[str, np.ndarray]:
        """Which of the pairs each check of distances looks at, (pairs,) bool."""
        return {"bond_lengths": self.bonded, "bond_angles": self.angled, "clash": ~(self.bonded | self.angled)}


def atom_pairs(mol: Mol, limits: Limits) -> Pairs:
    """The pairs of atoms that count, with the limits of each."""
    first, second = np.triu_indices(mol.GetNumAtoms(), k=1)
    if not limits.hydrogens:
        heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()], dtype=bool)
        kept = heavy[first] & heavy[second]
        first, second = first[kept], second[kept]
    hops = Chem.GetDistanceMatrix(mol)[first, second]
    bounds = _bounds(mol) if len(first) else np.zeros((1, 1))
    bonded, angled = hops == 1, hops == 2
    near = bonded | angled
    lower = bounds[second, first] * np.where(near, limits.shortest, limits.clash)
    upper = np.where(near, bounds[first, second] * limits.longest, np.inf)
    contact = _contact_limits(mol, limits)[first, second]
    far = hops >= FAR
    lower[far] = np.minimum(lower, contact)[far]
    fragment = np.zeros(mol.GetNumAtoms(), dtype=int)
    for number, atoms in enumerate(fragments(mol)):
        fragment[atoms] = number
    apart = fragment[first] != fragment[second]
    lower[apart] = contact[apart]
    bridged = _hydrogen_bonds(mol)[first, second] & (hops > 3)
    lower[bridged] = np.minimum(lower[bridged], limits.hydrogen_bond)
    return Pairs(first, second, lower, upper, bonded, angled)


def _bounds(mol: Mol) -> np.ndarray:
    """RDKit's bounds, (N, N), lower ones below the diagonal, wide enough for the shapes that it does not know."""
    bounds = np.array(rdDistGeom.GetMoleculeBoundsMatrix(mol, forceTransAmides=False))
    shaped = hypervalent.centres(mol)
    if not shaped:
        return bounds
    others = hypervalent.bounds(mol, shaped, anyhow=True)
    wider: np.ndarray = np.tril(np.minimum(bounds, others)) + np.triu(np.maximum(bounds, others))
    return wider


def torn(mol: Mol, pos: np.ndarray, limits: Limits) -> np.ndarray:
    """Whether the bonds short enough to hold leave some fragment in pieces, (K,) bool; pos: (K, N, 3)."""
    kept = [b for b in mol.GetBonds() if limits.hydrogens or 1 not in _numbers(b)]
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in kept], dtype=int).reshape(-1, 2)
    table = Chem.GetPeriodicTable()
    covalent = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    length = np.linalg.norm(pos[:, bonds[:, 0]] - pos[:, bonds[:, 1]], axis=2)
    holds = length <= limits.broken * covalent[bonds].sum(axis=1)
    whole, bare = len(fragments(mol)), Chem.Mol(mol, True)  # without conformers, to be copied
    broken = np.zeros(len(pos), dtype=bool)
    for k in np.flatnonzero(~holds.all(axis=1)):
        left = Chem.RWMol(bare)
        for begin, end in bonds[~holds[k]].tolist():
            left.RemoveBond(begin, end)
        broken[k] = len(Chem.GetMolFrags(left)) > whole
    return broken


def _numbers(bond: Chem.Bond) -> tuple[int, int]:
    return bond.GetBeginAtom().GetAtomicNum(), bond.GetEndAtom().GetAtomicNum()


def _contact_limits(mol: Mol, limits: Limits) -> np.ndarray:
    """Closest distance between atoms that nothing holds together, (N, N): by vdW radii, closer for ions."""
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
