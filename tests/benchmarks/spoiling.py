"""Good conformers made bad, in one way each; the strength is drawn at random, so that some are hardly bad at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from confgen.conformers import with_positions
from confgen.shapes import C_C_DOUBLE_BOND

Spoil = Callable[[Chem.Mol, np.random.Generator], Chem.Mol | None]  # None if a molecule does not admit it

SINGLE = Chem.MolFromSmarts("[!#1]-!@[!#1]")
ROTOR = Chem.MolFromSmarts("[!#1;!D1]-!@[!#1;!D1]")


def stretched(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A bond between heavy atoms outside rings, 1.1 to 1.9 times as long."""
    match = _one(mol, SINGLE, random)
    if match is None:
        return None
    conformer = mol.GetConformer()
    length = rdMolTransforms.GetBondLength(conformer, *match)
    rdMolTransforms.SetBondLength(conformer, *match, length * random.uniform(1.1, 1.9))
    return mol


def bent(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """An aromatic ring with one atom 0.2 to 1 angstrom out of its plane."""
    rings = [r for r in mol.GetRingInfo().AtomRings() if all(mol.GetAtomWithIdx(i).GetIsAromatic() for i in r)]
    if not rings:
        return None
    ring = list(rings[random.integers(len(rings))])
    pos = mol.GetConformer().GetPositions()
    normal = np.linalg.svd(pos[ring] - pos[ring].mean(axis=0))[2][2]
    pos[ring[random.integers(len(ring))]] += normal * random.uniform(0.2, 1.0)
    return with_positions(mol, pos[None])


def inverted(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A labelled centre with two neighbours outside rings changed for one another, their branches turned about it."""
    pos = mol.GetConformer().GetPositions()
    for atom in random.permutation(mol.GetNumAtoms()).tolist():
        centre = mol.GetAtomWithIdx(atom)
        if centre.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED:
            continue
        free = [n.GetIdx() for n in centre.GetNeighbors()
                if not mol.GetBondBetweenAtoms(atom, n.GetIdx()).IsInRing()]  # fmt: skip
        if len(free) < 2:
            continue
        spokes = [(pos[i] - pos[atom]) / np.linalg.norm(pos[i] - pos[atom]) for i in free[:2]]
        axis = sum(spokes) / np.linalg.norm(sum(spokes))
        moved = sorted(set(_branch(mol, atom, free[0])) | set(_branch(mol, atom, free[1])))
        arms = pos[moved] - pos[atom]
        pos[moved] = pos[atom] + 2 * np.outer(arms @ axis, axis) - arms  # half a turn
        return with_positions(mol, pos[None])
    return None


def clashing(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """The worst of 36 positions of each of three rotors: whatever comes closest."""
    for _ in range(3):
        match = _one(mol, ROTOR, random)
        if match is None:
            return None
        ends = [next(n.GetIdx() for n in mol.GetAtomWithIdx(a).GetNeighbors() if n.GetIdx() != b)
                for a, b in (match, match[::-1])]  # fmt: skip
        turned = []
        for angle in range(0, 360, 10):
            copy = Chem.Mol(mol)
            rdMolTransforms.SetDihedralDeg(copy.GetConformer(), ends[0], *match, ends[1], float(angle))
            turned.append((_closest(copy), angle))
        rdMolTransforms.SetDihedralDeg(mol.GetConformer(), ends[0], *match, ends[1], float(min(turned)[1]))
    return mol


def twisted(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A C=C outside rings turned by 10 to 90 degrees."""
    matches = [m for m in mol.GetSubstructMatches(C_C_DOUBLE_BOND)
               if not mol.GetBondBetweenAtoms(m[0], m[3]).IsInRing()]  # fmt: skip
    if not matches:
        return None
    a, b, _, d, e, _ = matches[random.integers(len(matches))]
    conformer = mol.GetConformer()
    angle = rdMolTransforms.GetDihedralDeg(conformer, b, a, d, e)
    rdMolTransforms.SetDihedralDeg(conformer, b, a, d, e, angle + random.uniform(10.0, 90.0))
    return mol


def noisy(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """Every atom moved by 0.02 to 0.4 angstrom in each direction (standard deviation)."""
    pos = mol.GetConformer().GetPositions()
    return with_positions(mol, (pos + random.uniform(0.02, 0.4) * random.standard_normal(pos.shape))[None])


KINDS: dict[str, Spoil] = {
    "stretched bond": stretched, "bent ring": bent, "inverted centre": inverted, "clash": clashing,
    "twisted double bond": twisted, "noise": noisy,
}  # fmt: skip


def spoiled(good: list[Chem.Mol], random: np.random.Generator) -> Iterator[tuple[str, Chem.Mol]]:
    """As many as there are good ones, the kinds in turn, each made of the next conformer that admits it."""
    sources = {kind: itertools.cycle(random.permutation(len(good)).tolist()) for kind in KINDS}
    left, number = list(KINDS), 0
    while left and number < len(good):
        kind = left[number % len(left)]
        tries = (KINDS[kind](Chem.Mol(good[next(sources[kind])]), random) for _ in good)
        mol = next((mol for mol in tries if mol is not None), None)
        if mol is None:
            left.remove(kind)
        else:
            number += 1
            yield kind, mol


def _one(mol: Chem.Mol, pattern: Chem.Mol, random: np.random.Generator) -> tuple[int, ...] | None:
    matches = mol.GetSubstructMatches(pattern)
    return matches[random.integers(len(matches))] if matches else None


def _branch(mol: Chem.Mol, root: int, start: int) -> list[int]:
    """Atoms on the far side of a bond outside rings."""
    cut = Chem.RWMol(mol)
    cut.RemoveBond(root, start)
    return next(list(atoms) for atoms in Chem.GetMolFrags(cut) if start in atoms)


def _closest(mol: Chem.Mol) -> float:
    """Shortest distance of heavy atoms more than three bonds apart."""
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()])
    far = (Chem.GetDistanceMatrix(mol) > 3) & heavy & heavy[:, None]
    distance = Chem.Get3DDistanceMatrix(mol)
    return float(distance[far].min()) if far.any() else np.inf
