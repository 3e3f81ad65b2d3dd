"""Force fields: MMFF94s and UFF by RDKit, with a relaxation of many conformers at once, and GFN-FF as ASE calculator.

Halgren, J. Comput. Chem. 1999, 20, 720 (MMFF94s); Rappe et al., J. Am. Chem. Soc. 1992, 114, 10024 (UFF); Spicher and
Grimme, Angew. Chem. Int. Ed. 2020, 59, 15665 (GFN-FF), by the library gfnff of the optional extra `xtb`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import Mol, rdForceFieldHelpers
from rdkit.ForceField.rdForceField import ForceField
from scipy.optimize import minimize

from confgen.calculators import threads
from confgen.cores import thread_count
from confgen.molecule import with_positions
from confgen.optional import imported

LOT = 4  # conformers for each thread between looks at the clock: with one, threads wait for the slowest
LARGE = 200  # atoms from which BFGS, RDKit's way, has most of its time go into a matrix of (3 N)^2
REMEMBERED = 20  # steps by which L-BFGS knows the curvature
AT_REST_KCAL_MOL_A = 0.005  # largest component of the gradient at a minimum
EVERY_PAIR = 1e4  # farther apart than any two atoms, in angstrom as in radii: or the field would depend on a conformer


@dataclass(frozen=True)
class Attempt:
    """What a relaxation made of one conformer: positions (N, 3) angstrom, energy before and after it.

    failure: why there is nothing, and then `pos` is what it was.     late: time was up before it began, likewise.
    """

    pos: np.ndarray
    before_kcal_mol: float = np.nan
    after_kcal_mol: float = np.nan
    converged: bool = False
    failure: str = ""
    late: bool = False


@dataclass(frozen=True)
class Field:
    """RDKit's force field of a molecule. It points into the conformer of `mol`, which has to live as long."""

    field: ForceField
    mol: Mol

    def energies(self, pos: np.ndarray) -> list[float]:
        """Of every conformer of `pos`, (K, N, 3) angstrom; kcal/mol."""
        return [float(self.field.CalcEnergy(own.ravel().tolist())) for own in pos]


def mmff94s(mol: Mol, dielectric: float | None = None) -> Field | None:
    """The MMFF94s of `mol`, which has a conformer; None if it lacks parameters (boron, most metals, odd valences).

    dielectric: constant, at least 1; None is vacuum.
    """
    copy = Chem.Mol(mol)  # RDKit puts MMFF's own aromaticity on the molecule that it is given
    with rdBase.BlockLogs():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(copy, mmffVariant="MMFF94s")
        if properties is None:
            return None
        if dielectric is not None:
            properties.SetMMFFDielectricConstant(float(dielectric))
        field: ForceField | None = rdForceFieldHelpers.MMFFGetMoleculeForceField(
            copy, properties, nonBondedThresh=EVERY_PAIR, ignoreInterfragInteractions=False
        )
    return None if field is None else Field(field, copy)


def uff(mol: Mol) -> Field | None:
    """The UFF of `mol`, which has a conformer; None if it does not know an atom."""
    copy = Chem.Mol(mol)
    with rdBase.BlockLogs():
        if not rdForceFieldHelpers.UFFHasAllMoleculeParams(copy):
            return None
        field: ForceField | None = rdForceFieldHelpers.UFFGetMoleculeForceField(
            copy, vdwThresh=EVERY_PAIR, ignoreInterfragInteractions=False
        )
    return None if field is None else Field(field, copy)


def minimise(mol: Mol, pos: np.ndarray, field: Field, *, max_steps: int, deadline: float | None) -> list[Attempt]:
    """What became of every conformer of `pos`, (K, N, 3) angstrom, in that field; threads share them.

    From LARGE atoms on by L-BFGS, one after another: a third of BFGS's time at 330 atoms, a sixth at 700.

    deadline: `time.monotonic()` after which none is begun; looked at between lots of LOT conformers for each thread.
              That of a large molecule ends there.
    """
    if mol.GetNumAtoms() >= LARGE:
        return [_descended(own, field, max_steps, deadline) for own in pos]
    threads = thread_count()
    lot = max(1, len(pos) if deadline is None else LOT * threads)
    before = field.energies(pos)
    attempts: list[Attempt] = []
    for start in range(0, len(pos), lot):
        own = pos[start : start + lot]
        if deadline is not None and time.monotonic() > deadline:
            rest = zip(pos[start:], before[start:], strict=True)
            return attempts + [Attempt(here, energy, energy, late=True) for here, energy in rest]
        copy = with_positions(mol, own)
        done = rdForceFieldHelpers.OptimizeMoleculeConfs(copy, field.field, threads, max_steps)
        for k, (unfinished, energy) in enumerate(done):
            after = np.array(copy.GetConformer(k).GetPositions())
            attempts.append(Attempt(after, before[start + k], float(energy), converged=not unfinished))
    return attempts


def _descended(pos: np.ndarray, field: Field, max_steps: int, deadline: float | None) -> Attempt:
    """One conformer (N, 3) by L-BFGS.

    Source: Zhu et al., ACM Trans. Math. Softw. 1997, 23, 550 (L-BFGS-B, here without bounds), by SciPy.
    """
    [before] = field.energies(pos[None])
    if deadline is not None and time.monotonic() > deadline:
        return Attempt(pos, before, before, late=True)

    def energy_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        here = flat.tolist()
        return field.field.CalcEnergy(here), np.array(field.field.CalcGrad(here))

    def watch(_: np.ndarray) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise StopIteration

    options = {
        "maxiter": max_steps,
        "maxfun": 3 * max_steps,
        "maxcor": REMEMBERED,
        "gtol": AT_REST_KCAL_MOL_A,
        "ftol": 0,
    }
    with np.errstate(all="ignore"):
        found = minimize(energy_and_gradient, pos.ravel(), jac=True, method="L-BFGS-B", callback=watch, options=options)
    converged = bool(np.abs(found.jac).max() <= AT_REST_KCAL_MOL_A)
    return Attempt(found.x.reshape(pos.shape), before, float(found.fun), converged)


def gfnff(mol: Mol) -> Any:
    """An ASE calculator of GFN-FF for the atoms of `mol` in their order, with the bonds and charges of its graph.

    It takes its parameters from the first geometry it meets and keeps them, so the same one must serve all conformers
    that are compared: for sildenafil, those of one conformer or another differ by 0.8 kcal/mol and 0.4 eV/A. At the
    geometry of its parameters it has the energy of xtb 6.5.1.
    Raises: CannotStart if gfnff is missing. Its calculations raise RuntimeError if atoms lie on each other.
    """
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    return _gfnff("").GFNFF(
        charge=sum(charges),
        ref_charges=charges,  # each fragment of a salt keeps its own charge
        bond_matrix=np.asarray(Chem.GetAdjacencyMatrix(mol), np.int32),  # and ions in contact are not bonded
    )


def require_gfnff() -> None:
    """Raises CannotStart, as `gfnff` would, if the library is missing."""
    _gfnff("")


@contextmanager
def gfnff_threads(count: int) -> Iterator[None]:
    """Inside, GFN-FF computes with `count` threads."""
    with threads(count, _gfnff("._lib")._lib._name):
        yield


def _gfnff(module: str) -> Any:
    return imported(f"gfnff{module}", "GFN-FF needs gfnff")
