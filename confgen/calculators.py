"""Semiempirical quantum chemistry by tblite: ASE calculators, and single points with dipole moment and orbital gap.

tblite is the optional extra `xtb`; without it every function here that needs it raises one clear error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.optimize import BFGS
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.errors import CannotStart
from confgen.optional import imported
from confgen.stiffness import Springs

# Bannwarth et al., J. Chem. Theory Comput. 2019, 15, 1652 (GFN2); Grimme et al., ibid. 2017, 13, 1989 (GFN1).
METHODS = {"gfn2": "GFN2-xTB", "gfn1": "GFN1-xTB"}
KCAL_MOL_EV = units.kcal / units.mol
HARTREE_KCAL_MOL = units.Hartree / KCAL_MOL_EV

SOFTEST = 10.0  # kcal/mol/angstrom^2 that any motion is taken to have at least (2.5, 30 and 90 need more steps)


@dataclass(frozen=True)
class SinglePoint:
    """What one geometry is found to have; the energy is absolute, the gap nan where there is no empty orbital.

    dipole_debye: its magnitude; of an ion about the centre of mass, for about another point it would be another.
    """

    energy_kcal_mol: float
    dipole_debye: float
    gap_kcal_mol: float


def calculator(method: str, mol: Mol, dielectric: float | None = None) -> Any:
    """An ASE calculator for the atoms of `mol` in their order, by "gfn2" or "gfn1"; silent.

    Total charge from the formal charges, unpaired electrons as `unpaired_electrons` has them.
    dielectric: constant of a continuum around the molecule, None for vacuum: electrostatics alone, by the generalised
                Born model of ALPB without its parameters for named solvents (Ehlert et al., J. Chem. Theory Comput.
                2021, 17, 4250).
    Raises: CannotStart if there is no such method, or tblite is not installed. Its calculations raise RuntimeError
            where the electrons do not converge or an element has no parameters (beyond radon, 86).
    """
    spin = unpaired_electrons(mol)
    options = {"charge": Chem.GetFormalCharge(mol), "multiplicity": spin + 1, "verbosity": 0}
    solvation = None if dielectric is None else ("gbe", float(dielectric), "p16")
    return _tblite("ase").TBLite(method=_name(method), solvation=solvation, **options)


def require(method: str) -> None:
    """Raises CannotStart, as `calculator` would, if there is no such method or tblite is missing."""
    _name(method)
    _tblite("interface")


def relaxed(method: str, mol: Mol, pos: np.ndarray, fmax_ev_a: float, max_steps: int) -> tuple[np.ndarray, bool]:
    """Positions (N, 3) angstrom of the minimum below `pos`, and whether it was reached in `max_steps`.

    Reached as `descend` has it.     Raises: as `calculator` and its calculations.
    """
    atoms = atoms_of(mol, pos)
    atoms.calc = calculator(method, mol)
    converged = descend(atoms, Springs(mol), fmax_ev_a, max_steps)
    return atoms.get_positions(), converged


def descend(atoms: Atoms, springs: Springs, fmax_ev_a: float, max_steps: int) -> bool:
    """Whether a minimum was reached in `max_steps`; the atoms are moved towards it, in place, by their calculator.

    It is reached when no force on an atom exceeds `fmax_ev_a`, eV/angstrom. BFGS starts from what the springs know: to
    0.05 eV/A that took 148 steps of GFN2 (8 conformers of four drug-like molecules) and 1,056 of GFN-FF (32 of 16), and
    298 and 1,654 from the stretches of Lindh's model Hessian, at energies 0.1 and 0.6 kcal/mol higher.
    """
    optimiser = BFGS(atoms, logfile=None)
    hessian = springs.hessian(atoms.get_positions(), SOFTEST)
    optimiser.H0 = hessian.toarray() * KCAL_MOL_EV
    return bool(optimiser.run(fmax=fmax_ev_a, steps=max_steps))


def atoms_of(mol: Mol, pos: np.ndarray) -> Atoms:
    """The atoms of `mol` for ASE at the positions (N, 3), angstrom."""
    return Atoms(numbers=[atom.GetAtomicNum() for atom in mol.GetAtoms()], positions=pos)


def unpaired_electrons(mol: Mol) -> int:
    """How many electrons are unpaired: the radical electrons of the graph, one more if their parity is impossible."""
    radicals = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    electrons = sum(atom.GetAtomicNum() for atom in mol.GetAtoms()) - Chem.GetFormalCharge(mol)
    return radicals + (electrons - radicals) % 2


def single_point(method: str, mol: Mol, pos: np.ndarray) -> SinglePoint:
    """Energy, dipole moment and HOMO-LUMO gap of `mol` at the positions (N, 3), angstrom.

    The gap is between the highest orbital with an electron and the next, of one set of orbitals for both spins.
    Raises: CannotStart as `calculator`; RuntimeError as its calculations.
    """
    spin, charge = unpaired_electrons(mol), Chem.GetFormalCharge(mol)
    atoms = atoms_of(mol, pos)
    engine = _tblite("interface").Calculator(_name(method), atoms.numbers, pos / units.Bohr, float(charge), spin)
    engine.set("verbosity", 0)
    result = engine.singlepoint()
    dipole = result["dipole"] * units.Bohr - charge * atoms.get_center_of_mass()
    filled = round((float(np.sum(result["orbital-occupations"])) + spin) / 2)
    levels = result["orbital-energies"]
    gap = levels[filled] - levels[filled - 1] if 0 < filled < len(levels) else np.nan
    return SinglePoint(
        energy_kcal_mol=float(result["energy"]) * HARTREE_KCAL_MOL,
        dipole_debye=float(np.linalg.norm(dipole)) / units.Debye,
        gap_kcal_mol=float(gap) * HARTREE_KCAL_MOL,
    )


def _name(method: str) -> str:
    if method not in METHODS:
        raise CannotStart(f"there is no method '{method}'; choose {' or '.join(METHODS)}")
    return METHODS[method]


def _tblite(module: str) -> Any:
    return imported(f"tblite.{module}", "xTB calculations need tblite")
