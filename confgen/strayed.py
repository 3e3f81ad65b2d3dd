"""Where a force field takes conformers that are right: what a sampler that starts there has to undo."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from confgen.forcefields import minimise, mmff94s
from confgen.minima import RELAXATION_STEPS, WATER
from confgen.molecule import with_positions
from confgen.superpose import rotations, superposed_rmsd

FAR = 1.0  # angstrom, RMSD from which a minimum has another shape, and says nothing about the way back
IN_WATER = 4  # one conformer of so many relaxes in water, as some starts do


def strayed(mol: Chem.Mol, pos: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The minima of MMFF94s that conformers (K, N, 3) relax to, superposed on them, of the T kept atoms (N,) bool.

    (K, T, 3) angstrom, centred; nan for one that strays by FAR or more, or nearer to another conformer than to its
    own, and for all of a molecule that MMFF94s lacks parameters for.
    """
    own = _centred(pos[:, kept])
    ended = np.full(own.shape, np.nan)
    in_water = np.arange(len(pos)) % IN_WATER == IN_WATER - 1
    for medium, chosen in ((None, ~in_water), (WATER, in_water)):
        if not chosen.any():
            continue
        candidates = with_positions(mol, pos[chosen])
        field = mmff94s(candidates, medium)
        if field is None:
            return ended
        done = minimise(candidates, pos[chosen], field, max_steps=RELAXATION_STEPS, deadline=None, threads=1)
        ended[chosen] = _centred(np.array([attempt.pos for attempt in done])[:, kept])
    ended = ended @ rotations(own, ended)
    apart = np.array([superposed_rmsd(own, np.broadcast_to(one, own.shape)) for one in ended])
    back = (apart.argmin(axis=1) == np.arange(len(own))) & (apart.diagonal() < FAR)
    return np.where(back[:, None, None], ended, np.nan)


def _centred(pos: np.ndarray) -> np.ndarray:
    centred: np.ndarray = pos - pos.mean(axis=1, keepdims=True)
    return centred
