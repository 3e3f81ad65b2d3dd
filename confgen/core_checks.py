"""Whether the coordinates of a core suit the molecule that is to have them."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.contacts import LIMITS, atom_pairs
from confgen.scaffold import Core
from confgen.stereo import FLAT, elements, scores
from confgen.validity import SHAPES

REACH = 1.1  # of the upper bound of a distance: what is farther apart strains the molecule


def core_faults(mol: Mol, core: Core) -> list[str]:
    """Names of the checks that the atoms of the core fail by themselves: so does any conformer that has it."""
    is_core = np.zeros(mol.GetNumAtoms(), dtype=bool)
    is_core[core.atoms] = True
    pos = np.zeros((mol.GetNumAtoms(), 3))
    pos[core.atoms] = core.positions
    pairs = atom_pairs(mol, LIMITS)
    own = is_core[pairs.first] & is_core[pairs.second]
    distance = np.linalg.norm(pos[pairs.first] - pos[pairs.second], axis=1)
    outside = own & ((distance < pairs.lower) | (distance > pairs.upper))
    failed = [name for name, kind in pairs.kinds.items() if (outside & kind).any()]
    alone = Chem.RWMol(mol)
    alone.RemoveAllConformers()
    for atom in range(mol.GetNumAtoms() - 1, -1, -1):
        if not is_core[atom]:
            alone.RemoveAtom(atom)
    Chem.GetSymmSSSR(alone)
    return failed + [name for name, is_wrong in SHAPES.items() if is_wrong(alone, pos[None, is_core])[0]]


def within_reach(core: Core, bounds: np.ndarray) -> bool:
    """Whether the atoms of the core are about as far apart as distance geometry lets them be.

    bounds: (N, N), lower bounds below the diagonal and upper ones above.
    """
    first, second = np.sort(core.atoms[np.array(np.triu_indices(len(core.atoms), k=1))], axis=0)
    place = np.zeros((len(bounds), 3))
    place[core.atoms] = core.positions
    distance = np.linalg.norm(place[first] - place[second], axis=1)
    near_enough, far_enough = (
        distance <= REACH * bounds[first, second],
        distance >= LIMITS.clash * bounds[second, first],
    )
    return bool(near_enough.all() and far_enough.all())


def wrong_hands(mol: Mol, core: Core) -> list[str]:
    """Names of the stereo elements that the core's coordinates settle, and settle wrongly or leave flat.

    An atom outside the core that is the only one missing around an atom of it is put opposite to the others.
    """
    wanted = elements(mol)
    is_core = np.zeros(mol.GetNumAtoms(), dtype=bool)
    is_core[core.atoms] = True
    rows = [list(row) for row in wanted.centres] + [list(row) for row in wanted.torsions]
    axes = [row[:1] for row in wanted.centres.tolist()] + [row[1:3] for row in wanted.torsions.tolist()]
    pos = np.zeros((len(rows), mol.GetNumAtoms(), 3))  # for each element its own
    pos[:, core.atoms] = core.positions
    settled = []
    for own, row, middle in zip(pos, rows, axes, strict=True):
        known = is_core.copy()
        for index in middle if is_core[middle].all() else []:
            around = np.array([n.GetIdx() for n in mol.GetAtomWithIdx(index).GetNeighbors()])
            missing, there = around[~is_core[around]], around[is_core[around]]
            if len(missing) == 1 and len(there) > 1:
                spokes = own[there] - own[index]
                own[missing] = own[index] - (spokes / np.linalg.norm(spokes, axis=1, keepdims=True)).sum(0)
                known[missing] = True
        settled.append(bool(known[row].all()))
    value = np.diagonal(scores(wanted, pos))
    return [name for name, score, known_ in zip(wanted.names, value, settled, strict=True) if known_ and score < FLAT]
