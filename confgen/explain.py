"""Which atoms make a conformer fail a check of distances, and by how much."""

from __future__ import annotations

import numpy as np
from rdkit.Chem import Mol

from confgen.contacts import Pairs


def worst_distances(mol: Mol, pos: np.ndarray, pairs: Pairs) -> dict[str, str]:
    """For each check of distances that a conformer fails, the pair of atoms farthest from its limits, in words.

    pos: (N, 3) angstrom, finite.     pairs: from `atom_pairs`. Atoms are counted from 1.
    """
    distance = np.linalg.norm(pos[pairs.first] - pos[pairs.second], axis=1)
    excess = np.maximum(pairs.lower / np.maximum(distance, 1e-6), distance / pairs.upper)
    worst = {}
    for name, kind in pairs.kinds.items():
        at = int(np.argmax(np.where(kind, excess, 0.0))) if kind.any() else None
        if at is None or excess[at] <= 1:
            continue
        short = distance[at] < pairs.lower[at]
        bound = f"at least {pairs.lower[at]:.2f}" if short else f"at most {pairs.upper[at]:.2f}"
        worst[name] = f"{_atoms(mol, pairs.first[at], pairs.second[at])} {distance[at]:.2f} A apart, {bound} allowed"
    return worst


def _atoms(mol: Mol, *indices: int) -> str:
    """`atoms 3 and 9 (C, O)`."""
    symbols = ", ".join(mol.GetAtomWithIdx(int(i)).GetSymbol() for i in indices)
    return f"atoms {' and '.join(str(int(i) + 1) for i in indices)} ({symbols})"
