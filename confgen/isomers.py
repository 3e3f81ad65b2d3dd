"""What stereochemistry a molecule leaves open, and the stereoisomers it could be.

What RDKit counts as stereo but a flask does not is never "left open" here: C=NH bonds, amine nitrogens (protonated
ones too) that are no bridgehead, and P or S centres with =O beside -OH or -O(-). They swap by moving a proton or by
inverting. Where the input spells one out it is kept. Messages count atoms from 1, in input order.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol, StereoGroupType, StereoSpecified, StereoType, rdDistGeom

from confgen.stereo import CISTRANS, HANDED, bond_name, centre_name, clean_smiles, reassign

MAIN_GROUP_CENTRES = {5, 6, 7, 14, 15, 16, 32, 33, 34, 51, 52}
NO_ATOM = 4294967295  # RDKit's StereoInfo.NOATOM


def unspecified(mol: Mol) -> list[str]:
    """Names of the centres and double bonds that `mol` leaves open; [] if it stands for one stereoisomer.

    A racemic or relative group of CXSMILES or V3000 is open too, for it stands for two. Cages whose bridgeheads can
    only be joined one way (adamantane, norbornane, quinuclidine) are not, which short embeddings decide.
    """
    left_open = _open_elements(mol)
    free = [element for element in left_open if not element.fused]  # these need no embedding, so they go first
    if any(len(_isomers(mol, some, limit=2)) > 1 for some in (free, left_open) if some):
        return [element.name for element in left_open]
    return []


def enumerate_stereo(mol: Mol, cap: int = 32) -> list[Mol]:
    """The distinct stereoisomers of what `mol` leaves open, without conformers; only `mol` itself if nothing is.

    Each has the property `stereoisomer`, `1/4`. If there are more than `cap`, a fixed random choice of them comes
    back, and the property says so: `1/32 (more exist)`.
    """
    found = _isomers(mol, _open_elements(mol), limit=cap + 1)
    if len(found) < 2:
        return [mol]
    kept = found[:cap]
    for number, isomer in enumerate(kept, start=1):
        isomer.SetProp("stereoisomer", f"{number}/{len(kept)}" + " (more exist)" * (len(found) > cap))
    return kept


def forget_exchanging(mol: Mol) -> None:
    """Clears, in place, the tags of elements that swap by a proton or by inversion (see the top of this module).

    For molecules whose tags were read off one geometry, which is a snapshot of such an element and not a wish.
    """
    for atom in mol.GetAtoms():
        if atom.GetChiralTag() in HANDED and _centre_swaps(atom):
            atom.SetChiralTag(ChiralType.CHI_UNSPECIFIED)
    swapping = [bond for bond in mol.GetBonds() if bond.GetStereo() in CISTRANS and _bond_swaps(bond)]
    for bond in swapping:
        bond.SetStereo(BondStereo.STEREONONE)
    if swapping:
        reassign(mol)  # also clears the marks on neighbouring single bonds, which would bring it back


@dataclass(frozen=True)
class _Open:
    """A centre (`atoms` one), a double bond (its two ends, then the two stereo atoms) or a group of centres."""

    name: str
    kind: str
    atoms: tuple[int, ...]
    fused: bool = False

    def assign(self, mol: Mol, choice: bool) -> None:
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


def _open_elements(mol: Mol) -> list[_Open]:
    found = []
    for info in Chem.FindPotentialStereo(Chem.Mol(mol)):
        if info.specified == StereoSpecified.Specified:
            continue
        if info.type == StereoType.Atom_Tetrahedral:
            atom = mol.GetAtomWithIdx(info.centeredOn)
            if atom.GetAtomicNum() in MAIN_GROUP_CENTRES and not _centre_swaps(atom):
                found.append(_Open(centre_name(atom), "centre", (atom.GetIdx(),), fused=_ring_bonds(atom) > 2))
        elif info.type == StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if not _bond_swaps(bond) and not _in_cumulene(bond):
                around = list(info.controllingAtoms)
                first, last = (next(a for a in pair if a != NO_ATOM) for pair in (around[:2], around[2:]))
                ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
                found.append(_Open(bond_name(bond), "bond", (*ends, first, last)))
    for group in mol.GetStereoGroups():
        atoms = tuple(atom.GetIdx() for atom in group.GetAtoms())
        if group.GetGroupType() != StereoGroupType.STEREO_ABSOLUTE and atoms:
            numbers = ", ".join(str(index + 1) for index in atoms)
            found.append(_Open(f"relative group of atoms {numbers} (either enantiomer)", "group", atoms))
    return found


def _isomers(mol: Mol, left_open: list[_Open], limit: int) -> list[Mol]:
    """Up to `limit` distinct stereoisomers over the choices for `left_open`.

    Where ring fusions or bridgeheads are open, an isomer must be one that distance geometry can build: most choices
    for a cage are impossible. It fails on some cages whatever the choice (bicyclopentanes), so the isomers found
    with fusions left open are taken if they are more.
    """
    free = [element for element in left_open if not element.fused]
    fused = len(free) < len(left_open)
    seen: set[str] = set()
    isomers: list[Mol] = []
    for choices in _choices(len(left_open), limit):
        isomer = _with_choices(mol, left_open, choices)
        smiles = clean_smiles(isomer)
        if smiles in seen:
            continue
        seen.add(smiles)
        if not fused or _can_be_built(isomer):
            isomers.append(isomer)
        if len(isomers) == limit:
            return isomers
    return max(isomers, _isomers(mol, free, limit), key=len) if fused and free else isomers


def _with_choices(mol: Mol, left_open: list[_Open], choices: list[bool]) -> Mol:
    isomer = Chem.RWMol(mol)
    isomer.RemoveAllConformers()
    isomer.SetStereoGroups([])
    for element, choice in zip(left_open, choices, strict=True):
        element.assign(isomer, choice)
    return isomer.GetMol()


def _choices(count: int, limit: int) -> Iterator[list[bool]]:
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


def _can_be_built(isomer: Mol) -> bool:
    return bool(rdDistGeom.EmbedMolecule(Chem.Mol(isomer), maxAttempts=10, randomSeed=7) == 0)


def _centre_swaps(atom: Atom) -> bool:
    """Whether a centre inverts by itself or by moving a proton, so that no flask holds one form of it."""
    if atom.GetAtomicNum() == 7:
        hydrogens = atom.GetTotalNumHs(includeNeighbors=True)
        return not _is_bridgehead(atom) and (hydrogens > 0 or atom.GetTotalDegree() == 3)
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


def _bond_swaps(bond: Bond) -> bool:
    """Whether an end of a double bond is =NH: a SMILES without that hydrogen cannot say its side, and it exchanges."""
    return any(
        atom.GetAtomicNum() == 7
        and all(n.GetAtomicNum() == 1 for n in atom.GetNeighbors() if n.GetIdx() != bond.GetOtherAtomIdx(atom.GetIdx()))
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


def _in_cumulene(bond: Bond) -> bool:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(sum(b.GetBondType() == Chem.BondType.DOUBLE for b in end.GetBonds()) > 1 for end in ends)


def _ring_bonds(atom: Atom) -> int:
    return sum(bond.IsInRing() for bond in atom.GetBonds())


def _is_bridgehead(atom: Atom) -> bool:
    rings = [set(ring) for ring in atom.GetOwningMol().GetRingInfo().AtomRings() if atom.GetIdx() in ring]
    return any(len(one & other) > 2 for one, other in itertools.combinations(rings, 2))
