"""How the symmetries of a bond graph carry its stereo elements into each other.

Two labellings (R or S, E or Z, one for each element) of one graph are the same molecule exactly if a symmetry of the
graph carries one into the other. That is the definition, so nothing is overlooked: ring cis and trans, meso forms, the
spiro atom whose two rings are alike, elements that only matter together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Mol

MOST = 2000  # symmetries of a graph that are looked at; end groups such as CF3 and t-Bu count for none of them


@dataclass(frozen=True)
class Relabelling:
    """A symmetries, S elements. Good for any labels of these elements, +1 or -1 for each.

    image:  (A, S) the element that each one is carried to.
    parity: (A, S) -1 where the label turns over on the way.
    """

    image: NDArray[np.int64]
    parity: NDArray[np.int64]

    def same(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
        """Whether two labellings (S,) are the same molecule."""
        return bool((one * self.parity == other[self.image]).all(axis=1).any())

    def canonical(self, labels: NDArray[np.int64]) -> bytes:
        """The same for all labellings of one molecule, different for those of two."""
        carried = np.zeros_like(self.image)
        np.put_along_axis(carried, self.image, labels * self.parity, axis=1)
        return bytes(min(row.astype(np.int8).tobytes() for row in carried))

    def meaningful(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which elements turned over alone make another molecule, (S,)."""
        turned = labels * (1 - 2 * np.eye(len(labels), dtype=np.int64))
        return np.array([not self.same(labels, other) for other in turned], dtype=bool)


def relabelling(atoms_to: NDArray[np.int64], centres: NDArray[np.int64], torsions: NDArray[np.int64]) -> Relabelling:
    """What every symmetry of a bond graph does to the elements.

    atoms_to: (A, N) as from `symmetries`.
    centres:   (C, 5) an atom and its neighbours; a lone pair is the atom again.
    torsions: (T, 4) a substituent, the two ends of a double bond or an axis, a substituent of the other.
    Symmetries that carry an element to a place where there is none are left out.
    """
    place: dict[tuple[int, ...], int] = {(int(centre[0]),): s for s, centre in enumerate(centres)}
    place |= {_ends_of(t): len(centres) + s for s, t in enumerate(torsions)}
    images, parities = [], []
    for to in atoms_to:
        image = [place.get((int(to[centre[0]]),), -1) for centre in centres]
        image += [place.get(_ends_of(to[t]), -1) for t in torsions]
        if min(image, default=0) < 0:
            continue
        count = len(centres)
        turned = [_permutation_sign(to[c[1:]], centres[s][1:]) for c, s in zip(centres, image[:count], strict=True)]
        turned += [_ends_sign(to[t], torsions[s - count]) for t, s in zip(torsions, image[count:], strict=True)]
        images.append(image)
        parities.append(turned)
    shape = (len(images), len(centres) + len(torsions))
    return Relabelling(np.array(images, np.int64).reshape(shape), np.array(parities, np.int64).reshape(shape))


def symmetries(mol: Mol) -> NDArray[np.int64]:
    """Where each atom goes in every symmetry of the bond graph of `mol`, stereochemistry aside, (A, N); at most MOST.

    End atoms follow their neighbour; alike ones on one atom keep their order, for no element tells them apart.
    """
    inner = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetDegree() > 1]
    if not inner:
        return np.arange(mol.GetNumAtoms())[None]
    skeleton = Chem.RWMol(mol)
    Chem.RemoveStereochemistry(skeleton)
    skeleton.RemoveAllConformers()
    rank = np.array(Chem.CanonicalRankAtoms(skeleton, breakTies=False, includeAtomMaps=False), dtype=np.int64)
    skeleton.BeginBatchEdit()
    for atom in skeleton.GetAtoms():
        atom.SetIsotope(int(rank[atom.GetIdx()]) + 1)  # only atoms of one rank match, which also stands for end atoms
        if atom.GetDegree() < 2:
            skeleton.RemoveAtom(atom.GetIdx())
    skeleton.CommitBatchEdit()
    ends = {i: _ends(mol, i, rank) for i in inner}
    found = []
    for match in skeleton.GetSubstructMatches(skeleton, uniquify=False, maxMatches=MOST):
        to = np.arange(mol.GetNumAtoms())
        for here, there in zip(inner, (inner[m] for m in match), strict=True):
            to[here] = there
            to[ends[here]] = ends[there]
        found.append(to)
    return np.array(found, dtype=np.int64)


def _ends(mol: Mol, atom: int, rank: NDArray[np.int64]) -> list[int]:
    """The end atoms on an atom, by rank."""
    found = [n.GetIdx() for n in mol.GetAtomWithIdx(atom).GetNeighbors() if n.GetDegree() == 1]
    return sorted(found, key=lambda end: (rank[end], end))


def _permutation_sign(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Sign of the permutation that puts two orders of the same four atoms in line."""
    order = [list(other).index(atom) for atom in one]
    swaps = sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))
    return -1 if swaps % 2 else 1


def _ends_sign(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """-1 if two torsions about one bond are measured from different substituents at one end, but not at both."""
    if one[1] != other[1]:
        one = one[::-1]
    return (1 if one[0] == other[0] else -1) * (1 if one[3] == other[3] else -1)


def _ends_of(torsion: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(sorted(int(atom) for atom in torsion[1:3]))
