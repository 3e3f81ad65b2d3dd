"""A molecule cut at single bonds into parts that overlap, each small enough for distance geometry to be quick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

PART = 60  # atoms that a part has at most, where bonds that can be cut allow it
LEAST = 12  # atoms below which it is none of its own
LONE_PAIRS = (7, 8, 16, 15)  # with a neighbour of a double bond they make an amide or the like, which is not cut


@dataclass(frozen=True)
class Part:
    """Some of a molecule's atoms, with those beyond the bonds that they hang on.

    own:   atoms of the molecule that are placed by this part; each is in one.
    seen:  atoms of the molecule that `mol` has, in its order: own and, beyond each bond that was cut, an atom with its
           neighbours. Atoms that these miss are hydrogens of `mol`, in the places of the molecule's own.
    bond:  (i, j), the bond to an earlier part that has i; None for the first.
    """

    own: np.ndarray
    seen: np.ndarray
    mol: Chem.Mol
    bond: tuple[int, int] | None


def parts(mol: Chem.Mol) -> list[Part]:
    """The parts of a molecule, each after the one that it hangs on; of about PART atoms, where it can be cut so."""
    blocks, bonds = _blocks(mol)
    groups, cut = _grouped(blocks, bonds)
    owner = {atom: number for number, group in enumerate(groups) for atom in group}
    hanging: dict[int, list[tuple[int, int]]] = {number: [] for number in range(len(groups))}
    for i, j in cut:
        hanging[owner[i]].append((i, j))
        hanging[owner[j]].append((j, i))
    found: list[Part] = []
    waiting: list[tuple[int, tuple[int, int] | None]] = [(max(owner.values(), key=lambda n: len(groups[n])), None)]
    for number, bond in waiting:
        found.append(_part(mol, sorted(groups[number]), hanging[number], bond))
        waiting += [(owner[j], (i, j)) for i, j in hanging[number] if bond is None or (j, i) != bond]
    return found


def _blocks(mol: Chem.Mol) -> tuple[list[set[int]], list[tuple[int, int]]]:
    """Atoms that no bond between them may be cut, and the bonds that may be, as atoms."""
    bonds = [bond for bond in mol.GetBonds() if _may_be_cut(bond)]
    rest = Chem.RWMol(mol)
    for bond in bonds:
        rest.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    blocks = [set(atoms) for atoms in Chem.GetMolFrags(rest)]
    return blocks, [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]


def _may_be_cut(bond: Chem.Bond) -> bool:
    """Single, outside rings, without stereochemistry, with more at both ends, and no amide, ester or the like."""
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    if bond.GetBondType() != Chem.BondType.SINGLE or bond.IsInRing() or bond.GetStereo():
        return False
    if any(atom.GetAtomicNum() == 1 or atom.GetDegree() < 2 for atom in ends):
        return False
    return not (bond.GetIsConjugated() and any(atom.GetAtomicNum() in LONE_PAIRS for atom in ends))


def _grouped(blocks: list[set[int]], bonds: list[tuple[int, int]]) -> tuple[list[set[int]], list[tuple[int, int]]]:
    """Blocks united to groups of at most PART atoms, and the bonds between groups; blocks and bonds are a tree.

    From the leaves inwards: a block takes over what hangs on it, the smallest first, as long as there is room, and
    always what has fewer than LEAST.
    """
    of = {atom: number for number, block in enumerate(blocks) for atom in block}
    tree: dict[int, list[tuple[int, tuple[int, int]]]] = {number: [] for number in range(len(blocks))}
    for i, j in bonds:
        tree[of[i]].append((of[j], (i, j)))
        tree[of[j]].append((of[i], (j, i)))
    order, above = [0], {0: -1}
    for number in order:
        below = [other for other, _ in tree[number] if other != above[number]]
        above |= dict.fromkeys(below, number)
        order += below
    group, cut = [set(block) for block in blocks], []
    for number in reversed(order):
        below_here = [(other, bond) for other, bond in tree[number] if other != above[number]]
        for other, bond in sorted(below_here, key=lambda pair: len(group[pair[0]])):
            if len(group[other]) < LEAST or len(group[number]) + len(group[other]) <= PART:
                group[number] |= group[other]
                group[other] = set()
            else:
                cut.append(bond)
    return [atoms for atoms in group if atoms], cut


def _part(mol: Chem.Mol, own: list[int], hanging: list[tuple[int, int]], bond: tuple[int, int] | None) -> Part:
    """The part of some atoms, of which bonds (i, j) lead out, i inside."""
    seen = set(own)
    for _, j in hanging:
        waiting = [j, *neighbours(mol, j)]
        for atom in waiting:  # rings and multiple bonds are not left half
            if atom not in seen:
                seen.add(atom)
                waiting += [n for n in neighbours(mol, atom) if not _ends_at(mol, atom, n)]
    border = {n for atom in seen for n in neighbours(mol, atom)} - seen
    part = Chem.RWMol(mol)
    for atom in border:
        part.ReplaceAtom(atom, Chem.Atom(1))
    kept = sorted(seen | border)
    part.BeginBatchEdit()
    for atom in set(range(mol.GetNumAtoms())).difference(kept):
        part.RemoveAtom(atom)
    part.CommitBatchEdit()
    Chem.SanitizeMol(part)
    return Part(np.array(own), np.array(kept), part.GetMol(), bond)


def _ends_at(mol: Chem.Mol, first: int, second: int) -> bool:
    """Whether a part may end at a bond, with a hydrogen in the place of what is beyond."""
    bond = mol.GetBondBetweenAtoms(first, second)
    return bond.GetBondType() == Chem.BondType.SINGLE and not bond.IsInRing()


def neighbours(mol: Chem.Mol, atom: int) -> list[int]:
    """Indices of the atoms bonded to one, in the order of its bonds."""
    return [int(n.GetIdx()) for n in mol.GetAtomWithIdx(atom).GetNeighbors()]
