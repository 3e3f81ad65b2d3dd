"""Terminal rotors of hydrogens turned to where the force field likes them, heavy atoms fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdForceFieldHelpers

from confgen.ideal import unit

COULOMB_KCAL_MOL = 332.0716  # kcal A / (mol e^2), with the 0.05 A buffer of MMFF94 (Halgren 1996)
CHARGE_BUFFER = 0.05
SCALE_14 = 0.75
SWEEPS = 3  # first alone with the heavy atoms, then twice among each other
BLOCK = 256  # conformers at once, for memory
# Half the curvature of the energy that bends a flat NH out of its plane, besides the torsions about its bonds. Of 1, 2,
# 4, 8 and 16 the best for 80 molecules of OpenFF's (amide NH 0.100, 0.104, 0.115, 0.136, 0.169 A from B3LYP-D3BJ).
WAGGING_KCAL_MOL_RAD2 = 1.0
GENERIC_WELL_KCAL_MOL = 0.05
GENERIC_BARRIER_KCAL_MOL = 1.5
GENERIC_CHARGE = 0.35
FLAT_BARRIERS_KCAL_MOL = {7: 12.0, 8: 5.0}  # of amides and of acids and phenols, by the element that has the hydrogens
SYN_KCAL_MOL = 3.0  # by which an acid's hydrogen is better beside its =O, and an oxime's on the other side from its =C
BORON_BARRIER_KCAL_MOL = 9.0  # of OH in CB(OH)2, turned while all else stays; 9 to 10 by GFN2-xTB


@dataclass(frozen=True)
class Choice:
    """Hydrogens of one centre whose geometry leaves something open.

    One anchor: they turn about the bond anchor-centre by one of `turns_rad`. Two anchors: the hydrogen may be
    mirrored through the plane of the centre and its anchors, and `turns_rad` has two entries that say nothing; or, if
    it `wags`, it is bent out of that plane by one of `turns_rad`.
    """

    centre: int
    anchors: tuple[int, ...]
    hydrogens: tuple[int, ...]
    turns_rad: np.ndarray
    wags: bool = False

    def axis(self, pos: np.ndarray) -> np.ndarray:
        """Unit vectors (K, 3) that the hydrogens turn about."""
        end = self.anchors[1] if self.wags else self.centre
        axis: np.ndarray = unit(pos[:, end] - pos[:, self.anchors[0]])
        return axis

    def flat(self, pos: np.ndarray) -> np.ndarray:
        """Where a hydrogen that wags is in the plane of its anchors, (K, 1, 3)."""
        origin = pos[:, self.centre]
        length = np.linalg.norm(pos[:, self.hydrogens[0]] - origin, axis=1, keepdims=True)
        away = -unit(unit(pos[:, self.anchors] - origin[:, None]).sum(axis=1))
        placed: np.ndarray = (origin + length * away)[:, None]
        return placed

    def candidates(self, pos: np.ndarray) -> np.ndarray:
        """Positions of the hydrogens for every turn, (K, A, h, 3); the first is where they are."""
        origin = pos[:, self.centre]
        arms = pos[:, self.hydrogens] - origin[:, None]
        if len(self.anchors) == 2 and not self.wags:
            normal = unit(np.cross(pos[:, self.anchors[0]] - origin, pos[:, self.anchors[1]] - origin))
            depth = np.einsum("khx,kx->kh", arms, normal)[..., None]
            trial = np.stack([arms, arms - 2.0 * depth * normal[:, None]], axis=1)
        else:
            trial = turned(arms, self.axis(pos), np.broadcast_to(self.turns_rad, (len(pos), len(self.turns_rad))))
        trial += origin[:, None, None]
        return trial


def turned(arms: np.ndarray, axis: np.ndarray, turns_rad: np.ndarray) -> np.ndarray:
    """Vectors (K, h, 3) turned about unit axes (K, 3) by angles (K, A), (K, A, h, 3) (Rodrigues)."""
    along = np.einsum("khx,kx->kh", arms, axis)[..., None] * axis[:, None]
    across, sideways = arms - along, np.cross(axis[:, None], arms)
    cosine, sine = np.cos(turns_rad)[..., None, None], np.sin(turns_rad)[..., None, None]
    rotated: np.ndarray = along[:, None] + cosine * across[:, None] + sine * sideways[:, None]
    return rotated


@dataclass(frozen=True)
class Terms:
    """Pair and torsion parameters of one molecule; (N, N) arrays except `torsions`."""

    radius: np.ndarray  # R* of the buffered 14-7 potential
    well_kcal_mol: np.ndarray
    charge_product: np.ndarray  # kcal A / mol, with the 1-4 scale applied, zero for excluded pairs
    torsions: dict[tuple[int, int, int, int], tuple[float, float, float]]


def settle(mol: Mol, pos: np.ndarray, choices: list[Choice]) -> None:
    """Turn every choice, in place in `pos` (K, N, 3), to its lowest energy among the others, one after another."""
    if not choices or not len(pos):
        return
    terms = _terms(mol, choices)
    for start in range(0, len(pos), BLOCK):
        _settle_block(pos[start : start + BLOCK], choices, terms)


def _settle_block(pos: np.ndarray, choices: list[Choice], terms: Terms) -> None:
    present = np.ones(pos.shape[1], dtype=bool)
    for choice in choices:
        present[list(choice.hydrogens)] = False
    for _ in range(SWEEPS):
        for choice in choices:
            present[list(choice.hydrogens)] = True
            _settle_one(pos, choice, terms, present)


def _settle_one(pos: np.ndarray, choice: Choice, terms: Terms, present: np.ndarray) -> None:
    if choice.wags:  # from the plane, whatever an earlier sweep made of it
        pos[:, choice.hydrogens] = choice.flat(pos)
    trial = choice.candidates(pos)
    energy = _torsion_energy(pos, choice, terms, trial)
    if choice.wags:
        energy += WAGGING_KCAL_MOL_RAD2 * choice.turns_rad**2
    for slot, hydrogen in enumerate(choice.hydrogens):
        others = np.flatnonzero(present & (terms.well_kcal_mol[hydrogen] > 0))
        energy += _pair_energy(trial[:, :, slot], pos[:, others], terms, hydrogen, others)
    best = energy.argmin(axis=1)
    rows = np.arange(len(pos))
    pos[:, choice.hydrogens] = trial[rows, best]
    if len(choice.turns_rad) > 2:
        _refine(pos, choice, energy, best)


def _refine(pos: np.ndarray, choice: Choice, energy: np.ndarray, best: np.ndarray) -> None:
    """Turn on to the bottom of the parabola through the best angle and its two neighbours on the periodic grid."""
    rows, number = np.arange(len(pos)), energy.shape[1]
    if choice.wags:  # no period: at an end of the range it stays there
        rows, best = rows[(best > 0) & (best < number - 1)], best[(best > 0) & (best < number - 1)]
    before, here, after = (energy[rows, (best + shift) % number] for shift in (-1, 0, 1))
    curvature = before - 2.0 * here + after
    shift = np.where(curvature > 1e-9, 0.5 * (before - after) / np.maximum(curvature, 1e-9), 0.0)
    step = choice.turns_rad[1] - choice.turns_rad[0]
    own = pos[rows]
    origin = own[:, choice.centre]
    arms = own[:, choice.hydrogens] - origin[:, None]
    turned_arms = turned(arms, choice.axis(own), (shift * step)[:, None])[:, 0]
    pos[rows[:, None], choice.hydrogens] = turned_arms + origin[:, None]


def _pair_energy(
    trial: np.ndarray, others_pos: np.ndarray, terms: Terms, hydrogen: int, others: np.ndarray
) -> np.ndarray:
    """Buffered 14-7 and Coulomb energy of one hydrogen at its (K, A, 3) trial positions, (K, A) kcal/mol."""
    squared = (
        (trial**2).sum(axis=2)[..., None]
        + (others_pos**2).sum(axis=2)[:, None]
        - 2.0 * np.einsum("kax,kmx->kam", trial, others_pos, optimize=True)
    )
    distance = np.sqrt(np.maximum(squared, 0.01))
    ratio = distance / terms.radius[hydrogen, others]
    attraction = 1.12 / (ratio**7 + 0.12) - 2.0
    energy = terms.well_kcal_mol[hydrogen, others] * (1.07 / (ratio + 0.07)) ** 7 * attraction
    energy += terms.charge_product[hydrogen, others] / (distance + CHARGE_BUFFER)
    total: np.ndarray = energy.sum(axis=2)
    return total


def _torsion_energy(pos: np.ndarray, choice: Choice, terms: Terms, trial: np.ndarray) -> np.ndarray:
    """MMFF torsion energy over all i-j-centre-hydrogen, (K, A) kcal/mol."""
    energy = np.zeros(trial.shape[:2])
    for (i, j, centre, hydrogen), (v1, v2, v3) in terms.torsions.items():
        if centre != choice.centre or hydrogen not in choice.hydrogens:
            continue
        axis = unit(pos[:, centre] - pos[:, j])[:, None]
        first = np.cross(axis, (pos[:, i] - pos[:, j])[:, None])
        last = np.cross(axis, trial[:, :, choice.hydrogens.index(hydrogen)] - pos[:, centre, None])
        cosine = (unit(first) * unit(last)).sum(axis=2)
        cosine2, cosine3 = 2 * cosine**2 - 1, 4 * cosine**3 - 3 * cosine
        energy += 0.5 * (v1 * (1 + cosine) + v2 * (1 - cosine2) + v3 * (1 + cosine3))
    return energy


def _terms(mol: Mol, choices: list[Choice]) -> Terms:
    """MMFF94s parameters where the molecule has them, else generic ones (boron, metals)."""
    mol = Chem.Mol(mol)  # RDKit puts MMFF's own aromaticity on the molecule that it is given
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
    number = mol.GetNumAtoms()
    hops = Chem.GetDistanceMatrix(mol)
    scale = np.where(hops > 3, 1.0, np.where(hops == 3, SCALE_14, 0.0))
    if properties is None:
        radius, well, charge = _generic_pairs(mol)
    else:
        types = [properties.GetMMFFAtomType(i) for i in range(number)]
        kinds, kind = np.unique(types, return_inverse=True)
        sample = [types.index(k) for k in kinds]
        table = np.array([[properties.GetMMFFVdWParams(i, j)[2:4] for j in sample] for i in sample])
        radius, well = table[kind][:, kind, 0], table[kind][:, kind, 1]
        charge = np.array([properties.GetMMFFPartialCharge(i) for i in range(number)])
    well = np.where(hops >= 3, well, 0.0)
    torsions = {}
    for choice in choices:
        bends = [(i, j) for j in choice.anchors for i in _others(mol, j, choice.centre)]
        for i, j in bends:
            for hydrogen in choice.hydrogens:
                found = properties and properties.GetMMFFTorsionParams(mol, i, j, choice.centre, hydrogen)
                v1, v2, v3 = found[1:] if found else _generic_barriers(mol, choice, j, i)
                torsions[i, j, choice.centre, hydrogen] = (v1, v2, v3)
    return Terms(radius, well, COULOMB_KCAL_MOL * np.outer(charge, charge) * scale, torsions)


def _others(mol: Mol, atom: int, excluded: int) -> list[int]:
    return [n.GetIdx() for n in mol.GetAtomWithIdx(atom).GetNeighbors() if n.GetIdx() != excluded]


def _generic_barriers(mol: Mol, choice: Choice, anchor: int, beyond: int) -> tuple[float, float, float]:
    """One-, two- and threefold barriers of a torsion from an atom beyond the anchor of a choice, kcal/mol.

    Threefold between two atoms that are sp3, twofold between two that are flat and to boron with three neighbours,
    whose empty orbital shares the lone pair of O or N; onefold beside a double bond.
    """
    ends = (mol.GetAtomWithIdx(choice.centre), mol.GetAtomWithIdx(anchor))
    torsions = max(1, len(choice.hydrogens) * (ends[1].GetDegree() - 1))
    if ends[1].GetAtomicNum() == 5 and ends[1].GetDegree() == 3 and ends[0].GetAtomicNum() in (7, 8):
        return 0.0, BORON_BARRIER_KCAL_MOL / torsions, 0.0
    kinds = {end.GetHybridization() for end in ends}
    if kinds == {Chem.HybridizationType.SP2}:
        twofold = FLAT_BARRIERS_KCAL_MOL.get(ends[0].GetAtomicNum(), 0.0) / torsions
        bond, other = mol.GetBondBetweenAtoms(anchor, beyond), mol.GetAtomWithIdx(beyond)
        if ends[0].GetAtomicNum() != 8 or bond.GetBondType() != Chem.BondType.DOUBLE:
            return 0.0, twofold, 0.0
        return (-SYN_KCAL_MOL if other.GetAtomicNum() == 8 else SYN_KCAL_MOL), twofold, 0.0
    if kinds != {Chem.HybridizationType.SP3}:
        return 0.0, 0.0, 0.0
    return 0.0, 0.0, GENERIC_BARRIER_KCAL_MOL / torsions


def _generic_pairs(mol: Mol) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Van der Waals radii, one depth of well, and charges that make polar hydrogens seek lone pairs."""
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRvdw(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    charge = np.array([float(atom.GetFormalCharge()) for atom in mol.GetAtoms()])
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() in (7, 8, 9):
            charge[atom.GetIdx()] -= GENERIC_CHARGE
            for neighbour in atom.GetNeighbors():
                charge[neighbour.GetIdx()] += GENERIC_CHARGE if neighbour.GetAtomicNum() == 1 else 0.0
    return radii[:, None] + radii[None], np.full((len(radii), len(radii)), GENERIC_WELL_KCAL_MOL), charge
