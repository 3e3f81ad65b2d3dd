"""Promises of `confgen.forcefields`: the dielectric constant, and a GFN-FF with the bonds and charges of the graph."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
from rdkit.Chem import Mol, rdForceFieldHelpers

from confgen.calculators import atoms_of
from confgen.embed import embed
from confgen.errors import CannotStart
from confgen.forcefields import AT_REST_KCAL_MOL_A, LARGE, gfnff, minimise, mmff94s, require_gfnff, uff
from confgen.joining import joined
from confgen.molecule import read_molecule, with_positions

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


def chain() -> tuple[Mol, np.ndarray]:
    """A molecule of LARGE atoms and more, with a conformer (1, N, 3)."""
    mol = read_molecule("O" + "CCO" * 30)
    [pos] = joined(mol, [1])
    assert pos is not None
    assert mol.GetNumAtoms() >= LARGE
    return mol, pos[None]


def test_large_molecules_come_as_low_by_lbfgs_as_by_rdkit() -> None:
    mol, pos = chain()
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    [found] = minimise(mol, pos, field, max_steps=300, deadline=None)
    copy = with_positions(mol, pos)
    [(_, rdkit)] = rdForceFieldHelpers.OptimizeMoleculeConfs(copy, field.field, 1, 300)
    assert found.before_kcal_mol - found.after_kcal_mol > 50
    assert found.after_kcal_mol < rdkit + 5
    assert field.energies(found.pos[None]) == pytest.approx([found.after_kcal_mol])
    assert not found.converged


def test_large_molecules_say_when_they_are_at_a_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confgen.forcefields.LARGE", 2)
    mol = read_molecule("CC(=O)NC")
    (start,) = embed(mol, [7])
    assert start is not None
    field = mmff94s(with_positions(mol, start[None]))
    assert field is not None
    [short] = minimise(mol, start[None], field, max_steps=3, deadline=None)
    assert not short.converged
    [found] = minimise(mol, start[None], field, max_steps=500, deadline=None)
    assert found.converged
    assert np.abs(field.field.CalcGrad(found.pos.ravel().tolist())).max() <= AT_REST_KCAL_MOL_A


def test_fixed_atoms_of_large_molecules_stay() -> None:
    mol, pos = chain()
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    field.field.AddFixedPoint(4)
    [found] = minimise(mol, pos, field, max_steps=50, deadline=None)
    np.testing.assert_allclose(found.pos[4], pos[0, 4])
    assert np.abs(found.pos - pos[0]).max() > 0.1


def test_large_molecules_are_left_where_they_are_when_time_is_up() -> None:
    mol, pos = chain()
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    [never] = minimise(mol, pos, field, max_steps=20_000, deadline=time.monotonic() - 1)
    assert never.late
    begun = time.monotonic()
    [some] = minimise(mol, pos, field, max_steps=20_000, deadline=begun + 0.2)
    assert not some.late
    assert not some.converged
    assert some.after_kcal_mol < some.before_kcal_mol
    assert time.monotonic() - begun < 5
