"""Centres, double bonds and relative groups of which a molecule does not say which way they are.

Not found, for RDKit has no tag for them or does not find them: allenes and longer cumulenes, helices, axes of
atropisomers that the input does not mark, C=C that only an isotope of hydrogen makes unlike.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol, StereoGroupType, StereoSpecified, StereoType

from confgen.axes import AXIAL, TURNED_AXIS, forget_wedges
from confgen.exchanging import bond_swaps, centre_swaps, is_bridgehead, is_fused
from confgen.relabelling import relabelling, symmetries
from confgen.stereo import bond_name, centre_name, elements

MAIN_GROUP_CENTRES = {5, 6, 7, 14, 15, 16, 32, 33, 34, 50, 51, 52}
SPIRO = {6, 7, 14, 32}
Z_UP_TO = 8  # atoms of a ring in which a double bond that is left open is Z; E-cyclononene is hardly strained
NO_ATOM = 4294967295  # RDKit's StereoInfo.NOATOM


@dataclass(frozen=True)
class OpenElement:
    """A centre (`atoms` one), a double bond (its ends, then the two stereo atoms) or a group of centres and axes.

    only: the one choice that it has, None for two. Nobody means an E double bond in a ring of eight without saying so.
    """

    name: str
    kind: str
    atoms: tuple[int, ...]
    bonds: tuple[int, ...] = ()
    fused: bool = False
    only: bool | None = None

    def assign(self, mol: Mol, choice: bool) -> None:
        choice = choice if self.only is None else self.only
        if self.kind == "centre":
            tag = ChiralType.CHI_TETRAHEDRAL_CW if choice else ChiralType.CHI_TETRAHEDRAL_CCW
            mol.GetAtomWithIdx(self.atoms[0]).SetChiralTag(tag)
        elif self.kind == "bond":
            begin, end, first, last = self.atoms
            bond = mol.GetBondBetweenAtoms(begin, end)
            bond.SetBondDir(Chem.BondDir.NONE)
            bond.SetStereoAtoms(first, last)
            bond.SetStereo(BondStereo.STEREOCIS if choice else BondStereo.STEREOTRANS)
        elif choice:
            for index in self.atoms:
                mol.GetAtomWithIdx(index).InvertChirality()
            for index in self.bonds:
                bond = mol.GetBondWithIdx(index)
                bond.SetStereo(TURNED_AXIS[bond.GetStereo()])


def open_elements(mol: Mol) -> list[OpenElement]:
    found = []
    for info in Chem.FindPotentialStereo(Chem.Mol(mol)):
        if info.specified == StereoSpecified.Specified:
            continue
        if info.type == StereoType.Atom_Tetrahedral:
            atom = mol.GetAtomWithIdx(info.centeredOn)
            if atom.GetAtomicNum() in MAIN_GROUP_CENTRES and not centre_swaps(atom):
                fused = _ring_bonds(atom) > 2 and not _is_spiro(atom)
                found.append(OpenElement(centre_name(atom), "centre", (atom.GetIdx(),), fused=fused))
        elif info.type == StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if not bond_swaps(bond) and not in_cumulene(bond):
                around = list(info.controllingAtoms)
                first, last = (next(a for a in pair if a != NO_ATOM) for pair in (around[:2], around[2:]))
                ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
                only = _cis_in_ring(bond, first, last)
                found.append(OpenElement(bond_name(bond), "bond", (*ends, first, last), only=only))
    for group in mol.GetStereoGroups():
        atoms = tuple(atom.GetIdx() for atom in group.GetAtoms())
        bonds = tuple(bond.GetIdx() for bond in group.GetBonds() if bond.GetStereo() in AXIAL)
        if group.GetGroupType() != StereoGroupType.STEREO_ABSOLUTE and atoms + bonds:
            axes = [(mol.GetBondWithIdx(b).GetBeginAtomIdx(), mol.GetBondWithIdx(b).GetEndAtomIdx()) for b in bonds]
            numbers = ", ".join(
                [*(str(index + 1) for index in atoms), *(f"{one + 1}-{other + 1}" for one, other in axes)]
            )
            found.append(OpenElement(f"relative group of atoms {numbers} (either enantiomer)", "group", atoms, bonds))
    return found + _overlooked(mol, found)


def _cis_in_ring(bond: Bond, first: int, last: int) -> bool | None:
    """Whether two atoms at the ends are cis where a small ring is; None if there is none, and both may be."""
    rings = [set(ring) for ring in bond.GetOwningMol().GetRingInfo().AtomRings() if len(ring) <= Z_UP_TO]
    own = next((ring for ring in rings if {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= ring), None)
    return None if own is None else (first in own) == (last in own)


def _overlooked(mol: Mol, found: list[OpenElement]) -> list[OpenElement]:
    """Spiro atoms and nitrogen bridgeheads that RDKit does not find, yet which are stereocentres in some isomer."""
    known = {element.atoms[0] for element in found if element.kind == "centre"}
    more = [
        OpenElement(centre_name(atom), "centre", (atom.GetIdx(),), fused=not _is_spiro(atom))
        for atom in mol.GetAtoms()
        if atom.GetChiralTag() == ChiralType.CHI_UNSPECIFIED
        and atom.GetIdx() not in known
        and (_is_spiro(atom) or (atom.GetAtomicNum() == 7 and _ring_bonds(atom) == 3 and is_bridgehead(atom)))
    ]
    if not more:
        return []
    atoms_to, telling = symmetries(mol), set()
    for choices in itertools.islice(choices_for(len(found) + len(more), 8), 8):
        own = elements(with_choices(mol, found + more, choices))
        matters = relabelling(atoms_to, own.centres, own.torsions).meaningful(own.labels())
        telling |= {int(own.centres[s, 0]) for s in np.flatnonzero(matters[: len(own.centres)])}
    return [element for element in more if element.atoms[0] in telling]


def with_choices(mol: Mol, left_open: list[OpenElement], choices: list[bool]) -> Mol:
    isomer = Chem.RWMol(mol)
    isomer.RemoveAllConformers()
    isomer.SetStereoGroups([])
    forget_wedges(isomer)
    for element, choice in zip(left_open, choices, strict=True):
        element.assign(isomer, choice)
    return isomer.GetMol()


def choices_for(count: int, limit: int) -> Iterator[list[bool]]:
    """Choices for `count` elements: all of them, shuffled if there are more than `limit`, or a sample of too many."""
    draw = random.Random(count)
    if count <= 12:
        codes = list(range(2**count))
        if len(codes) > limit:
            draw.shuffle(codes)
    else:
        codes = [draw.getrandbits(count) for _ in range(20 * limit)]
    for code in codes:
        yield [bool(code >> position & 1) for position in range(count)]


def _is_spiro(atom: Atom) -> bool:
    """Whether two rings meet in the atom and in no other."""
    return atom.GetAtomicNum() in SPIRO and _ring_bonds(atom) == 4 and not is_fused(atom)


def in_cumulene(bond: Bond) -> bool:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(sum(b.GetBondType() == Chem.BondType.DOUBLE for b in end.GetBonds()) > 1 for end in ends)


def _ring_bonds(atom: Atom) -> int:
    return sum(bond.IsInRing() for bond in atom.GetBonds())
