"""Axes of atropisomers as RDKit keeps them: the hand of one is told by the lowest neighbour of each end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondDir, BondStereo, Mol

AXIAL = {BondStereo.STEREOATROPCW: 1, BondStereo.STEREOATROPCCW: -1}
TURNED_AXIS = {  # what the mirror image has, or what is seen with the two substituents of one end exchanged
    BondStereo.STEREOATROPCW: BondStereo.STEREOATROPCCW,
    BondStereo.STEREOATROPCCW: BondStereo.STEREOATROPCW,
}
WEDGES = (BondDir.BEGINWEDGE, BondDir.BEGINDASH)


def renumbered(mol: Mol, order: Sequence[int]) -> Mol:
    """`Chem.RenumberAtoms`, which does not turn the tags of axes where other neighbours are the lowest.

    order: (N,) the old number of each new atom.
    """
    moved = Chem.RenumberAtoms(mol, list(order))
    place = np.argsort(order)
    for old in [bond for bond in mol.GetBonds() if bond.GetStereo() in AXIAL]:
        begin, end = (int(place[atom.GetIdx()]) for atom in (old.GetBeginAtom(), old.GetEndAtom()))
        new = moved.GetBondBetweenAtoms(begin, end)
        others = [
            place[lowest_neighbour(old, mol.GetAtomWithIdx(int(order[end])))]
            != lowest_neighbour(new, moved.GetAtomWithIdx(end))
            for end in (begin, end)
        ]
        new.SetStereo(TURNED_AXIS[old.GetStereo()] if sum(others) == 1 else old.GetStereo())
    forget_wedges(moved)
    return moved


def forget_wedges(mol: Mol) -> None:
    """Clears, in place, the wedges that axes were read from.

    RDKit may read them again whenever it perceives stereochemistry, also where an axis has been turned meanwhile.
    """
    for bond in mol.GetBonds():
        if bond.GetBondDir() in WEDGES:
            bond.SetBondDir(BondDir.NONE)


def lowest_neighbour(bond: Bond, end: Atom) -> int:
    """The neighbour RDKit measures an atropisomer from: the lowest index on that end of the axis."""
    other = bond.GetOtherAtomIdx(end.GetIdx())
    return min(int(n.GetIdx()) for n in end.GetNeighbors() if n.GetIdx() != other)
