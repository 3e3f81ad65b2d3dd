"""Stereo tags that were written, drawn or are shown by coordinates, also those that RDKit's perception clears.

It takes a tag for meaningless if it sees no unlike neighbours. Here a tag tells something if its inverse is another
molecule, by the symmetries of the bond graph (see `confgen.relabelling`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol

from confgen.exchanging import bond_swaps, centre_swaps, forget_exchanging
from confgen.left_open import MAIN_GROUP_CENTRES, in_cumulene, open_elements
from confgen.relabelling import relabelling, symmetries
from confgen.stereo import CISTRANS, HANDED, StereoElements, elements

SMALLEST_TRANS_RING = 8
_UNPERCEIVED = Chem.SmilesParserParams()
_UNPERCEIVED.removeHs = False  # type: ignore[assignment] # RDKit's stubs have the wrong type
_UNPERCEIVED.sanitize = False  # type: ignore[assignment]
KEEP_TAGS = Chem.SANITIZE_ALL ^ Chem.SANITIZE_CLEANUPCHIRALITY


def as_written(smiles: str) -> Mol:
    """A SMILES that can be read, with all its tags, also those that RDKit takes for meaningless."""
    raw = Chem.MolFromSmiles(smiles, _UNPERCEIVED)
    Chem.SanitizeMol(raw, KEEP_TAGS)
    Chem.SetBondStereoFromDirections(raw)
    return raw


def as_drawn(block: str) -> Mol:
    """The same of a drawing that can be read."""
    raw = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)
    Chem.SanitizeMol(raw, KEEP_TAGS)
    Chem.DetectBondStereochemistry(raw)
    Chem.SetBondStereoFromDirections(raw)
    return raw


def stereo_from_3d(mol: Mol) -> None:
    """Sets, in place, the stereo tags that conformer 0 shows, save of elements that swap by themselves."""
    for bond in mol.GetBonds():
        if bond.GetStereo() == Chem.BondStereo.STEREOANY:  # "either", yet the coordinates say which
            bond.SetStereo(Chem.BondStereo.STEREONONE)
            bond.SetBondDir(Chem.BondDir.NONE)
    Chem.AssignStereochemistryFrom3D(mol)
    shown = Chem.Mol(mol)
    Chem.AssignAtomChiralTagsFromStructure(shown)
    Chem.DetectBondStereochemistry(shown)
    Chem.SetBondStereoFromDirections(shown)
    restore_overlooked(mol, shown, only_open=True)
    forget_exchanging(mol)


def open_double_bonds(mol: Mol) -> NDArray[np.int64]:
    """A torsion about each double bond of which `mol` does not say which way it is, (D, 4).

    Those that could be no other way, or swap by themselves, are among them: files have these as "either", too.
    """
    found = []
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        if bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetStereo() not in CISTRANS:
            first, last = ([n.GetIdx() for n in end.GetNeighbors()] for end in ends)
            if len(first) > 1 and len(last) > 1:
                begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
                found.append([min(set(first) - {end}), begin, end, min(set(last) - {begin})])
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def show_double_bonds(mol: Mol, torsions: NDArray[np.int64], pos: NDArray[np.float64]) -> None:
    """Sets, in place, the double bonds of `open_double_bonds` to cis or trans, as positions (N, 3) have them."""
    before, axis, after = np.moveaxis(np.diff(pos[torsions], axis=1), 1, 0)
    is_cis = (np.cross(before, axis) * np.cross(axis, after)).sum(-1) > 0
    for (first, begin, end, last), cis in zip(torsions.tolist(), is_cis, strict=True):
        bond = mol.GetBondBetweenAtoms(begin, end)
        bond.SetBondDir(Chem.BondDir.NONE)
        bond.SetStereoAtoms(first, last)
        bond.SetStereo(BondStereo.STEREOCIS if cis else BondStereo.STEREOTRANS)


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
        known = {element.atoms[0] for element in open_elements(mol) if element.kind == "centre" and not element.fused}
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
    drop_idle(trial, symmetries(trial))
    for index in wanted:
        mol.GetAtomWithIdx(index).SetChiralTag(trial.GetAtomWithIdx(index).GetChiralTag())
    for index in bonds:
        if trial.GetBondWithIdx(index).GetStereo() in CISTRANS:
            _copy_cistrans(raw.GetBondWithIdx(index), mol.GetBondWithIdx(index))


def drop_idle(mol: Mol, atoms_to: NDArray[np.int64]) -> None:
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


def _may_be_centre(atom: Atom) -> bool:
    """Whether its bonds could hold a hand: four unlike ones as far as hydrogens go, or a lone pair that stays put."""
    hydrogens = atom.GetTotalNumHs(includeNeighbors=True)
    isotopes = sum(n.GetAtomicNum() == 1 and n.GetIsotope() > 0 for n in atom.GetNeighbors())
    if atom.GetAtomicNum() not in MAIN_GROUP_CENTRES or hydrogens - isotopes > 1 or centre_swaps(atom):
        return False
    return bool(
        atom.GetTotalDegree() == 4 or (atom.GetTotalDegree() == 3 and atom.GetAtomicNum() in (7, 15, 16, 33, 34))
    )


def _may_be_cistrans(bond: Bond) -> bool:
    small = any(bond.IsInRingSize(size) for size in range(3, SMALLEST_TRANS_RING))
    return bond.GetBondType() == Chem.BondType.DOUBLE and not (small or bond_swaps(bond) or in_cumulene(bond))


def _has_alike_ends(atom: Atom, rank: list[int]) -> bool:
    """Whether two end atoms on it are the same (CF2), which the symmetries of the graph leave in their order."""
    ends = [rank[n.GetIdx()] for n in atom.GetNeighbors() if n.GetDegree() == 1]
    return atom.GetTotalNumHs() > 1 or len(set(ends)) < len(ends)


def _copy_cistrans(source: Bond, target: Bond) -> None:
    target.SetStereoAtoms(*source.GetStereoAtoms())
    target.SetStereo(source.GetStereo())
