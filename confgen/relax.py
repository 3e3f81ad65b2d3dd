"""Relaxation of conformers by a force field, by GFN-xTB or by any ASE calculator, and the energies that they then have.

A conformer is never made worse: what fails a check of `confgen.validity` after its relaxation, and did not before,
stays unrelaxed. Of 93 conformers of 32 molecules that was none with MMFF94s and UFF, and 6 with GFN-FF, which draws
hydrogens to fluorine and to the oxygen of sulfonyl.

In vacuum, charges and polar groups of a molecule act on each other at full strength; a dielectric constant (4 as in a
protein, 80 as in water) weakens them. Of 10 ETKDG conformers of 16 polar crystal ligands, the nearest to the bound
shape was 1.26 angstrom away; after MMFF94s in vacuum 1.18, at 4 it was 1.11, at 80 1.08 (standard error of a
difference 0.08).

Cost, CPU seconds for a conformer of 38, 53, 73 atoms from ETKDG, checks and all: UFF 0.01, 0.03, 0.07; MMFF94s 0.02,
0.03, 0.09; GFN-FF 0.07, 0.15, 0.3; GFN2 1.2, 1.7, 5.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from rdkit.Chem import Mol

from confgen import calculators
from confgen.calculation import Method, by_calculator
from confgen.complaints import quiet, short
from confgen.conformers import label, positions, with_positions
from confgen.descent import Attempt, minimise
from confgen.errors import CannotStart
from confgen.forcefields import Field, mmff94s, require_gfnff, uff
from confgen.validity import check

METHODS = ("none", "mmff94s", "uff", "gfnff", "gfn1", "gfn2")
DIELECTRIC = ("mmff94s", "gfn1", "gfn2")  # those that know of one
NAMES = {"mmff94s": "MMFF94s or UFF", "uff": "UFF"}  # of what is tried, both of RDKit
CONVERGED, NOT_CONVERGED, REFUSED, FAILED = "converged", "not converged", "refused: ", "failed"


@dataclass(frozen=True)
class Relaxed:
    """K conformers after their relaxation.

    pos:               (K, N, 3) angstrom; a refused conformer, a failed one and one not begun keep what they came with.
    energies_kcal_mol: (K,) of `pos` as it stands; nan where it was not, or could not be, computed.
    method:            what it was relaxed by: UFF where MMFF94s lacks parameters.
    outcomes:          "converged", "not converged" (also if not begun), "refused: <failed checks>" or "failed".
    checks:            names of the checks that `pos` as it stands fails, of each conformer.
    notes:             lines a user should see.
    """

    pos: np.ndarray
    energies_kcal_mol: np.ndarray
    outcomes: list[str]
    checks: list[list[str]]
    notes: list[str]
    method: str = ""


def check_method(method: Method, dielectric: float | None = None) -> None:
    """Raises CannotStart if there is no such method, its library is missing, or it has no such dielectric constant."""
    if not isinstance(method, str):
        _refuse_no_maker(method)
    else:
        if method not in METHODS:
            raise CannotStart(f"there is no relaxation '{method}'; choose {', '.join(METHODS[:-1])} or {METHODS[-1]}")
        if method == "gfnff":
            require_gfnff()
        elif method in calculators.METHODS:
            calculators.require(method)
    if dielectric is None:
        return
    if method not in DIELECTRIC:
        name = f"the relaxation '{method}'" if isinstance(method, str) else "a calculator of one's own"
        raise CannotStart(f"{name} takes no dielectric constant; {', '.join(DIELECTRIC)} do")
    if not 1 <= dielectric < math.inf:
        raise CannotStart(f"the dielectric constant is {dielectric:g}; it must be 1 (vacuum) or more")


def _refuse_no_maker(method: object) -> None:
    """Raises CannotStart for what makes no calculator of a molecule, such as a calculator itself."""
    makes = callable(method) and (isinstance(method, type) or not hasattr(method, "get_potential_energy"))
    if makes:
        with suppress(ValueError):  # some of what is written in C does not say what it takes
            try:
                inspect.signature(method).bind(None)  # type: ignore[arg-type]
            except TypeError:
                makes = False
    if not makes:
        names = f"{', '.join(METHODS[:-1])} or {METHODS[-1]}"
        given = f"relax is {short(repr(method))}"
        raise CannotStart(f"{given}; give {names}, or a function that makes an ASE calculator for a molecule")


def relax(
    mol: Mol,
    method: Method,
    *,
    max_steps: int = 500,
    dielectric: float | None = None,
    deadline: float | None = None,
    fixed: Sequence[int] = (),
) -> Relaxed:
    """The conformers of `mol`, which has all its hydrogens, relaxed; one that fails never ends a batch.

    method:     a name of METHODS but "none", or a function that makes an ASE calculator for a molecule; it is called
                once, and its calculator serves all conformers. MMFF94s gives way to UFF where it lacks parameters.
    dielectric: constant of the surroundings, for the methods of `DIELECTRIC`; None is vacuum. MMFF94s divides its
                electrostatics by it, GFN gets a continuum.
    deadline:   `time.monotonic()` after which no further conformer is begun, and those at hand of MMFF94s and UFF end.
    fixed:      atoms that stay where they are.
    Raises:     CannotStart as `check_method`.
    """
    check_method(method, dielectric)
    assert method != "none", "it relaxes nothing"
    pos = positions(mol)
    sound = np.flatnonzero(np.isfinite(pos).all(axis=(1, 2)))
    attempts: list[Attempt] = [Attempt(own, failure="a position is not a number") for own in pos]
    made: list[Attempt] = []
    notes: list[str] = []
    name = method if isinstance(method, str) else getattr(method, "__name__", "calculator")
    if len(sound):
        start = with_positions(mol, pos[sound])
        if isinstance(method, str) and method in NAMES:
            name, field = _field(start, method, dielectric, fixed)
            if field is None:
                made = [Attempt(own, failure=f"no parameters in {NAMES[method]}") for own in pos[sound]]
            else:
                notes = [] if name == method else [_instead(mol, dielectric)]
                made = minimise(start, pos[sound], field, max_steps=max_steps, deadline=deadline)
        else:
            made = by_calculator(
                mol, pos[sound], method, max_steps=max_steps, dielectric=dielectric, deadline=deadline, fixed=fixed
            )
    for k, attempt in zip(sound.tolist(), made, strict=True):
        attempts[k] = attempt
    relaxed = _judged(mol, pos, attempts)
    notes += _notes(label(mol), attempts, relaxed.outcomes, max_steps)
    return replace(relaxed, notes=notes, method=name)


def _field(mol: Mol, method: str, dielectric: float | None, fixed: Sequence[int]) -> tuple[str, Field | None]:
    """RDKit's force field for a molecule and its name, which may not be the one asked for; None if there is none."""
    field = None if method == "uff" else mmff94s(mol, dielectric, fixed)
    return (method, field) if field is not None else ("uff", uff(mol, fixed))


