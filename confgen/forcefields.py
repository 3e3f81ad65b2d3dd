"""Force fields: MMFF94s and UFF by RDKit, and GFN-FF as ASE calculator.

Halgren, J. Comput. Chem. 1999, 20, 720 (MMFF94s); Rappe et al., J. Am. Chem. Soc. 1992, 114, 10024 (UFF); Spicher and
Grimme, Angew. Chem. Int. Ed. 2020, 59, 15665 (GFN-FF), by the library gfnff of the optional extra `xtb`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdForceFieldHelpers
from rdkit.ForceField.rdForceField import ForceField

from confgen.complaints import quiet
from confgen.conformers import from_binary, to_binary
from confgen.optional import imported

EVERY_PAIR = 1e4  # farther apart than any two atoms, in angstrom as in radii: or the field would depend on a conformer


@dataclass(frozen=True)
class Field:
    """RDKit's force field of a molecule. It points into the conformer of `own`, which has to live as long.

    mol:  what it was made for, with one conformer.     held: atoms that stay where they are.
    A pickle of it makes it anew.
    """

    field: ForceField
    own: Mol
    mol: Mol
    name: str
    dielectric: float | None
    held: tuple[int, ...]

    def energies(self, pos: np.ndarray) -> list[float]:
        """Of every conformer of `pos`, (K, N, 3) angstrom; kcal/mol."""
        return [float(self.field.CalcEnergy(own.ravel().tolist())) for own in pos]

    def energy_and_gradient(self, pos: np.ndarray) -> tuple[float, np.ndarray]:
        """Of one conformer, (3N,) angstrom, in kcal/mol and kcal/mol/angstrom."""
        here = pos.tolist()
        energy = float(self.field.CalcEnergy(here))  # first: the gradient takes its distances from there
        return energy, np.array(self.field.CalcGrad(here))

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (self.name, to_binary(self.mol), self.dielectric, self.held)


def mmff94s(mol: Mol, dielectric: float | None = None, held: Sequence[int] = ()) -> Field | None:
    """The MMFF94s of `mol`, which has a conformer; None if it lacks parameters (boron, most metals, odd valences).

    dielectric: constant, at least 1; None is vacuum.     held: atoms that stay where they are.
    """
    copy = Chem.Mol(mol)  # RDKit puts MMFF's own aromaticity on the molecule that it is given
    with quiet():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(copy, mmffVariant="MMFF94s")
        if properties is None:
            return None
        if dielectric is not None:
            properties.SetMMFFDielectricConstant(float(dielectric))
        found: ForceField | None = rdForceFieldHelpers.MMFFGetMoleculeForceField(
            copy, properties, nonBondedThresh=EVERY_PAIR, ignoreInterfragInteractions=False
        )
    return None if found is None else _holding(found, copy, mol, "mmff94s", dielectric, held)


def uff(mol: Mol, held: Sequence[int] = ()) -> Field | None:
    """The UFF of `mol`, which has a conformer; None if it does not know an atom.

    held: as for `mmff94s`.
    """
    copy = Chem.Mol(mol)
    with quiet():
        if not rdForceFieldHelpers.UFFHasAllMoleculeParams(copy):
            return None
        found: ForceField | None = rdForceFieldHelpers.UFFGetMoleculeForceField(
            copy, vdwThresh=EVERY_PAIR, ignoreInterfragInteractions=False
        )
    return None if found is None else _holding(found, copy, mol, "uff", None, held)


def _holding(field: ForceField, own: Mol, mol: Mol, name: str, dielectric: float | None, held: Sequence[int]) -> Field:
    for atom in held:
        field.AddFixedPoint(int(atom))
    first = Chem.Mol(mol, confId=mol.GetConformer().GetId())
    return Field(field, own, first, name, dielectric, tuple(int(atom) for atom in held))


def _made_again(name: str, binary: bytes, dielectric: float | None, held: Sequence[int]) -> Field:
    mol = from_binary(binary)
    field = uff(mol, held) if name == "uff" else mmff94s(mol, dielectric, held)
    assert field is not None, "there was one before"
    return field


def gfnff(mol: Mol) -> Any:
    """An ASE calculator of GFN-FF for the atoms of `mol` in their order, with the bonds and charges of its graph.

    It takes its parameters from the first geometry it meets and keeps them, so the same one must serve all conformers
    that are compared: for sildenafil, those of one conformer or another differ by 0.8 kcal/mol and 0.4 eV/A. At the
    geometry of its parameters it has the energy of xtb 6.5.1.
    Raises: CannotStart if gfnff is missing. Its calculations raise RuntimeError if atoms lie on each other.
    """
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    return _gfnff().GFNFF(
        charge=sum(charges),
        ref_charges=charges,  # each fragment of a salt keeps its own charge
        bond_matrix=np.asarray(Chem.GetAdjacencyMatrix(mol), np.int32),  # and ions in contact are not bonded
    )


def require_gfnff() -> None:
    """Raises CannotStart, as `gfnff` would, if the library is missing."""
    _gfnff()


def _gfnff() -> Any:
    return imported("gfnff", "GFN-FF needs gfnff")
