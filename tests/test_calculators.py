"""Promises of the xTB calculators: known energies and moments, the right electrons, one clear line without tblite."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ase.build import molecule as ase_molecule
from ase.calculators.calculator import Calculator
from ase.optimize import BFGS
from rdkit.Chem import Mol

from confgen.calculators import (
    KCAL_MOL_EV,
    SinglePoint,
    atoms_of,
    calculator,
    descend,
    relaxed,
    require,
    single_point,
    unpaired_electrons,
)
from confgen.conformers import with_positions
from confgen.embed import embed
from confgen.errors import CannotStart
from confgen.forcefields import Field, mmff94s
from confgen.molecule import read_molecule
from confgen.stiffness import Springs

needs_tblite = pytest.mark.skipif(find_spec("tblite") is None, reason="tblite is not installed")
WATER = np.array([(0, 0, 0.119262), (0, 0.763239, -0.477047), (0, -0.763239, -0.477047)])


def at_etkdg(smiles: str) -> tuple[Mol, np.ndarray]:
    mol = read_molecule(smiles)
    (pos,) = embed(mol, [7])
    assert pos is not None
    return mol, pos


def point(smiles: str) -> SinglePoint:
    return single_point("gfn2", *at_etkdg(smiles))


@needs_tblite
@pytest.mark.parametrize(("method", "energy_ev"), [("gfn2", -137.96777594), ("gfn1", -156.96750590)])
def test_water_has_the_energy_that_tblite_documents(method: str, energy_ev: float) -> None:
    water = read_molecule("O")
    place = ase_molecule("H2O").get_positions()
    assert single_point(method, water, place).energy_kcal_mol * KCAL_MOL_EV == pytest.approx(energy_ev, abs=1e-5)
    atoms = atoms_of(water, place)
    atoms.calc = calculator(method, water)
    assert atoms.get_potential_energy() == pytest.approx(energy_ev, abs=1e-5)


@needs_tblite
def test_relaxed_water_has_its_dipole_moment() -> None:
    water = read_molecule("O")
    pos, converged = relaxed("gfn2", water, 1.1 * WATER, 0.01, 100)
    assert converged
    assert single_point("gfn2", water, pos).dipole_debye == pytest.approx(2.2, abs=0.05)
    assert np.linalg.norm(pos[0] - pos[1]) == pytest.approx(0.96, abs=0.01)


@needs_tblite
def test_a_relaxation_says_that_it_ran_out_of_steps() -> None:
    assert not relaxed("gfn2", read_molecule("O"), 1.1 * WATER, 0.01, 1)[1]


@needs_tblite
def test_the_gap_shrinks_with_conjugation() -> None:
    gaps = [point(smiles).gap_kcal_mol for smiles in ("CC", "C=C", "C=CC=C", "C=CC=CC=C")]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.5 * gaps[0]


@needs_tblite
def test_there_is_no_gap_without_an_empty_orbital() -> None:
    assert np.isnan(single_point("gfn2", read_molecule("[H]"), np.zeros((1, 3))).gap_kcal_mol)


@needs_tblite
def test_the_charge_of_an_ion_is_used() -> None:
    ion, pos = at_etkdg("C[NH3+]")
    assert calculator("gfn2", ion).parameters.charge == 1
    atoms = atoms_of(ion, pos)
    atoms.calc = calculator("gfn2", ion)
    assert atoms.get_charges().sum() == pytest.approx(1.0, abs=1e-6)


@needs_tblite
@pytest.mark.parametrize("smiles", ["C[NH3+]", "CC(=O)[O-]"])
def test_the_dipole_of_an_ion_does_not_depend_on_where_it_stands(smiles: str) -> None:
    ion, pos = at_etkdg(smiles)
    here, there = single_point("gfn2", ion, pos), single_point("gfn2", ion, pos + np.array([30.0, 0.0, -5.0]))
    assert there.dipole_debye == pytest.approx(here.dipole_debye, abs=1e-3)


@pytest.mark.parametrize(
    ("smiles", "unpaired"), [("CCO", 0), ("[CH3]", 1), ("[O][O]", 2), ("[NH4+]", 0), ("[N]=O", 1), ("[Cu+2]", 1)]
)
def test_unpaired_electrons_are_those_of_the_graph_and_possible(smiles: str, unpaired: int) -> None:
    assert unpaired_electrons(read_molecule(smiles)) == unpaired


@needs_tblite
def test_unpaired_electrons_have_an_orbital_each() -> None:
    """The two of triplet oxygen fill both pi* orbitals; paired they leave one of that energy empty."""
    pos = np.array([(0.0, 0.0, 0.0), (0.0, 0.0, 1.21)])
    triplet, singlet = (single_point("gfn2", read_molecule(text), pos) for text in ("[O][O]", "O=O"))
    assert singlet.gap_kcal_mol < 1 < 100 < triplet.gap_kcal_mol


@needs_tblite
def test_an_element_without_parameters_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError, match="86"):
        single_point("gfn2", read_molecule("[U]"), np.zeros((1, 3)))


def test_without_tblite_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    with pytest.raises(CannotStart, match=r"tblite, which is not installed; .*'confgen-mol\[xtb\]'") as caught:
        require("gfn2")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(CannotStart, match="choose gfn2 or gfn1"):
        require("gfn3")


@needs_tblite
@pytest.mark.parametrize("method", ["gfn2", "gfn1"])
def test_an_ion_is_solvated_as_born_has_it(method: str) -> None:
    """Its energy falls by q^2 (1 - 1/dielectric) / 2a: not at all at 1, and at 80 by 1.975 times as much as at 2."""
    sodium = atoms_of(read_molecule("[Na+]"), np.zeros((1, 3)))
    energies = []
    for dielectric in (None, 1, 2, 80):
        sodium.calc = calculator(method, read_molecule("[Na+]"), dielectric)
        energies.append(sodium.get_potential_energy())
    vacuum, one, two, eighty = energies
    assert one == pytest.approx(vacuum, abs=1e-6)
    assert eighty < vacuum - 1
    assert (eighty - vacuum) / (two - vacuum) == pytest.approx((1 - 1 / 80) / (1 - 1 / 2), rel=1e-3)


class OfField(Calculator):
    """RDKit's force field as an ASE calculator that counts its calculations."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 # ASE's own way

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field, self.calls = field, 0

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = None) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, gradient = self.field.energy_and_gradient(self.atoms.get_positions().ravel())
        self.results = {"energy": energy * KCAL_MOL_EV, "forces": -gradient.reshape(-1, 3) * KCAL_MOL_EV}
        self.calls += 1


def test_descents_know_how_stiff_bonds_are_from_the_first_step_on() -> None:
    mol = read_molecule("COc1ccc(CCN)cc1OC")
    pos = np.array(embed(mol, [7]))
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    calls, energies = [], []
    for knowing in (True, False):
        atoms = atoms_of(mol, pos[0])
        atoms.calc = OfField(field)
        if knowing:
            assert descend(atoms, Springs(mol), 0.05, 500)
        else:
            assert BFGS(atoms, logfile=None).run(fmax=0.05, steps=500)
        calls.append(atoms.calc.calls)
        energies.append(atoms.get_potential_energy() / KCAL_MOL_EV)
    assert calls[0] < 0.7 * calls[1]
    assert energies[0] < energies[1] + 0.5
