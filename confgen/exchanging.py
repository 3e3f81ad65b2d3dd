"""Stereo elements that exchange by themselves, so that no flask holds one form of them.

C=NH bonds, amine nitrogens (protonated ones too) that are no bridgehead, and P or S centres with =O beside -OH or
-O(-): they swap by moving a proton or by inverting.
"""

from __future__ import annotations

import itertools

from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol

from confgen.stereo import CISTRANS, HANDED, reassign


def forget_exchanging(mol: Mol) -> None:
    """Clears, in place, the tags of elements that swap by a proton or by inversion (see the top of this module).

    For molecules whose tags were read off one geometry, which is a snapshot of such an element and not a wish.
    """
    for atom in mol.GetAtoms():
        if atom.GetChiralTag() in HANDED and centre_swaps(atom):
            atom.SetChiralTag(ChiralType.CHI_UNSPECIFIED)
    swapping = [bond for bond in mol.GetBonds() if bond.GetStereo() in CISTRANS and bond_swaps(bond)]
    for bond in swapping:
        bond.SetStereo(BondStereo.STEREONONE)
    if swapping:
        reassign(mol)  # also clears the marks on neighbouring single bonds, which would bring it back


def centre_swaps(atom: Atom) -> bool:
    """Whether a centre inverts by itself or by moving a proton, so that no flask holds one form of it."""
    if atom.GetAtomicNum() == 7:
        hydrogens = atom.GetTotalNumHs(includeNeighbors=True)
        return not is_bridgehead(atom) and (hydrogens > 0 or atom.GetTotalDegree() == 3)
    if atom.GetAtomicNum() not in (15, 16, 33, 34):
        return False
    double, single = set(), set()
    for bond in atom.GetBonds():
        end = bond.GetOtherAtom(atom)
        if sum(neighbour.GetAtomicNum() > 1 for neighbour in end.GetNeighbors()) == 1:
            if bond.GetBondType() == Chem.BondType.DOUBLE:
                double.add(end.GetAtomicNum())
            elif end.GetFormalCharge() < 0 or end.GetTotalNumHs(includeNeighbors=True):
                single.add(end.GetAtomicNum())
    return bool(double & single)


def bond_swaps(bond: Bond) -> bool:
    """Whether an end of a double bond is =NH: a SMILES without that hydrogen cannot say its side, and it exchanges."""
    return any(
        atom.GetAtomicNum() == 7
        and all(n.GetAtomicNum() == 1 for n in atom.GetNeighbors() if n.GetIdx() != bond.GetOtherAtomIdx(atom.GetIdx()))
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


def is_bridgehead(atom: Atom) -> bool:
    """Whether two of its rings share more than one bond."""
    return _most_shared(atom) > 2


def is_fused(atom: Atom) -> bool:
    """Whether two of its rings share a bond, or more."""
    return _most_shared(atom) > 1


def _most_shared(atom: Atom) -> int:
    rings = [set(ring) for ring in atom.GetOwningMol().GetRingInfo().AtomRings() if atom.GetIdx() in ring]
    return max((len(one & other) for one, other in itertools.combinations(rings, 2)), default=0)
