"""Promises of `confgen.relax`: minima, their energies, conformers never made worse, nothing that ends a batch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from rdkit.Chem import Mol, rdForceFieldHelpers
from threadpoolctl import threadpool_info, threadpool_limits

from confgen import calculation, helpers
from confgen.calculators import KCAL_MOL_EV, atoms_of, single_point
from confgen.conformers import positions, with_positions
from confgen.errors import CannotStart
from confgen.forcefields import gfnff
from confgen.molecule import read_molecule
from confgen.relax import check_method, relax
from confgen.validity import check

NEEDS = {"gfnff": "gfnff", "gfn1": "tblite", "gfn2": "tblite"}


def method(name: str) -> Any:
    """The name as a parameter that is skipped where its library is missing."""
    missing = name in NEEDS and find_spec(NEEDS[name]) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{NEEDS.get(name)} is not installed"))


ALL = [method(name) for name in ("mmff94s", "uff", "gfnff", "gfn1", "gfn2")]
Embed = Callable[..., Mol]


class Pull(Calculator):  # type: ignore[misc] # ASE has no types
    """Springs of 1 eV/A^2 that pull every atom to its place, (N, 3) angstrom."""

    implemented_properties = ("energy", "forces")

    def __init__(self, places: np.ndarray) -> None:
        super().__init__()
        self.places = places

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.get_positions() - self.places
        self.results = {"energy": 0.5 * (away**2).sum(), "forces": -away}


class Failing(Pull):
    """A calculator that raises whatever it is given once an atom lies beyond 50 angstrom."""

    def __init__(self, places: np.ndarray, error: BaseException) -> None:
        super().__init__(places)
        self.error = error

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        if atoms.get_positions().max() > 50:
            raise self.error
        super().calculate(atoms, properties, system_changes)


def stretched_ethane(embed_mol: Embed) -> Mol:
    """Ethane whose halves are 0.4 angstrom too far apart."""
    mol = embed_mol(read_molecule("CC"))
    (pos,) = positions(mol)
    axis = (pos[1] - pos[0]) / np.linalg.norm(pos[1] - pos[0])
    second = [1, *(h.GetIdx() for h in mol.GetAtomWithIdx(1).GetNeighbors() if h.GetIdx() > 1)]
    pos[second] += 0.4 * axis
    return with_positions(mol, pos[None])


@pytest.mark.parametrize("name", ALL)
def test_stretched_ethane_comes_back_and_goes_down(name: str, embed_mol: Embed) -> None:
    mol = stretched_ethane(embed_mol)
    unrelaxed = relax(mol, name, max_steps=0)
    relaxed = relax(mol, name)
    assert relaxed.outcomes == ["converged"]
    assert relaxed.notes == []
    assert np.linalg.norm(relaxed.pos[0, 0] - relaxed.pos[0, 1]) == pytest.approx(1.53, abs=0.02)
    assert relaxed.energies_kcal_mol < unrelaxed.energies_kcal_mol - 5


@pytest.mark.parametrize("name", [method("gfn1"), method("gfn2")])
def test_energies_are_those_of_the_geometry(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CC(=O)[O-]"), 2)
    relaxed = relax(mol, name)
    fresh = [single_point(name, mol, pos).energy_kcal_mol for pos in relaxed.pos]
    np.testing.assert_allclose(relaxed.energies_kcal_mol, fresh, atol=0.01)


@pytest.mark.parametrize("name", ["mmff94s", "uff"])
def test_energies_are_those_that_rdkit_has_for_the_geometry(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OCC(N)c1ccccc1"), 3)
    relaxed = relax(mol, name)
    fresh = with_positions(mol, relaxed.pos)
    if name == "mmff94s":
        found = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(fresh, maxIters=0, mmffVariant="MMFF94s")
    else:
        found = rdForceFieldHelpers.UFFOptimizeMoleculeConfs(fresh, maxIters=0)
    np.testing.assert_allclose(relaxed.energies_kcal_mol, [energy for _, energy in found], atol=1e-3)


@pytest.mark.parametrize("name", [method("gfnff")])
def test_gfnff_energies_are_all_by_parameters_of_the_first_conformer(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CS(=O)(=O)N1CCN(C)CC1"), 3)
    relaxed = relax(mol, name)
    atoms = atoms_of(mol, positions(mol)[0])
    atoms.calc = gfnff(mol)
    atoms.get_potential_energy()
    for pos, energy in zip(relaxed.pos, relaxed.energies_kcal_mol, strict=True):
        atoms.set_positions(pos)
        assert atoms.get_potential_energy() / KCAL_MOL_EV == pytest.approx(energy, abs=1e-3)


@pytest.mark.parametrize("name", [method("gfnff"), method("gfn2")])
def test_helpers_change_no_digit(name: str, embed_mol: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    mol = embed_mol(read_molecule("OCCS(C)(=O)=O"), 6)
    alone = relax(mol, name)
    monkeypatch.setattr(helpers, "thread_count", lambda: 2)
    monkeypatch.setitem(calculation.ATOMS_OF_A_HELPER, name, 1)
    relax(mol, name)
    team = helpers._team(os.getpid())
    assert team.helpers[0].ready or team.helpers[0].pipe.poll(60)
    found = relax(mol, name)
    assert team.helpers[0].knows == team.calls  # it had a part in that
    np.testing.assert_array_equal(found.pos, alone.pos)
    np.testing.assert_array_equal(found.energies_kcal_mol, alone.energies_kcal_mol)
    assert found.outcomes == alone.outcomes


@pytest.mark.parametrize("name", [method("gfnff")])
def test_parameters_are_of_the_first_conformer_that_has_any(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OCCCN"), 2)
    pos = positions(mol)
    spoiled = pos[:1].copy()
    spoiled[0, 3] = spoiled[0, 4]
    relaxed, without = relax(with_positions(mol, np.concatenate((spoiled, pos))), name), relax(mol, name)
    assert relaxed.outcomes == ["failed", "converged", "converged"]
    np.testing.assert_array_equal(relaxed.pos[1:], without.pos)


@pytest.mark.parametrize(("name", "count"), [(method("gfnff").values[0], 1), ("one's own", 2)])
def test_threads_are_one_but_for_a_calculator_of_ones_own(
    name: str, count: int, embed_mol: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = embed_mol(read_molecule("CO"), 1)
    seen: set[int] = set()

    def look(*_: object) -> bool:
        seen.update(own["num_threads"] for own in threadpool_info() if own["user_api"] == "blas")
        return True

    monkeypatch.setattr("confgen.calculation.descend", look)
    with threadpool_limits(2):
        relax(mol, name if count == 1 else lambda _: Pull(np.zeros((6, 3))))
    assert max(seen) == count  # the library of GFN-FF has one of its own, with one


def test_the_molecule_given_stays_as_it_was(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("c1ccc2[nH]ccc2c1"), 2)
    before = mol.ToBinary()
    relax(mol, "mmff94s")
    assert mol.ToBinary() == before


@pytest.mark.parametrize("name", ALL)
def test_hydrogen_alone_is_a_molecule(name: str) -> None:
    mol = with_positions(read_molecule("[H][H]"), np.array([[(0.0, 0, 0), (0, 0, 0.9)]]))
    relaxed = relax(mol, name)
    assert relaxed.outcomes == ["converged"]
    assert np.linalg.norm(relaxed.pos[0, 0] - relaxed.pos[0, 1]) == pytest.approx(0.74, abs=0.05)


@pytest.mark.parametrize("name", ALL)
def test_without_conformers_there_is_nothing_to_do(name: str) -> None:
    relaxed = relax(read_molecule("CCO"), name)
    assert relaxed.pos.shape == (0, 9, 3)
    assert (len(relaxed.energies_kcal_mol), relaxed.outcomes, relaxed.notes) == (0, [], [])


def test_ions_of_a_salt_attract_each_other() -> None:
    mol = with_positions(read_molecule("[Na+].[Cl-]"), np.array([[(0.0, 0, 0), (0, 0, 4.0)]]))
    (pos,) = relax(mol, "mmff94s").pos
    assert 2.0 < np.linalg.norm(pos[0] - pos[1]) < 3.0


def test_boron_falls_back_to_uff(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OB(O)c1ccccc1"), 2)
    relaxed = relax(mol, "mmff94s", dielectric=4)
    np.testing.assert_array_equal(relaxed.pos, relax(mol, "uff").pos)
    assert relaxed.outcomes == ["converged"] * 2
    assert len(relaxed.notes) == 1
    assert "relaxed by UFF instead, which knows no dielectric constant" in relaxed.notes[0]


def test_without_any_parameters_all_fail_and_stay() -> None:
    mol = with_positions(read_molecule("[He]"), np.ones((2, 1, 3)))
    relaxed = relax(mol, "mmff94s")
    assert relaxed.outcomes == ["failed"] * 2
    assert np.isnan(relaxed.energies_kcal_mol).all()
    assert (relaxed.pos == 1).all()
    assert relaxed.notes == ["molecule: 2 of 2 conformers could not be relaxed (no parameters in MMFF94s or UFF)"]


def test_a_relaxation_that_inverts_a_centre_is_refused(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("[C@H](F)(Cl)Br"))
    (pos,) = positions(mol)
    relaxed = relax(mol, lambda _: Pull(pos * (-1, 1, 1)))
    assert relaxed.outcomes == ["refused: stereo"]
    np.testing.assert_array_equal(relaxed.pos[0], pos)
    assert relaxed.energies_kcal_mol * KCAL_MOL_EV == pytest.approx(0.5 * (4 * pos[:, 0] ** 2).sum())
    assert relaxed.notes == ["molecule: 1 of 1 conformers stay unrelaxed, since relaxation broke them (stereo 1)"]


def test_a_relaxation_that_breaks_a_bond_is_refused(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"))
    (pos,) = positions(mol)
    torn = pos.copy()
    torn[2] += 5 * (torn[2] - torn[1])
    (outcome,) = relax(mol, lambda _: Pull(torn)).outcomes
    assert outcome.startswith("refused: connected")


def test_what_was_wrong_before_is_no_reason_to_refuse(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("[C@H](F)(Cl)Br"))
    mirrored = with_positions(mol, positions(mol) * (-1, 1, 1))
    assert check(mirrored) == [["stereo"]]
    assert relax(mirrored, "uff").outcomes == ["converged"]


def test_a_calculator_of_ones_own_finds_its_minimum(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"), 2)
    wanted = positions(mol)[0]
    made: list[Mol] = []
    relaxed = relax(mol, lambda mol: made.append(mol) or Pull(wanted))
    assert relaxed.outcomes == ["converged"] * 2
    np.testing.assert_allclose(relaxed.pos, [wanted, wanted], atol=0.05)
    np.testing.assert_allclose(relaxed.energies_kcal_mol, 0, atol=0.5)
    assert made == [mol]


def test_a_calculation_that_raises_fails_alone(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"), 3)
    pos = positions(mol)
    pos[1] += 100
    relaxed = relax(with_positions(mol, pos), lambda _: Failing(pos[0], LookupError("no such\nbasis")))
    assert relaxed.outcomes == ["converged", "failed", "converged"]
    np.testing.assert_array_equal(relaxed.pos[1], pos[1])
    np.testing.assert_array_equal(np.isnan(relaxed.energies_kcal_mol), [False, True, False])
    assert relaxed.notes == ["molecule: 1 of 3 conformers could not be relaxed (no such basis)"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CannotStart("the calculator's model is missing")])
def test_what_ends_the_command_passes(error: BaseException) -> None:
    mol = with_positions(read_molecule("[He]"), np.full((1, 1, 3), 100.0))
    with pytest.raises(type(error)):
        relax(mol, lambda _: Failing(np.zeros((1, 3)), error))


def test_positions_that_are_no_numbers_fail_alone(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CCO"), 2)
    pos = positions(mol)
    pos[0, 3] = np.nan
    relaxed = relax(with_positions(mol, pos), "mmff94s")
    assert relaxed.outcomes == ["failed", "converged"]
    np.testing.assert_array_equal(relaxed.pos[0], pos[0])


@pytest.mark.parametrize("name", ["mmff94s", method("gfnff")])
def test_too_few_steps_are_said_and_what_they_reached_is_kept(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OCCCN"), 2)
    relaxed = relax(mol, name, max_steps=2)
    assert relaxed.outcomes == ["not converged"] * 2
    assert relaxed.notes == ["molecule: 2 of 2 conformers had not converged after 2 steps"]
    assert (relaxed.pos != positions(mol)).any(axis=(1, 2)).all()
    assert np.isfinite(relaxed.energies_kcal_mol).all()


@pytest.mark.parametrize("name", ["mmff94s", method("gfnff")])
def test_after_the_deadline_none_is_begun(name: str, embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("OCCCN"), 2)
    relaxed = relax(mol, name, deadline=time.monotonic() - 1)
    assert relaxed.outcomes == ["not converged"] * 2
    np.testing.assert_array_equal(relaxed.pos, positions(mol))
    assert relaxed.notes == ["molecule: 2 of 2 conformers stay unrelaxed, since time was up"]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(CannotStart, match="choose none, mmff94s, uff, gfnff, gfn1 or gfn2"):
        check_method("gfn3")


@pytest.mark.parametrize("name", ["none", "uff", Pull])
def test_a_dielectric_is_refused_where_nothing_would_use_it(name: Any) -> None:
    with pytest.raises(CannotStart, match="takes no dielectric constant; mmff94s, gfn1, gfn2 do"):
        check_method(name, 4.0)


@pytest.mark.parametrize("constant", [0.5, float("nan"), float("inf")])
def test_a_dielectric_below_vacuum_is_refused(constant: float) -> None:
    with pytest.raises(CannotStart, match="must be 1 \\(vacuum\\) or more"):
        check_method("mmff94s", constant)
