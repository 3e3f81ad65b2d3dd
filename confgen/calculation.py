"""Relaxation of the conformers of a molecule by ASE calculators: GFN2-xTB, GFN1-xTB, GFN-FF, or one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase.constraints import FixAtoms
from rdkit.Chem import Mol
from threadpoolctl import threadpool_limits

from confgen.calculators import KCAL_MOL_EV, atoms_of, calculator, descend
from confgen.conformers import with_positions
from confgen.descent import Attempt
from confgen.errors import ConfgenError
from confgen.forcefields import gfnff
from confgen.helpers import shared
from confgen.stiffness import Springs

# Of all conformers together: about a second's work, as long as it takes to start one.
ATOMS_OF_A_HELPER = {"gfnff": 500, "gfn1": 50, "gfn2": 50}
FMAX_EV_A = 0.05  # largest force on an atom at which a relaxation has converged; `descent` has a limit of its own

Method = str | Callable[[Mol], Any]


def by_calculator(
    mol: Mol,
    pos: np.ndarray,
    method: Method,
    *,
    max_steps: int,
    dielectric: float | None,
    deadline: float | None,
    fixed: Sequence[int],
) -> list[Attempt]:
    """What became of every conformer of `pos`, (K, N, 3) angstrom, K at least 1.

    method: "gfn2", "gfn1" or "gfnff", however many processes share them; or what makes an ASE calculator for `mol`, by
            which they are done one after another.
    The rest is as `relax.relax` has it. Raises: ConfgenErrors of the calculators; any other is a failed attempt.
    """
    rest = (max_steps, dielectric, deadline, list(fixed))
    if not isinstance(method, str):
        own = _Calculation(mol, method, *rest, pos[0])
        return [own(start) for start in pos]
    bare = with_positions(mol, pos[:0])
    with _one_thread(method):
        model = _usable(bare, pos) if method == "gfnff" else pos[0]
    most = pos.shape[0] * pos.shape[1] // ATOMS_OF_A_HELPER[method]
    return shared(_Calculation(bare, method, *rest, model), list(pos), most)


@dataclass(frozen=True)
class _Calculation:
    """The relaxation of one conformer of a molecule after another.

    model: the conformer (N, 3) angstrom of which GFN-FF takes the parameters for all.
    """

    mol: Mol
    method: Method
    max_steps: int
    dielectric: float | None
    deadline: float | None
    fixed: list[int]
    model: np.ndarray

    def __call__(self, start: np.ndarray) -> Attempt:
        if self.deadline is not None and time.monotonic() > self.deadline:
            return Attempt(start, late=True)
        atoms, before = atoms_of(self.mol, start), np.nan
        atoms.set_constraint(FixAtoms(self.fixed))
        try:
            with np.errstate(all="ignore"), _one_thread(self.method):
                atoms.calc = self._calculator
                before = float(atoms.get_potential_energy()) / KCAL_MOL_EV
                if not np.isfinite(before):  # atoms on each other, as GFN-FF has it
                    return Attempt(start, failure="its energy is not a number")
                converged = descend(atoms, self._springs, FMAX_EV_A, self.max_steps)
                after = float(atoms.get_potential_energy()) / KCAL_MOL_EV
        except ConfgenError:
            raise
        except Exception as error:  # a calculator may be anyone's, and raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            return Attempt(start, before, failure=reason)
        return Attempt(atoms.get_positions(), before, after, converged)

    @property
    def _calculator(self) -> Any:
        """That of the next conformer; afresh, since those with a name remember something of the last one."""
        if not isinstance(self.method, str):
            return self._own
        if self.method == "gfnff":
            return _gfnff_of(self.mol, self.model)
        return calculator(self.method, self.mol, self.dielectric)

    @cached_property
    def _own(self) -> Any:
        assert not isinstance(self.method, str)
        return self.method(self.mol)

    @cached_property
    def _springs(self) -> Springs:
        return Springs(self.mol)


def _usable(mol: Mol, pos: np.ndarray) -> np.ndarray:
    """The first of the conformers (K, N, 3) that GFN-FF can take parameters from; if it can from none, the first."""
    for own in pos:
        with suppress(RuntimeError):
            _gfnff_of(mol, own)
            return np.asarray(own)
    return np.asarray(pos[0])


def _gfnff_of(mol: Mol, model: np.ndarray) -> Any:
    """GFN-FF with the parameters of a conformer (N, 3). Raises RuntimeError if it can take none from it."""
    found = gfnff(mol)
    found.get_potential_energy(atoms_of(mol, model))
    return found


def _one_thread(method: Method) -> AbstractContextManager[object]:
    """Inside, a calculation has one thread, that of a calculator of one's own as many as its owner likes.

    More would have to wait for each other: with two, GFN-FF takes several times as long, and its last digits vary.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1) if isinstance(method, str) else nullcontext()
    return limits
