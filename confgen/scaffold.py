"""A core: atoms of a molecule that are held at given coordinates, and what that does to the atoms around them.

Positions in plain arrays here; `confgen.clamp` holds a core while a molecule is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from confgen.conformers import is_token
from confgen.superpose import rotations


@dataclass(frozen=True, eq=False)
class Core:
    """Heavy atoms of one fragment, (C,) int64 indices of the molecule, held at positions (C, 3) angstrom."""

    atoms: np.ndarray
    positions: np.ndarray


def among(core: Core | None, atoms: np.ndarray) -> Core | None:
    """The core in the numbering of some of the atoms, given ascending; None if it is none of them.

    So it is numbered in a fragment, and in the tokens of one.
    """
    if core is None or not np.isin(core.atoms, atoms).all():
        return None
    return Core(np.searchsorted(atoms, core.atoms), core.positions)


def superposed(core: Core, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) turned and shifted so that their cores lie on the template as well as they can."""
    own = pos[:, core.atoms]
    from_here, to_there = own.mean(1, keepdims=True), core.positions.mean(0)
    target = np.broadcast_to(core.positions - to_there, own.shape)
    moved: np.ndarray = (pos - from_here) @ rotations(target, own - from_here) + to_there
    return moved


def deviation(core: Core, pos: np.ndarray) -> np.ndarray:
    """RMSD of the cores of positions (K, N, 3) from the template where they lie, (K,) angstrom."""
    apart = ((pos[:, core.atoms] - core.positions) ** 2).sum(-1).mean(-1)
    rmsd: np.ndarray = np.sqrt(apart)
    return rmsd


def followers(bonded: np.ndarray, core: Core) -> np.ndarray:
    """How far each atom follows the core's, (N, C): shifts (C, 3) of the core make `followers @ shifts` of them all.

    Under the harmonic prior, whose precision is the Laplacian L of the bond graph, the mean of the other atoms o once
    the core c is known shifts with it by Sigma_oc Sigma_cc^-1 = -L_oo^-1 L_oc. A substituent on one bond moves along
    as a whole, which leaves that bond as it was; a bridge between two atoms of the core is stretched evenly.

    bonded: (N, N) true where atoms are bonded; all must be connected.
    Source: Rue and Held, Gaussian Markov Random Fields, 2005, theorem 2.5.
    """
    bonded = bonded.astype(float)
    laplacian = np.diag(bonded.sum(0)) - bonded
    rest = np.setdiff1d(np.arange(len(bonded)), core.atoms)
    weights = np.zeros((len(bonded), len(core.atoms)))
    weights[core.atoms, np.arange(len(core.atoms))] = 1.0
    if len(rest):
        weights[rest] = np.linalg.solve(laplacian[np.ix_(rest, rest)], -laplacian[np.ix_(rest, core.atoms)])
    return weights


def held(core: Core, pos: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) superposed on the template, the core exactly on it and the rest following.

    weights: (N, C) from `followers`.
    """
    near = superposed(core, pos)
    moved: np.ndarray = near + weights @ (core.positions - near[:, core.atoms])
    moved[:, core.atoms] = core.positions
    return moved


def of_tokens_only(mol: Chem.Mol, core: Core) -> tuple[Core, np.ndarray]:
    """The core of a connected molecule in the numbering of its tokens, and their `followers`, (T, C)."""
    tokens = np.flatnonzero(is_token(mol))
    of_tokens = among(core, tokens)
    assert of_tokens is not None, "a core is of heavy atoms of one fragment"
    return of_tokens, followers(Chem.GetAdjacencyMatrix(mol)[np.ix_(tokens, tokens)], of_tokens)
