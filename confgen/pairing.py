"""Where generation would start, each with the conformer that lies nearest: what a sampler that starts there has to do.

Starts are minima of MMFF94s, reached from RDKit's conformers with their bonds turned after a library, as
`confgen generate` makes them, and from the conformers themselves: so they show how the force field differs from what is
right, and which shapes distance geometry takes for one another.
"""

from __future__ import annotations

import time

import numpy as np
from rdkit import Chem

from confgen.conformers import with_positions
from confgen.descent import minimise
from confgen.forcefields import mmff94s
from confgen.minima import NEARLY_KCAL_MOL, RELAXATION_STEPS
from confgen.rmsd import best_match, rmsd_matrix
from confgen.starts import embedded
from confgen.superpose import rotations
from confgen.symmetry import heavy_skeleton, isomorphisms
from confgen.torsions import TorsionLibrary
from confgen.turning import turned

POOL = 8  # of RDKit's conformers
FAR = 1.25  # angstrom, RMSD from which a start says nothing about the way to a conformer
SEED = 20_000
MAX_MATCHES = 500  # isomorphisms tried for an RMSD
TIME_S = 20.0  # for one molecule


def paired_starts(mol: Chem.Mol, pos: np.ndarray, library: TorsionLibrary) -> tuple[np.ndarray, np.ndarray]:
    """Starts (S, T, 3) angstrom of T heavy atoms, centred, each superposed on its conformer, and which that is (S,).

    pos: (K, N, 3) of all atoms, with the stereochemistry of `mol`.
    Symmetric atoms of a start are in the order in which they lie on those of its conformer; stereochemistry is not
    looked at in this. None for a molecule that MMFF94s lacks parameters for.
    """
    heavy, atoms = heavy_skeleton(mol)
    nothing = np.zeros((0, len(atoms), 3)), np.zeros(0, dtype=np.int64)
    candidates = with_positions(mol, pos)
    field = mmff94s(candidates)
    if field is None:
        return nothing
    deadline = time.monotonic() + TIME_S
    pool = [found for found in embedded(mol, range(SEED, SEED + POOL), deadline, relaxed=True) if found is not None]
    begun = np.concatenate((pos, turned(mol, np.array(pool).reshape(-1, *pos.shape[1:]), library, SEED)))
    done = minimise(
        candidates, begun, field, max_steps=RELAXATION_STEPS, deadline=deadline, left_kcal_mol=NEARLY_KCAL_MOL
    )
    ended = np.array([attempt.pos for attempt in done if not attempt.late]).reshape(-1, *pos.shape[1:])
    starts, own = _centred(ended[:, atoms]), _centred(pos[:, atoms])
    symmetry = isomorphisms(heavy, heavy, MAX_MATCHES)
    apart = rmsd_matrix(own, starts, symmetry)
    nearest = apart.argmin(axis=0) if len(starts) else nothing[1]
    kept = [k for k in range(len(starts)) if apart[nearest[k], k] < FAR]
    if not kept:
        return nothing
    nearest = nearest[kept]
    matched = np.stack([starts[k][best_match(own[r], starts[k], symmetry)] for k, r in zip(kept, nearest, strict=True)])
    return matched @ rotations(own[nearest], matched), nearest


def _centred(pos: np.ndarray) -> np.ndarray:
    centred: np.ndarray = pos - pos.mean(axis=1, keepdims=True)
    return centred
