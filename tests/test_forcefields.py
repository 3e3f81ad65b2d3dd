"""Promises of `confgen.forcefields`: the dielectric constant, and a GFN-FF with the bonds and charges of the graph."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from rdkit.Chem import Mol

from confgen.calculators import atoms_of
from confgen.conformers import with_positions
from confgen.embed import embed
from confgen.errors import CannotStart
from confgen.forcefields import gfnff, mmff94s, require_gfnff, uff
from confgen.molecule import read_molecule

needs_gfnff = pytest.mark.skipif(find_spec("gfnff") is None, reason="gfnff is not installed")
COULOMB_KCAL_MOL, BUFFER = 332.0716, 0.05  # of MMFF94


AT_3, AT_5, FAR = (np.array([[(0.0, 0, 0), (0, 0, distance)]]) for distance in (3.0, 5.0, 500.0))


def ion_pair(pos: np.ndarray) -> Mol:
    return with_positions(read_molecule("[Na+].[Cl-]"), pos)


def test_mmff_divides_electrostatics_by_the_dielectric_constant() -> None:
    vacuum, water = (mmff94s(ion_pair(AT_5), constant) for constant in (None, 80.0))
    assert vacuum is not None
    assert water is not None
    gone = -COULOMB_KCAL_MOL / (5.0 + BUFFER) * (1 - 1 / 80)
    assert vacuum.energies(AT_5)[0] - water.energies(AT_5)[0] == pytest.approx(gone, abs=1e-3)


def test_a_field_is_of_the_molecule_not_of_its_conformer() -> None:
    """Far apart as they are, the ions feel each other when they come near."""
    for near, far in ((mmff94s(ion_pair(AT_3)), mmff94s(ion_pair(FAR))), (uff(ion_pair(AT_3)), uff(ion_pair(FAR)))):
        assert near is not None
        assert far is not None
        assert far.energies(AT_3) == pytest.approx(near.energies(AT_3), abs=1e-9)


def test_what_lacks_parameters_has_no_field() -> None:
    assert mmff94s(with_positions(read_molecule("[He]"), np.zeros((1, 1, 3)))) is None
    assert uff(with_positions(read_molecule("[He]"), np.zeros((1, 1, 3)))) is None


@needs_gfnff
def test_gfnff_forces_are_the_slope_of_its_energy() -> None:
    mol = read_molecule("CC(=O)[O-]")
    (pos,) = embed(mol, [7])
    assert pos is not None
    atoms = atoms_of(mol, pos)
    atoms.calc = gfnff(mol)
    forces = atoms.get_forces()
    way = np.random.default_rng(1).normal(size=pos.shape) * 1e-3
    energies = []
    for sign in (1, -1):
        atoms.set_positions(pos + sign * way)
        energies.append(atoms.get_potential_energy())
    assert energies[1] - energies[0] == pytest.approx(2 * (forces * way).sum(), rel=1e-3)


@needs_gfnff
def test_gfnff_leaves_each_ion_its_charge_and_no_bond_between_them() -> None:
    mol = ion_pair(AT_3)
    atoms = atoms_of(mol, 0.7 * AT_3[0])
    atoms.calc = gfnff(mol)
    np.testing.assert_allclose(atoms.get_charges(), [1, -1], atol=1e-6)


def test_without_gfnff_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gfnff", None)
    with pytest.raises(CannotStart, match=r"gfnff, which is not installed; .*'confgen-mol\[xtb\]'") as caught:
        require_gfnff()
    assert "\n" not in str(caught.value)
