"""Minima of a force field to start sampling from: of those that many conformers relax to, the ones that cover most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from rdkit import Chem

from confgen.conformers import with_positions
from confgen.descent import minimise
from confgen.distinct import distances, distinct
from confgen.forcefields import Field, mmff94s, uff
from confgen.hypervalent import centres
from confgen.scaffold import Core
from confgen.select import k_medoids

COVERED = 0.4  # angstrom, RMSD within which a start covers what lies around it to two thirds
SAME_MINIMUM = 0.3  # angstrom, heavy-atom RMSD below which two relaxed candidates count as one
RELAXATION_STEPS = 300
NEARLY_KCAL_MOL = 1e-3  # that a motion may still lower a start's energy by: the network moves it farther than that
SCALE_KCAL_MOL = 10.0  # by how much a minimum is higher that counts 1/e of another
HOPELESS_KCAL_MOL = 1e6  # in the place of an energy that is not a number
WATER = 80.0  # dielectric constant


@dataclass(frozen=True)
class Minima:
    """Distinct minima.

    pos:    (M, N, 3) angstrom.
    crowds: how many of the conformers relaxed to each, (M,).
    energies_kcal_mol: (M,), the mean of those in vacuum and in water where a field knows both: vacuum alone favours
        what collapses onto its own charges and polar groups.
    """

    pos: np.ndarray
    crowds: np.ndarray
    energies_kcal_mol: np.ndarray


class Covering:
    """Minima of which some are taken at a time, those first near which a conformer of the molecule most probably lies.

    That is, k medoids of a distance that saturates, 1 - exp(-rmsd / COVERED), weighed by the square root of how many
    conformers relaxed to a minimum and by its energy: far off is no worse than farther off; what distance geometry and
    the force field find often is likelier, but not by as much; and so is what is low, on a scale that forgives the
    field its errors. Of 34 molecules with starts chosen from five times as many, this gave, without energies, COV-R
    65.3% and COV-P 53.6% at 0.75 angstrom, against 64.5% and 52.1% by k medoids of the RMSD itself.
    """

    def __init__(self, mol: Chem.Mol, minima: Minima) -> None:
        self.minima = minima
        self._cost = 1 - np.exp(-distances(with_positions(mol, minima.pos)) / COVERED)
        above = minima.energies_kcal_mol - minima.energies_kcal_mol.min()
        self._weights = np.sqrt(minima.crowds) * np.exp(-above / SCALE_KCAL_MOL)
        self._taken: list[int] = []

    @property
    def taken(self) -> np.ndarray:
        """Positions (K, N, 3) of those taken so far."""
        taken: np.ndarray = self.minima.pos[self._taken]
        return taken

    def take(self, count: int) -> np.ndarray:
        """Positions (at most `count`, N, 3) of minima not taken before; with these they cover most."""
        before = len(self._taken)
        self._taken = k_medoids(self._cost, before + count, self._taken, self._weights)
        return self.taken[before:]


def covering(
    mol: Chem.Mol,
    pos: np.ndarray,
    count: int,
    deadline: float | None,
    core: Core | None,
    dielectric: float | None,
    taken: np.ndarray | None = None,
) -> Covering | None:
    """The minima that positions (K, N, 3) relax to, to take `count` of; None if no force field knows the molecule.

    If there are fewer, those of another medium are added: charges and polar groups collapse onto each other in vacuum
    and let go in water, so that a molecule has shapes in either that the other lacks.
    core:       atoms that stay where they are.     deadline: as in `descent.minimise`.
    dielectric: constant of the medium, None for vacuum.
    taken:      minima (K, N, 3) that are not to come again, as long as there are others.
    """
    embedded = with_positions(mol, pos)
    different = distinct(embedded, range(len(pos)), SAME_MINIMUM)  # others relax to the same
    crowds = _crowds(distances(embedded), different, np.ones(len(pos)))
    media = (dielectric, other_medium(dielectric))
    found = _relaxed(mol, pos[different], crowds, deadline, core, media)
    if found is None:
        return None
    known = pos[:0] if taken is None else taken
    minima = _beside(mol, found, known)
    if len(minima.pos) < count and mmff94s(embedded) is not None:  # UFF knows no media, and would give the same again
        others = _relaxed(mol, pos[different], crowds, deadline, core, media[::-1])
        assert others is not None
        more = _beside(mol, others, np.concatenate((known, minima.pos)))
        minima = Minima(*(np.concatenate(pair) for pair in zip(astuple(minima), astuple(more), strict=True)))
    return Covering(mol, minima if len(minima.pos) else found)


def _beside(mol: Chem.Mol, minima: Minima, known: np.ndarray) -> Minima:
    """Those of the minima that are not among known ones, (K, N, 3)."""
    if not len(known):
        return minima
    both = with_positions(mol, np.concatenate((known, minima.pos)))
    kept = [k - len(known) for k in distinct(both, range(both.GetNumConformers()), SAME_MINIMUM) if k >= len(known)]
    return Minima(minima.pos[kept], minima.crowds[kept], minima.energies_kcal_mol[kept])


def _crowds(distance: np.ndarray, kept: Sequence[int], counts: np.ndarray) -> np.ndarray:
    """How many of the conformers, which count as `counts` (K,), are nearest to each that is kept, (M,).

    distance: of every pair, (K, K).
    """
    return np.bincount(distance[:, kept].argmin(axis=1), counts, len(kept))


def other_medium(dielectric: float | None) -> float | None:
    """Where a molecule that has too few minima in one medium may have others: water for vacuum, else vacuum."""
    return WATER if dielectric is None else None


def _relaxed(
    mol: Chem.Mol,
    pos: np.ndarray,
    crowds: np.ndarray,
    deadline: float | None,
    core: Core | None,
    media: Sequence[float | None],
) -> Minima | None:
    """The distinct minima that positions (K, N, 3) relax to; None if no force field knows them.

    crowds: how many conformers each of the positions stands for, (K,).
    media:  dielectric constants, None for vacuum, of the one they relax in and of the other.
    """
    candidates = with_positions(mol, pos)
    field = _field(candidates, core, media[0])
    if field is None:
        return None
    done = minimise(
        candidates, pos, field, max_steps=RELAXATION_STEPS, deadline=deadline, left_kcal_mol=NEARLY_KCAL_MOL
    )
    energies = _known([attempt.after_kcal_mol for attempt in done])
    relaxed = np.array([attempt.pos for attempt in done])
    ended = with_positions(mol, relaxed)
    kept = distinct(ended, energies.argsort(kind="stable").tolist(), SAME_MINIMUM)
    energies = energies[kept]
    elsewhere = mmff94s(candidates, media[1])
    if elsewhere is not None:
        energies = (energies + _known(elsewhere.energies(relaxed[kept]))) / 2
    return Minima(relaxed[kept], _crowds(distances(ended), kept, crowds), energies)


def eased(
    mol: Chem.Mol, pos: np.ndarray, deadline: float | None, core: Core | None, dielectric: float | None
) -> np.ndarray:
    """Positions (K, N, 3) of the minima below those given; the same again if no force field knows the molecule.

    Takes what `covering` does.
    """
    field = _field(with_positions(mol, pos), core, dielectric) if len(pos) else None
    if field is None:
        return pos
    done = minimise(mol, pos, field, max_steps=RELAXATION_STEPS, deadline=deadline)
    return np.array([attempt.pos for attempt in done])


def _field(mol: Chem.Mol, core: Core | None, dielectric: float | None) -> Field | None:
    """The force field of a molecule with conformers, in which the core stays where it is; None if none knows it."""
    if centres(mol):  # no field knows their angles
        return None
    held = [] if core is None else core.atoms.tolist()
    return mmff94s(mol, dielectric, held) or uff(mol, held)


def _known(energies_kcal_mol: Sequence[float]) -> np.ndarray:
    return np.nan_to_num(energies_kcal_mol, nan=HOPELESS_KCAL_MOL, posinf=HOPELESS_KCAL_MOL)