def _instead(mol: Mol, dielectric: float | None) -> str:
    lost = "" if dielectric is None else ", which knows no dielectric constant"
    return f"{label(mol)}: MMFF94s lacks parameters for it; relaxed by UFF instead{lost}"


def _judged(mol: Mol, pos: np.ndarray, attempts: list[Attempt]) -> Relaxed:
    """What is kept of the attempts, without notes."""
    kept, energies, outcomes, checks = pos.copy(), np.full(len(pos), np.nan), [], []
    after = np.array([attempt.pos for attempt in attempts]).reshape(pos.shape)
    with quiet():
        already, now = check(mol), check(with_positions(mol, after))
    for k, attempt in enumerate(attempts):
        new = [name for name in now[k] if name not in already[k]]
        if attempt.failure or new:
            outcomes.append(FAILED if attempt.failure else REFUSED + ", ".join(new))
            energies[k] = attempt.before_kcal_mol
            checks.append(already[k])
        else:
            outcomes.append(CONVERGED if attempt.converged else NOT_CONVERGED)
            energies[k], kept[k] = attempt.after_kcal_mol, attempt.pos
            checks.append(now[k])
    return Relaxed(kept, energies, outcomes, checks, [])


def _notes(where: str, attempts: list[Attempt], outcomes: list[str], max_steps: int) -> list[str]:
    """One line for each kind of conformer that is not as it was asked for."""
    late = sum(attempt.late for attempt in attempts)
    cut_short = sum(attempt.cut_short for attempt, outcome in zip(attempts, outcomes, strict=True)
                    if outcome == NOT_CONVERGED)  # fmt: skip
    slow = outcomes.count(NOT_CONVERGED) - late - cut_short
    failures = [attempt.failure for attempt in attempts if attempt.failure]
    refused = [outcome.removeprefix(REFUSED) for outcome in outcomes if outcome.startswith(REFUSED)]
    broken = Counter(name for names in refused for name in names.split(", "))
    checks = ", ".join(f"{name} {count}" for name, count in broken.most_common())
    of = f"of {len(outcomes)} conformers"
    lines = {
        f"{slow} {of} had not converged after {max_steps} steps": slow,
        f"{cut_short} {of} had not converged when time was up": cut_short,
        f"{len(refused)} {of} stay unrelaxed, since relaxation broke them ({checks})": len(refused),
        f"{len(failures)} {of} could not be relaxed ({failures[0] if failures else ''})": len(failures),
        f"{late} {of} stay unrelaxed, since time was up": late,
    }
    return [f"{where}: {line}" for line, count in lines.items() if count]
