"""Stereochemistry: what a molecule leaves open, what it could be, and whether a geometry has it right.

Checked are tetrahedral centres (also with a lone pair: sulfoxides, phosphines), double bonds, and the axes of
atropisomers where the input marks them (RDKit does not find an axis by itself, nor in 3D coordinates). Allenes and
square-planar, octahedral and other metal centres are not checked.

What RDKit counts as stereo but a flask does not is never "left open" here: C=NH bonds, acyclic or protonated amine
nitrogens, and P or S centres with =O beside -OH or -O(-). They swap by moving a proton or inverting. Where the input
spells one out it is kept. Messages count atoms from 1, in input order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol, StereoGroupType, StereoSpecified, StereoType, rdDistGeom

# A score is 1 for an ideal element that is right, -1 for one that is wrong, 0 for a flat centre or a bond twisted
# by 90 degrees. Flat counts as wrong.
FLAT = 0.2
VOLUME_FOUR = 16 / (3 * np.sqrt(3))  # of the parallelepiped spanned by four unit vectors at tetrahedral angles
VOLUME_THREE = 4 / (3 * np.sqrt(3))  # by three of them and the centre
CISTRANS = {BondStereo.STEREOZ: 1, BondStereo.STEREOCIS: 1, BondStereo.STEREOE: -1, BondStereo.STEREOTRANS: -1}
AXIAL = {BondStereo.STEREOATROPCW: 1, BondStereo.STEREOATROPCCW: -1}
HANDED = {ChiralType.CHI_TETRAHEDRAL_CW: -1, ChiralType.CHI_TETRAHEDRAL_CCW: 1}
MAIN_GROUP_CENTRES = {5, 6, 7, 14, 15, 16, 32, 33, 34, 51, 52}
NO_ATOM = 4294967295  # RDKit's StereoInfo.NOATOM


@dataclass(frozen=True)
class StereoElements:
    """The stereo elements a molecule specifies: C centres, then T bonds; S = C + T. Good for any number of geometries.

    names:     S names for messages, `centre 3 (C)`.
    centres:   (C, 5) the centre and its neighbours in the order of its chiral tag; a lone pair is the centre again.
    volume:    (C,) signed volume of the ideal centre of that handedness.
    torsions:  (T, 4) atoms of the torsion that tells.
    sign:      (T,) +1 for cis, or for a positive torsion of an axis; -1 for the other.
    axial:     (T,) True for an axis (sine of the torsion tells), False for a double bond (cosine).
    """

    names: list[str]
    centres: NDArray[np.int64]
    volume: NDArray[np.float64]
    torsions: NDArray[np.int64]
    sign: NDArray[np.float64]
    axial: NDArray[np.bool_]


def elements(mol: Mol) -> StereoElements:
    """The stereo elements `mol` specifies, read from its chiral tags and bond stereo."""
    centre_names, centres, volume = [], [], []
    for atom in mol.GetAtoms():
        around = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
        if atom.GetChiralTag() in HANDED and len(around) in (3, 4):
            centre_names.append(_centre_name(atom))
            centres.append([atom.GetIdx(), *around, atom.GetIdx()][:5])
            volume.append(HANDED[atom.GetChiralTag()] * (VOLUME_FOUR if len(around) == 4 else VOLUME_THREE))
    bond_names, torsions, sign, axial = [], [], [], []
    for bond in mol.GetBonds():
        stereo = bond.GetStereo()
        if stereo in CISTRANS and len(bond.GetStereoAtoms()) == 2:
            first, last = bond.GetStereoAtoms()
        elif stereo in AXIAL:
            first, last = _lowest_neighbour(bond, bond.GetBeginAtom()), _lowest_neighbour(bond, bond.GetEndAtom())
        else:
            continue
        bond_names.append(_bond_name(bond))
        torsions.append([first, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), last])
        sign.append(CISTRANS.get(stereo) or AXIAL[stereo])
        axial.append(stereo in AXIAL)
    return StereoElements(
        names=centre_names + bond_names,
        centres=np.array(centres, dtype=np.int64).reshape(-1, 5),
        volume=np.array(volume, dtype=np.float64),
        torsions=np.array(torsions, dtype=np.int64).reshape(-1, 4),
        sign=np.array(sign, dtype=np.float64),
        axial=np.array(axial, dtype=bool),
    )


def mismatch_matrix(wanted: StereoElements, pos: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which elements each geometry has wrong or flat, (K, S). pos: (K, N, 3) angstrom, of all atoms."""
    spokes = _unit(pos[:, wanted.centres[:, 1:]] - pos[:, wanted.centres[:, :1]])  # (K, C, 4, 3), a lone pair is 0
    a, b, c = np.moveaxis(spokes[:, :, :3] - spokes[:, :, 3:], 2, 0)
    centre_score = (a * np.cross(b, c)).sum(-1) / wanted.volume
    before, axis, after = np.moveaxis(np.diff(pos[:, wanted.torsions], axis=2), 2, 0)
    m, n = _unit(np.cross(before, axis)), _unit(np.cross(axis, after))
    cosine, sine = (m * n).sum(-1), (np.cross(m, n) * _unit(axis)).sum(-1)
    torsion_score = wanted.sign * np.where(wanted.axial, sine, cosine)
    # Not "< FLAT": coordinates that are not numbers must count as wrong.
    return ~(np.concatenate((centre_score, torsion_score), axis=1) >= FLAT)


