"""What stereochemistry a molecule leaves open, and the stereoisomers it could be.

What RDKit counts as stereo but a flask does not is never "left open" here (see `confgen.exchanging`); where the input
spells it out it is kept. Two choices are one isomer if a symmetry of the bond graph carries one into the other
(see `confgen.relabelling`), which finds what RDKit's perception overlooks: spiro atoms between rings that are alike,
ring atoms across from a double bond. Not offered, for RDKit has no tag for them or does not find them: allenes and
longer cumulenes, helices, axes of atropisomers that the input does not mark, C=C that only an isotope of hydrogen makes
unlike. Messages count atoms from 1, in input order.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol, StereoGroupType, StereoSpecified, StereoType, rdDistGeom

from confgen.exchanging import bond_swaps, centre_swaps, is_bridgehead, is_fused
from confgen.relabelling import Relabelling, relabelling, symmetries
from confgen.stereo import (
    AXIAL,
    CISTRANS,
    HANDED,
    StereoElements,
    bond_name,
    centre_name,
    elements,
    mismatches_at,
    reassign,
)

MAIN_GROUP_CENTRES = {5, 6, 7, 14, 15, 16, 32, 33, 34, 50, 51, 52}
SPIRO = {6, 7, 14, 32}
SMALLEST_TRANS_RING = 8
MISSES = 16  # choices in a row that cannot be built, after which no more are tried: large cages have thousands
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


def restore_overlooked(mol: Mol, raw: Mol, only_open: bool = False) -> None:
    """Gives `mol`, in place, the tags of `raw` that RDKit's perception cleared although they tell isomers apart.

    raw: the same atoms and bonds in the same order, with every tag that was written or that coordinates show.
    only_open: no bridgeheads and ring fusions, which show a hand in any coordinates even if there is no other.
    """
    rank = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False, includeAtomMaps=False))
    wanted = [
        atom.GetIdx()
        for atom, tagged in zip(mol.GetAtoms(), raw.GetAtoms(), strict=True)
        if tagged.GetChiralTag() in HANDED
        and atom.GetChiralTag() == ChiralType.CHI_UNSPECIFIED
        and _may_be_centre(atom)
        and not _has_alike_ends(atom, rank)
    ]
    if only_open and wanted:
        known = {element.atoms[0] for element in _open_elements(mol) if element.kind == "centre" and not element.fused}
        wanted = [index for index in wanted if index in known]
    bonds = [
        bond.GetIdx()
        for bond, tagged in zip(mol.GetBonds(), raw.GetBonds(), strict=True)
        if tagged.GetStereo() in CISTRANS
        and bond.GetStereo() == BondStereo.STEREONONE
        and _may_be_cistrans(bond)
        and not any(_has_alike_ends(end, rank) for end in (bond.GetBeginAtom(), bond.GetEndAtom()))
    ]
    if not wanted and not bonds:
        return
    trial = Chem.Mol(mol)
    for index in wanted:
        trial.GetAtomWithIdx(index).SetChiralTag(raw.GetAtomWithIdx(index).GetChiralTag())
    for index in bonds:
        _copy_cistrans(raw.GetBondWithIdx(index), trial.GetBondWithIdx(index))
    _drop_idle(trial, symmetries(trial))
    for index in wanted:
        mol.GetAtomWithIdx(index).SetChiralTag(trial.GetAtomWithIdx(index).GetChiralTag())
    for index in bonds:
        if trial.GetBondWithIdx(index).GetStereo() in CISTRANS:
            _copy_cistrans(raw.GetBondWithIdx(index), mol.GetBondWithIdx(index))


def _may_be_centre(atom: Atom) -> bool:
    """Whether its bonds could hold a hand: four unlike ones as far as hydrogens go, or a lone pair that stays put."""
    hydrogens = atom.GetTotalNumHs(includeNeighbors=True)
    isotopes = sum(n.GetAtomicNum() == 1 and n.GetIsotope() > 0 for n in atom.GetNeighbors())
    if atom.GetAtomicNum() not in MAIN_GROUP_CENTRES or hydrogens - isotopes > 1 or centre_swaps(atom):
        return False
    return bool(
        atom.GetTotalDegree() == 4 or (atom.GetTotalDegree() == 3 and atom.GetAtomicNum() in (7, 15, 16, 33, 34))
    )


def _has_alike_ends(atom: Atom, rank: list[int]) -> bool:
    """Whether two end atoms on it are the same (CF2), which the symmetries of the graph leave in their order."""
    ends = [rank[n.GetIdx()] for n in atom.GetNeighbors() if n.GetDegree() == 1]
    return atom.GetTotalNumHs() > 1 or len(set(ends)) < len(ends)


def _may_be_cistrans(bond: Bond) -> bool:
    small = any(bond.IsInRingSize(size) for size in range(3, SMALLEST_TRANS_RING))
    return bond.GetBondType() == Chem.BondType.DOUBLE and not (small or bond_swaps(bond) or _in_cumulene(bond))


def _copy_cistrans(source: Bond, target: Bond) -> None:
    target.SetStereoAtoms(*source.GetStereoAtoms())
    target.SetStereo(source.GetStereo())


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


@dataclass(frozen=True)
class _Open:
    """A centre (`atoms` one), a double bond (its ends, then the two stereo atoms) or a group of centres and axes."""

    name: str
    kind: str
    atoms: tuple[int, ...]
    bonds: tuple[int, ...] = ()
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
            for index in self.bonds:
                bond = mol.GetBondWithIdx(index)
                is_cw = bond.GetStereo() == BondStereo.STEREOATROPCW
                bond.SetStereo(BondStereo.STEREOATROPCCW if is_cw else BondStereo.STEREOATROPCW)


def _open_elements(mol: Mol) -> list[_Open]:
    found = []
    for info in Chem.FindPotentialStereo(Chem.Mol(mol)):
        if info.specified == StereoSpecified.Specified:
            continue
        if info.type == StereoType.Atom_Tetrahedral:
            atom = mol.GetAtomWithIdx(info.centeredOn)
            if atom.GetAtomicNum() in MAIN_GROUP_CENTRES and not centre_swaps(atom):
                fused = _ring_bonds(atom) > 2 and not _is_spiro(atom)
                found.append(_Open(centre_name(atom), "centre", (atom.GetIdx(),), fused=fused))
        elif info.type == StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if not bond_swaps(bond) and not _in_cumulene(bond):
                around = list(info.controllingAtoms)
                first, last = (next(a for a in pair if a != NO_ATOM) for pair in (around[:2], around[2:]))
                ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
                found.append(_Open(bond_name(bond), "bond", (*ends, first, last)))
    for group in mol.GetStereoGroups():
        atoms = tuple(atom.GetIdx() for atom in group.GetAtoms())
        bonds = tuple(bond.GetIdx() for bond in group.GetBonds() if bond.GetStereo() in AXIAL)
        if group.GetGroupType() != StereoGroupType.STEREO_ABSOLUTE and atoms + bonds:
            axes = [(mol.GetBondWithIdx(b).GetBeginAtomIdx(), mol.GetBondWithIdx(b).GetEndAtomIdx()) for b in bonds]
            numbers = ", ".join(
                [*(str(index + 1) for index in atoms), *(f"{one + 1}-{other + 1}" for one, other in axes)]
            )
            found.append(_Open(f"relative group of atoms {numbers} (either enantiomer)", "group", atoms, bonds))
    return found + _overlooked(mol, found)


def _overlooked(mol: Mol, found: list[_Open]) -> list[_Open]:
    """Spiro atoms and nitrogen bridgeheads that RDKit does not find, yet which are stereocentres in some isomer."""
    known = {element.atoms[0] for element in found if element.kind == "centre"}
    more = [
        _Open(centre_name(atom), "centre", (atom.GetIdx(),), fused=not _is_spiro(atom))
        for atom in mol.GetAtoms()
        if atom.GetChiralTag() == ChiralType.CHI_UNSPECIFIED
        and atom.GetIdx() not in known
        and (_is_spiro(atom) or (atom.GetAtomicNum() == 7 and _ring_bonds(atom) == 3 and is_bridgehead(atom)))
    ]
    if not more:
        return []
    atoms_to, telling = symmetries(mol), set()
    for choices in itertools.islice(_choices(len(found) + len(more), 8), 8):
        own = elements(_with_choices(mol, found + more, choices))
        matters = relabelling(atoms_to, own.centres, own.torsions).meaningful(own.labels())
        telling |= {int(own.centres[s, 0]) for s in np.flatnonzero(matters[: len(own.centres)])}
    return [element for element in more if element.atoms[0] in telling]


def _is_spiro(atom: Atom) -> bool:
    """Whether two rings meet in the atom and in no other."""
    return atom.GetAtomicNum() in SPIRO and _ring_bonds(atom) == 4 and not is_fused(atom)


def _isomers(mol: Mol, left_open: list[_Open], limit: int) -> list[Mol]:
    """Up to `limit` distinct stereoisomers over the choices for `left_open`.

    Where ring fusions or bridgeheads are open, an isomer must be one that distance geometry can build: most choices
    for a cage are impossible. It fails on some cages whatever the choice (bicyclopentanes), so the isomers found
    with fusions left open are taken if they are more.
    """
    free = [element for element in left_open if not element.fused]
    fused = len(free) < len(left_open)
    atoms_to = symmetries(mol)
    carried: Relabelling | None = None
    seen: set[bytes] = set()
    isomers: list[Mol] = []
    misses = 0
    for choices in _choices(len(left_open), limit):
        isomer = _with_choices(mol, left_open, choices)
        own = elements(isomer)
        carried = carried or relabelling(atoms_to, own.centres, own.torsions)
        key = carried.canonical(own.labels())
        if key in seen:
            continue
        seen.add(key)
        if not fused or _can_be_built(isomer):
            isomers.append(_cleaned(isomer, atoms_to))
            misses = 0
        else:
            misses += 1
        if len(isomers) == limit:
            return isomers
        if misses == MISSES:
            break
    return max(isomers, _isomers(mol, free, limit), key=len) if fused and free else isomers


def _with_choices(mol: Mol, left_open: list[_Open], choices: list[bool]) -> Mol:
    isomer = Chem.RWMol(mol)
    isomer.RemoveAllConformers()
    isomer.SetStereoGroups([])
    for element, choice in zip(left_open, choices, strict=True):
        element.assign(isomer, choice)
    return isomer.GetMol()


def _cleaned(isomer: Mol, atoms_to: NDArray[np.int64]) -> Mol:
    """The isomer without tags that tell nothing, such as that of the middle atom between two alike ends."""
    _drop_idle(isomer, atoms_to)
    perceived = Chem.Mol(isomer)
    reassign(perceived)  # E and Z, and the marks from which SMILES are written; RDKit may clear more than it should
    return perceived if elements(perceived).names == elements(isomer).names else isomer


def _drop_idle(mol: Mol, atoms_to: NDArray[np.int64]) -> None:
    """Clears, in place and one by one, the tags whose inverse would be the same molecule."""
    own = elements(mol)
    for _ in own.names:
        idle = np.flatnonzero(~relabelling(atoms_to, own.centres, own.torsions).meaningful(own.labels()))
        if not len(idle):
            return
        _clear(mol, own, int(idle[0]))
        own = elements(mol)


def _clear(mol: Mol, own: StereoElements, element: int) -> None:
    if element < len(own.centres):
        mol.GetAtomWithIdx(int(own.centres[element, 0])).SetChiralTag(ChiralType.CHI_UNSPECIFIED)
    else:
        _, begin, end, _ = own.torsions[element - len(own.centres)]
        mol.GetBondBetweenAtoms(int(begin), int(end)).SetStereo(BondStereo.STEREONONE)


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
    built = Chem.Mol(isomer)
    if rdDistGeom.EmbedMolecule(built, maxAttempts=10, randomSeed=7) != 0:
        return False
    pos = built.GetConformer().GetPositions()  # of flat nitrogens distance geometry ignores the hand, hence the mirror
    return any(not mismatches_at(built, sign * pos[None])[0] for sign in (1, -1))


def _in_cumulene(bond: Bond) -> bool:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(sum(b.GetBondType() == Chem.BondType.DOUBLE for b in end.GetBonds()) > 1 for end in ends)


def _ring_bonds(atom: Atom) -> int:
    return sum(bond.IsInRing() for bond in atom.GetBonds())
