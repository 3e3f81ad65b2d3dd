"""The ways in which the heavy atoms of one molecule fall on those of another that is the same graph.

Usually they are few and all are listed. Where groups like t-butyl or CF3 multiply them beyond a limit, only those of
the skeleton are listed, and the end atoms of each such group are left to be assigned for each pair of geometries.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Atom, Mol

from confgen.errors import MoleculeError

MAX_MATCHES = 10_000
SKELETON_MATCHES = 1_000
MAX_GROUP = 5  # end atoms on one atom: 120 orders

# Terminal O and N that share a charge or a double bond (carboxylate, nitro, amidine) count as equal, as in RDKit's
# GetBestRMS with symmetrizeConjugatedTerminalGroups.
CONJUGATED_TERMINAL = Chem.MolFromSmarts("[O,N;D1;$([O,N;D1]-[*]=[O,N;D1]),$([O,N;D1]=[*]-[O,N;D1])]~[*]")
SINGLE_OR_DOUBLE = Chem.MolFromSmarts("*-,=*").GetBondWithIdx(0)


@dataclass(frozen=True)
class Symmetry:
    """Isomorphisms of two heavy-atom graphs of N atoms.

    matches:  (M, N) entry [m, i] is the atom of the second that atom i of the first falls on.
    groups:   atoms of the first whose images may be exchanged, besides; empty where `matches` has all isomorphisms.
    bounded:  not all are tried, so that an RMSD made with them is an upper bound.
    """

    matches: np.ndarray
    groups: tuple[tuple[int, ...], ...] = ()
    bounded: bool = False


def isomorphisms(first: Mol, second: Mol, max_matches: int = MAX_MATCHES) -> Symmetry:
    """How atoms of the first fall on those of the second; give both without hydrogens, or all their atoms count.

    Up to `max_matches` all are listed. Beyond, see the top of this module; if the skeleton alone has more than
    SKELETON_MATCHES, so many of them.
    Raises: MoleculeError if the two are not the same graph.
    """
    same_size = first.GetNumAtoms() == second.GetNumAtoms() and first.GetNumBonds() == second.GetNumBonds()
    matches = second.GetSubstructMatches(_query(first), uniquify=False, maxMatches=max_matches + 1) if same_size else ()
    if not matches:
        names = [Chem.MolToSmiles(mol) for mol in (first, second)]
        raise MoleculeError(f"'{names[0]}' and '{names[1]}' are not the same molecule; compare equal molecules only")
    if len(matches) <= max_matches:
        return Symmetry(np.array(matches, dtype=np.int64))
    by_skeleton = _of_skeletons(first, second, min(max_matches, SKELETON_MATCHES))
    return by_skeleton or Symmetry(np.array(matches[:max_matches], dtype=np.int64), bounded=True)


def heavy_skeleton(mol: Mol) -> tuple[Mol, np.ndarray]:
    """A copy without hydrogens of any kind, and the indices of the atoms left; untouched if nothing would be left."""
    kept = np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() != 1], dtype=np.int64)
    if len(kept) == 0:
        return mol, np.arange(mol.GetNumAtoms())
    return (mol, kept) if len(kept) == mol.GetNumAtoms() else (_without(mol, set(kept.tolist())), kept)


def _without(mol: Mol, kept: set[int]) -> Mol:
    smaller = Chem.RWMol(mol)
    smaller.BeginBatchEdit()
    for index in range(mol.GetNumAtoms()):
        if index not in kept:
            smaller.RemoveAtom(index)
    smaller.CommitBatchEdit()
    return smaller.GetMol()


def _query(mol: Mol) -> Mol:
    """The molecule with the end atoms of conjugated groups made equal."""
    query = Chem.RWMol(mol)
    for terminal, centre in query.GetSubstructMatches(CONJUGATED_TERMINAL):
        query.GetAtomWithIdx(terminal).SetFormalCharge(0)
        query.ReplaceBond(query.GetBondBetweenAtoms(terminal, centre).GetIdx(), SINGLE_OR_DOUBLE)
    return query


def _of_skeletons(first: Mol, second: Mol, max_matches: int) -> Symmetry | None:
    """The isomorphisms of what is left without exchangeable end atoms; None if the skeletons do not match."""
    groups_first, groups_second = _end_groups(first), _end_groups(second)
    kinds: dict[object, int] = {}
    bare_first, kept_first = _bare(first, groups_first, kinds)
    bare_second, kept_second = _bare(second, groups_second, kinds)
    found = bare_second.GetSubstructMatches(_query(bare_first), uniquify=False, maxMatches=max_matches)
    if not found:
        return None
    matches = np.zeros((len(found), first.GetNumAtoms()), dtype=np.int64)
    matches[:, kept_first] = kept_second[np.array(found, dtype=np.int64)]
    for (centre, key), atoms in groups_first.items():
        images = [groups_second[int(image), key] for image in matches[:, centre]]
        matches[:, atoms] = np.array(images, dtype=np.int64)
    groups = tuple(tuple(atoms) for atoms in groups_first.values())
    return Symmetry(matches, groups=groups, bounded=True)


def _end_groups(mol: Mol) -> dict[tuple[int, object], list[int]]:
    """End atoms that are alike, by the atom they sit on and what they are; groups of 2 to MAX_GROUP."""
    conjugated = {terminal for terminal, _ in mol.GetSubstructMatches(CONJUGATED_TERMINAL)}
    groups: defaultdict[tuple[int, object], list[int]] = defaultdict(list)
    for atom in mol.GetAtoms():
        if atom.GetDegree() == 1 and atom.GetNeighbors()[0].GetDegree() > 1:
            groups[atom.GetNeighbors()[0].GetIdx(), _kind(atom, atom.GetIdx() in conjugated)].append(atom.GetIdx())
    return {place: atoms for place, atoms in groups.items() if 2 <= len(atoms) <= MAX_GROUP}


def _kind(atom: Atom, conjugated: bool) -> object:
    """What an end atom is, as far as a match asks."""
    element = (atom.GetAtomicNum(), atom.GetIsotope())
    return (
        (*element, conjugated)
        if conjugated
        else (*element, atom.GetFormalCharge(), str(atom.GetBonds()[0].GetBondType()))
    )


def _bare(mol: Mol, groups: dict[tuple[int, object], list[int]], kinds: dict[object, int]) -> tuple[Mol, np.ndarray]:
    """The molecule without its end groups, and the atoms left; those that had some are told apart by an isotope.

    kinds: number of each combination of groups on an atom, added to here.
    """
    had: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for (centre, kind), atoms in groups.items():
        had[centre].append((str(kind), len(atoms)))
    labelled = Chem.RWMol(mol)
    for centre, kind_counts in had.items():
        combination = (mol.GetAtomWithIdx(centre).GetIsotope(), tuple(sorted(kind_counts)))
        labelled.GetAtomWithIdx(centre).SetIsotope(1000 + kinds.setdefault(combination, len(kinds)))
    gone = {atom for atoms in groups.values() for atom in atoms}
    kept = [index for index in range(mol.GetNumAtoms()) if index not in gone]
    return _without(labelled, set(kept)), np.array(kept, dtype=np.int64)
