"""The stereochemistry asked for, put on a molecule whose atoms stand in another order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdMolDescriptors

from confgen.axes import renumbered
from confgen.conformers import positions, with_positions
from confgen.stereo import mismatches_all, mismatches_at
from confgen.stereo_tags import stereo_from_3d

MOST_FORMS = 200  # ways to lay a symmetric molecule on itself that are tried


def forms(wanted: Mol, mol: Mol) -> Iterator[Mol]:
    """`wanted` with the atoms in the order of `mol` and its conformers, once for each way to lay one on the other.

    Both have all their hydrogens. Nothing comes back if they are not the same molecule, stereochemistry aside. There
    is more than one way if the molecule is symmetric; at most MOST_FORMS are given, hydrogens of one atom in any order.
    """
    if rdMolDescriptors.CalcMolFormula(wanted) != rdMolDescriptors.CalcMolFormula(mol):
        return
    heavy, flat = _heavy(wanted), _heavy(mol)
    if not heavy:
        if wanted.GetNumAtoms() == mol.GetNumAtoms():
            yield with_positions(wanted, positions(mol))
        return
    pos = positions(mol)
    matches = _bare(mol).GetSubstructMatches(_bare(wanted), uniquify=False, maxMatches=MOST_FORMS)
    for match in matches:
        place = dict(zip(heavy, (flat[i] for i in match), strict=True))
        if not _place_hydrogens(wanted, mol, place):
            continue
        order = np.argsort([place[i] for i in range(wanted.GetNumAtoms())]).tolist()
        yield with_positions(renumbered(wanted, order), pos)


def wrong_elements(ways: Iterator[Mol], count: int) -> list[list[str]]:
    """Stereo elements that each of `count` conformers has wrong or flat, laid on what was asked for as well as can be.

    ways: what `forms` gives.
    """
    fewest: list[list[str]] | None = None
    for form in ways:
        names = mismatches_all(form)
        fewest = names if fewest is None else [min(pair, key=len) for pair in zip(fewest, names, strict=True)]
        if not any(fewest):
            break
    return fewest or [[] for _ in range(count)]


def best_form(wanted: Mol, pos: np.ndarray) -> Mol:
    """`wanted` laid on itself as most of the positions (K, N, 3) show it; as it is unless another way fits better.

    A symmetric molecule of which one half is specified and one is open can be the one or the other in a file.
    """
    best, fewest = wanted, _count_wrong(wanted, pos)
    for form in forms(wanted, wanted) if fewest else ():
        if (wrong := _count_wrong(form, pos)) < fewest:
            best, fewest = form, wrong
        if not fewest:
            break
    return best


def most_shown(mol: Mol, pos: np.ndarray) -> Mol:
    """The molecule with the stereochemistry that most of the positions (K, N, 3) show, if it has not that already."""
    left = [k for k, names in enumerate(mismatches_at(mol, pos)) if names]
    best, fewest = mol, len(left)
    while 2 * fewest > len(pos) and left:
        form = with_positions(mol, pos[left[:1]])
        stereo_from_3d(form)
        wrong = [bool(names) for names in mismatches_at(form, pos)]
        if sum(wrong) < fewest:
            form.RemoveAllConformers()
            best, fewest = form, sum(wrong)
        left = [k for k in left[1:] if wrong[k]]
    return best


def _count_wrong(mol: Mol, pos: np.ndarray) -> int:
    return sum(bool(names) for names in mismatches_at(mol, pos))


def specifies(mol: Mol) -> bool:
    """Whether the molecule asks for any stereochemistry."""
    centres = (atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED for atom in mol.GetAtoms())
    bonds = (bond.GetStereo() > Chem.BondStereo.STEREOANY for bond in mol.GetBonds())
    return any(itertools.chain(centres, bonds))


def _heavy(mol: Mol) -> list[int]:
    return [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1]


def _bare(mol: Mol) -> Mol:
    """The heavy atoms in their order, with no stereochemistry."""
    bare = Chem.RWMol(mol)
    Chem.RemoveStereochemistry(bare)
    bare.RemoveAllConformers()
    bare.BeginBatchEdit()
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() <= 1:
            bare.RemoveAtom(atom.GetIdx())
    bare.CommitBatchEdit()
    return bare.GetMol()


def _place_hydrogens(wanted: Mol, mol: Mol, place: dict[int, int]) -> bool:
    """Adds where each hydrogen goes, given where the heavy atoms go; False if two such atoms differ in hydrogens.

    place: atom of `wanted` -> atom of `mol`.
    """
    for mine, other in list(place.items()):
        own, theirs = _hydrogens(wanted, mine), _hydrogens(mol, other)
        same_charge = wanted.GetAtomWithIdx(mine).GetFormalCharge() == mol.GetAtomWithIdx(other).GetFormalCharge()
        if len(own) != len(theirs) or not same_charge:
            return False
        place.update(zip(own, theirs, strict=True))
    lone = [i for i in range(wanted.GetNumAtoms()) if i not in place]  # hydrogens with no heavy neighbour
    place.update(zip(lone, sorted(set(range(mol.GetNumAtoms())) - set(place.values())), strict=True))
    return True


def _hydrogens(mol: Mol, atom: int) -> list[int]:
    """The hydrogens of an atom, deuterium and tritium last, so that each is laid on its like."""
    own = [n for n in mol.GetAtomWithIdx(atom).GetNeighbors() if n.GetAtomicNum() == 1]
    return [n.GetIdx() for n in sorted(own, key=lambda hydrogen: (hydrogen.GetIsotope(), hydrogen.GetIdx()))]