def mismatches(mol: Mol, conf_id: int = -1) -> list[str]:
    """Names of the stereo elements that conformer `conf_id` has wrong or flat; [] if all are right."""
    wanted = elements(mol)
    wrong = mismatch_matrix(wanted, mol.GetConformer(conf_id).GetPositions()[None])[0]
    return [name for name, is_wrong in zip(wanted.names, wrong, strict=True) if is_wrong]


def mismatches_all(mol: Mol) -> list[list[str]]:
    """`mismatches` of every conformer, in their order, at a fraction of the cost."""
    if not mol.GetNumConformers():
        return []
    wanted = elements(mol)
    wrong = mismatch_matrix(wanted, np.stack([conformer.GetPositions() for conformer in mol.GetConformers()]))
    return [[wanted.names[s] for s in np.flatnonzero(row)] for row in wrong]


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
    if swapping:  # the marks on neighbouring single bonds would bring it back
        for bond in mol.GetBonds():
            bond.SetBondDir(Chem.BondDir.NONE)
        Chem.SetDoubleBondNeighborDirections(mol)


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
                found.append(_Open(_centre_name(atom), "centre", (atom.GetIdx(),), fused=_ring_bonds(atom) > 2))
        elif info.type == StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if not _bond_swaps(bond) and not _in_cumulene(bond):
                around = list(info.controllingAtoms)
                first, last = (next(a for a in pair if a != NO_ATOM) for pair in (around[:2], around[2:]))
                ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
                found.append(_Open(_bond_name(bond), "bond", (*ends, first, last)))
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
        smiles = Chem.MolToSmiles(isomer)
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
    Chem.SetDoubleBondNeighborDirections(isomer)
    isomer.ClearComputedProps(includeRings=False)
    Chem.AssignStereochemistry(isomer, cleanIt=True, force=True)
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
        return _ring_bonds(atom) < 3 and (hydrogens > 0 or atom.GetTotalDegree() == 3)
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


def _lowest_neighbour(bond: Bond, end: Atom) -> int:
    """The neighbour RDKit measures an atropisomer from: the lowest index on that end of the axis."""
    other = bond.GetOtherAtomIdx(end.GetIdx())
    return min(int(n.GetIdx()) for n in end.GetNeighbors() if n.GetIdx() != other)


def _centre_name(atom: Atom) -> str:
    return f"centre {atom.GetIdx() + 1} ({atom.GetSymbol()})"


def _bond_name(bond: Bond) -> str:
    begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
    kind, mark = ("axis", "-") if bond.GetStereo() in AXIAL else ("double bond", "=")
    numbers = f"{begin.GetIdx() + 1}{mark}{end.GetIdx() + 1}"
    return f"{kind} {numbers} ({begin.GetSymbol()}{mark}{end.GetSymbol()})"


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return unit
