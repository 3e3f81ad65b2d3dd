"""Coordinates of large molecules, joined from parts that distance geometry embeds one by one.

The time of distance geometry grows with the cube of the atoms, and from some hundred on it often finds nothing: it has
to meet all bounds at once. A part takes a fraction of a second whatever it belongs to, and parts joined at single bonds
meet the bounds of each; only their clashes with each other are left to be looked after.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from rdkit import Chem

from confgen.complaints import quiet
from confgen.cutting import Part, neighbours, parts
from confgen.embed import embed
from confgen.rotors import turned
from confgen.superpose import rotations
from confgen.ways import MAX_SEED

LARGE = 200  # atoms from which molecules are joined; below, distance geometry takes less than a second
VARIANTS = 2  # embeddings of a part that are tried where it clashes
TURNS = 12  # about the bond that it hangs on, for each of these
STARTS_ANEW = 4  # of the whole, where a part finds no room: it may lie in a pocket of those before it
ROOM = 0.75  # of the sum of two atoms' van der Waals radii; nearer is a clash
TABLE = Chem.GetPeriodicTable()


def embed_large(mol: Chem.Mol, seeds: Sequence[int], deadline: float | None = None) -> list[np.ndarray | None]:
    """As `embed`, for every size: from LARGE atoms on joined from parts, and embedded whole where that does not do.

    mol: one connected molecule with explicit hydrogens.
    Returns: positions (N, 3) angstrom for every seed, None where there are none.
    """
    if mol.GetNumAtoms() < LARGE:
        return embed(mol, seeds, deadline=deadline)
    found = joined(mol, seeds, deadline)
    missing = [k for k, pos in enumerate(found) if pos is None]
    whole = embed(mol, [seeds[k] for k in missing], deadline=deadline)
    for k, pos in zip(missing, whole, strict=True):
        found[k] = pos
    return found


def joined(mol: Chem.Mol, seeds: Sequence[int], deadline: float | None = None) -> list[np.ndarray | None]:
    """Positions (N, 3) angstrom for every seed; None where a part cannot be embedded or there is nothing to cut."""
    with quiet():
        try:
            divided = parts(mol)
        except Chem.MolSanitizeException:  # of a part: its atoms need those that it does not see
            divided = []
        if len(divided) < 2:
            return [None] * len(seeds)
        return [_joined(mol, divided, seed, deadline) for seed in seeds]


def _joined(mol: Chem.Mol, divided: list[Part], seed: int, deadline: float | None) -> np.ndarray | None:
    generator = np.random.default_rng(seed)
    radii = np.array([TABLE.GetRvdw(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    best, least = None, np.inf
    for _ in range(STARTS_ANEW):
        found, clash = _laid(mol, divided, radii, generator, deadline)
        if found is None or (deadline is not None and time.monotonic() > deadline):
            break
        if clash < least:
            best, least = found, clash
        if not clash:
            break
    return best


def _laid(
    mol: Chem.Mol, divided: list[Part], radii: np.ndarray, generator: np.random.Generator, deadline: float | None
) -> tuple[np.ndarray | None, float]:
    """Positions (N, 3), each part laid on what is there where it has most room, and how far atoms clash."""
    pos = np.full((mol.GetNumAtoms(), 3), np.nan)  # of what is placed, or seen by what is placed
    placed = np.zeros(len(pos), dtype=bool)
    total = 0.0
    for part in divided:
        best, least = None, np.inf
        for candidate in _candidates(mol, part, pos, generator, deadline):
            clash = _clash(mol, part, candidate, pos, placed, radii)
            if clash < least:
                best, least = candidate, clash
            if not clash:
                break
        if best is None:
            return None, np.inf
        unknown = ~placed[part.seen]
        pos[part.seen[unknown]] = best[unknown]
        placed[part.own] = True
        total += least
    return pos, total


def _candidates(
    mol: Chem.Mol, part: Part, pos: np.ndarray, generator: np.random.Generator, deadline: float | None
) -> Iterator[np.ndarray]:
    """Places for all that a part sees, (S, 3): as the part that it hangs on has it, and turned about the bond."""
    for _ in range(VARIANTS):
        [found] = embed(part.mol, [int(generator.integers(1, MAX_SEED))], deadline=deadline)
        if found is None:
            continue
        if part.bond is None:
            yield found
            return
        i, j = part.bond
        other = next(n for n in neighbours(mol, j) if n != i)
        bond = np.searchsorted(part.seen, (i, j, other))
        there, here, origin = _axes(pos[[i, j, other]]), _axes(found[bond]), pos[j]
        first = (found - found[bond[1]]) @ rotations(there[None], here[None])[0]
        axis = (origin - pos[i]) / np.linalg.norm(origin - pos[i])
        yield first + origin
        turns = generator.uniform(-np.pi, np.pi, TURNS - 1)
        yield from turned(first[None], axis[None], turns[None])[0] + origin


def _axes(corners: np.ndarray) -> np.ndarray:
    """Along a bond i-j and from it towards a neighbour of j, of length 1, (2, 3), from their positions (3, 3).

    No more of an end is superposed: a centre whose stereochemistry is open may be another in each part.
    """
    i, j, other = corners
    along = (j - i) / np.linalg.norm(j - i)
    across = (other - j) - (other - j) @ along * along
    return np.stack([along, across / max(float(np.linalg.norm(across)), 1e-6)])


def _clash(
    mol: Chem.Mol, part: Part, candidate: np.ndarray, pos: np.ndarray, placed: np.ndarray, radii: np.ndarray
) -> float:
    """How far a part's own atoms reach into those that are placed, beyond the bond between them, angstrom^2."""
    if part.bond is None:
        return 0.0
    i, j = part.bond
    others = np.flatnonzero(placed)
    own = candidate[np.searchsorted(part.seen, part.own)]
    apart = np.linalg.norm(own[:, None] - pos[others], axis=-1)
    inside = np.maximum(ROOM * (radii[part.own][:, None] + radii[others]) - apart, 0.0)
    near = np.isin(part.own, [j, *neighbours(mol, j)])[:, None] & np.isin(others, [i, *neighbours(mol, i)])
    return float((inside[~near] ** 2).sum())
