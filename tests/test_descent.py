"""Promises of `confgen.descent`: minima as low as RDKit's, whatever else there is, and an end in time."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable

import numpy as np
import pytest
from rdkit.Chem import Mol, rdForceFieldHelpers
from threadpoolctl import threadpool_info, threadpool_limits

from confgen.conformers import with_positions
from confgen.descent import Attempt, minimise
from confgen.embed import embed
from confgen.forcefields import Field, mmff94s, uff
from confgen.joining import embed_large
from confgen.molecule import read_molecule


def chain(units: int = 30) -> tuple[Mol, np.ndarray]:
    """A polyether, and a conformer of it, (1, N, 3)."""
    mol = read_molecule("O" + "CCO" * units)
    [pos] = embed_large(mol, [1])
    assert pos is not None
    return mol, pos[None]


def embedded(smiles: str, count: int = 1) -> tuple[Mol, np.ndarray, Field]:
    """A molecule, conformers (K, N, 3) of it, and its field."""
    mol = read_molecule(smiles)
    pos = np.array(embed(mol, range(7, 7 + count)))
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    return mol, pos, field


def steepest(field: Field, pos: np.ndarray) -> float:
    """The largest component of the gradient, kcal/mol/angstrom."""
    return float(np.abs(field.energy_and_gradient(pos.ravel())[1]).max())


@pytest.mark.parametrize("units", [2, 30])
def test_minima_are_as_low_as_those_of_rdkit(units: int) -> None:
    mol, pos = chain(units)
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    [found] = minimise(mol, pos, field, max_steps=300, deadline=None)
    copy = with_positions(mol, pos)
    [(_, rdkit)] = rdForceFieldHelpers.OptimizeMoleculeConfs(copy, field.field, 1, 300)
    assert found.before_kcal_mol - found.after_kcal_mol > 2 * units
    assert found.after_kcal_mol < rdkit + 0.5
    assert field.energies(found.pos[None]) == pytest.approx([found.after_kcal_mol])


@pytest.mark.parametrize("smiles", ["CC(=O)NC", "C#CC#N", "N", "O", "[NH3+]CC([O-])=O.[Na+]", "C1CC1C=C"])
def test_what_is_at_rest_says_so_and_is(smiles: str) -> None:
    mol, pos, field = embedded(smiles)
    pos = pos + np.random.default_rng(3).normal(scale=0.05, size=pos.shape)
    [short] = minimise(mol, pos, field, max_steps=1, deadline=None)
    assert not short.converged
    [found] = minimise(mol, pos, field, max_steps=500, deadline=None)
    assert found.converged
    assert steepest(field, found.pos) < 0.2
    assert steepest(field, pos) > 5


def test_a_tolerance_bounds_what_is_left_to_gain() -> None:
    mol, pos, field = embedded("CCOC(=O)c1ccc(N)cc1", 4)
    loose = minimise(mol, pos, field, max_steps=500, deadline=None, left_kcal_mol=1e-2)
    tight = minimise(mol, pos, field, max_steps=500, deadline=None)
    left = [own.after_kcal_mol - other.after_kcal_mol for own, other in zip(loose, tight, strict=True)]
    assert 1e-4 < max(left) < 1.0
    assert min(left) > -1e-3


def test_conformers_do_not_depend_on_each_other() -> None:
    mol, pos, field = embedded("CC(O)CNC(C)=O", 3)
    together = minimise(mol, pos, field, max_steps=300, deadline=None)
    for own, found in zip(pos[::-1], together[::-1], strict=True):
        [alone] = minimise(mol, own[None], field, max_steps=300, deadline=None)
        np.testing.assert_array_equal(alone.pos, found.pos)


@pytest.mark.parametrize("name", ["mmff94s", "uff"])
def test_helpers_find_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mol, pos = chain(8)
    pos = pos + np.random.default_rng(3).normal(scale=0.05, size=(60, *pos.shape[1:]))
    candidates = with_positions(mol, pos)
    field = mmff94s(candidates, 80.0, held=[0, 5]) if name == "mmff94s" else uff(candidates, held=[0, 5])
    assert field is not None
    helped: list[int] = []

    def share(work: Callable[[np.ndarray], Attempt], items: list[np.ndarray], most: int) -> list[Attempt]:
        helped.append(most)
        again = pickle.loads(pickle.dumps(work))
        return [again(item) for item in items]

    alone = minimise(mol, pos[:4], field, max_steps=300, deadline=None)
    monkeypatch.setattr("confgen.descent.shared", share)
    found = minimise(mol, pos[:4], field, max_steps=300, deadline=None)
    for own, other in zip(alone, found, strict=True):
        np.testing.assert_array_equal(own.pos, other.pos)
    minimise(mol, pos, field, max_steps=0, deadline=None)
    assert helped == [0, 2]  # a few are quicker done than a process is started


def test_atoms_on_each_other_come_apart_or_stay_and_are_no_minimum() -> None:
    mol, pos, field = embedded("CCO")
    pos[0, 3:5] = pos[0, 3]
    [found] = minimise(mol, pos, field, max_steps=300, deadline=None)
    assert np.isfinite(found.pos).all()
    assert not found.converged or steepest(field, found.pos) < 0.2


def test_held_atoms_stay_and_the_others_find_rest() -> None:
    mol, pos, _ = embedded("CCOCCO")
    field = mmff94s(with_positions(mol, pos), held=[0, 5])
    assert field is not None
    [found] = minimise(mol, pos, field, max_steps=300, deadline=None)
    np.testing.assert_array_equal(found.pos[[0, 5]], pos[0, [0, 5]])
    assert np.abs(found.pos - pos[0]).max() > 0.05
    assert found.converged
    assert steepest(field, found.pos) < 0.2  # RDKit gives held atoms none


def test_descents_end_when_time_is_up() -> None:
    mol, pos = chain()
    field = mmff94s(with_positions(mol, pos))
    assert field is not None
    [never] = minimise(mol, pos, field, max_steps=20_000, deadline=time.monotonic() - 1)
    assert never.late
    begun = time.monotonic()
    [some] = minimise(mol, pos, field, max_steps=20_000, deadline=begun + 0.1, left_kcal_mol=0.0)
    assert not some.late
    assert not some.converged
    assert some.after_kcal_mol < some.before_kcal_mol
    assert time.monotonic() - begun < 5


def test_numpy_has_one_thread_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    mol, pos, field = embedded("CCO", 2)
    seen: set[int] = set()

    def look(*_: object) -> None:
        seen.update(own["num_threads"] for own in threadpool_info() if own["user_api"] == "blas")

    monkeypatch.setattr("confgen.descent._at_rest", look)
    with threadpool_limits(2):
        minimise(mol, pos, field, max_steps=300, deadline=None)
        assert seen == {1}
        look()
        assert 2 in seen
