"""Promises of the choice among conformers: the ones chosen stand for all."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from confgen.errors import CannotStart
from confgen.rmsd import rmsd_heavy_matrix
from confgen.select import Choice, choose, k_medoids


def spread(points: np.ndarray) -> np.ndarray:
    """Distances between points on a line, (M, M)."""
    distances: np.ndarray = np.abs(points[:, None] - points)
    return distances


def cost(distance: np.ndarray, chosen: list[int]) -> float:
    return float(distance[chosen].min(axis=0).sum())


def test_every_cluster_gives_its_middle() -> None:
    distance = spread(np.array([0.0, 1.0, 2.1, 10.0, 11.0, 12.1, 20.0, 21.0, 22.1]))
    assert sorted(k_medoids(distance, 3)) == [1, 4, 7]


def test_a_crowd_takes_no_more_than_its_share() -> None:
    distance = spread(np.concatenate((np.linspace(0, 0.1, 30), [5.0, 9.0])))
    assert {30, 31} < set(k_medoids(distance, 3))


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_at_most_a_little_worse_than_the_best(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    best = min(cost(distance, list(chosen)) for chosen in itertools.combinations(range(12), 4))
    assert cost(distance, k_medoids(distance, 4)) <= 1.1 * best


def test_no_exchange_of_one_conformer_improves_the_choice() -> None:
    points = np.random.default_rng(3).normal(size=(40, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    chosen = k_medoids(distance, 6)
    others = [
        [*chosen[:place], new, *chosen[place + 1 :]] for place in range(6) for new in set(range(40)) - set(chosen)
    ]
    assert cost(distance, chosen) <= min(cost(distance, other) for other in others) + 1e-9


def test_weights_count_as_copies_would() -> None:
    points = np.random.default_rng(4).normal(size=(12, 2))
    copies = np.arange(12) % 3 + 1
    repeated = np.repeat(points, copies, axis=0)
    weighed = k_medoids(np.linalg.norm(points[:, None] - points, axis=-1), 4, weights=copies)
    among_copies = k_medoids(np.linalg.norm(repeated[:, None] - repeated, axis=-1), 4)
    assert weighed == np.repeat(np.arange(12), copies)[among_copies].tolist()


@pytest.mark.parametrize(("count", "chosen"), [(0, []), (3, [0, 1, 2]), (7, [0, 1, 2])])
def test_none_and_all_can_be_chosen(count: int, chosen: list[int]) -> None:
    assert sorted(k_medoids(spread(np.array([0.0, 1.0, 5.0])), count)) == chosen


def test_no_conformer_is_chosen_twice_among_equal_ones() -> None:
    assert len(set(k_medoids(np.zeros((6, 6)), 4))) == 4


def test_distances_that_are_not_finite_count_as_far() -> None:
    distance = spread(np.array([0.0, 0.1, 0.2, 9.0]))
    distance[3, :3] = distance[:3, 3] = np.inf
    assert set(k_medoids(distance, 2)) == {1, 3}


def test_a_fixed_conformer_stays_and_the_others_arrange_themselves_around_it() -> None:
    distance = spread(np.array([0.0, 1.0, 2.1, 10.0, 11.0, 12.1, 20.0, 21.0, 22.1]))
    chosen = k_medoids(distance, 3, fixed=[5])
    assert chosen[0] == 5
    assert sorted(chosen) == [1, 5, 7]


def conformers(smiles: str, number: int, seed: int = 7) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMultipleConfs(mol, number, randomSeed=seed)
    rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(mol, maxIters=2000)
    return mol


@pytest.mark.parametrize(
    ("smiles", "number"), [("CC", 1), ("c1ccccc1", 1), ("C1CCCCC1", 1), ("CCCC", 3), ("C", 1), ("[H][H]", 1)]
)
def test_what_is_the_same_by_symmetry_counts_once(smiles: str, number: int) -> None:
    # Butane: anti and two gauche forms, which are mirror images. Cyclohexane: twist boats are left out by their energy.
    mol = conformers(smiles, 30)
    energies = energies_of(mol)
    choice = choose(mol, 30, rms=0.2, energies_kcal_mol=energies, ewindow_kcal_mol=3.0)
    assert len(choice.kept) == number
    assert len(choice.kept) + choice.duplicates + choice.beyond_window == 30


def energies_of(mol: Chem.Mol) -> np.ndarray:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    if properties is None:  # H2
        return np.zeros(mol.GetNumConformers())
    fields = (
        rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties, confId=k) for k in range(mol.GetNumConformers())
    )
    return np.array([field.CalcEnergy() for field in fields])


def test_by_energy_gives_the_lowest_distinct_ones_in_order() -> None:
    mol = conformers("CCCCCO", 40)
    energies = energies_of(mol)
    kept = choose(mol, 5, rms=0.3, energies_kcal_mol=energies, by="energy").kept
    distance = rmsd_heavy_matrix(mol, mol)
    everything: list[int] = []
    for k in energies.argsort(kind="stable").tolist():
        if not (distance[k, everything] < 0.3).any():
            everything.append(k)
    assert kept == everything[:5]


def test_diverse_keeps_the_lowest_and_stands_for_more_than_the_lowest_five_do() -> None:
    mol = conformers("OCCCCCN", 30)
    energies = energies_of(mol)
    by_energy, diverse = (
        choose(mol, 5, rms=0.1, energies_kcal_mol=energies, by=by).kept for by in ("energy", "diverse")
    )
    distance = rmsd_heavy_matrix(mol, mol)
    assert diverse[0] == energies.argmin()
    assert list(energies[diverse]) == sorted(energies[diverse])
    assert cost(distance, diverse) < cost(distance, by_energy)


def test_energies_that_are_not_finite_come_last_and_lie_beyond_any_window() -> None:
    mol = conformers("CCCC", 4)
    energies = [np.nan, 2.0, np.inf, 1.0]
    assert choose(mol, 4, rms=None, energies_kcal_mol=energies, by="energy").kept == [3, 1, 0, 2]
    assert choose(mol, 4, rms=0, energies_kcal_mol=energies, ewindow_kcal_mol=50).kept == [3, 1]


def test_without_conformers_nothing_is_chosen() -> None:
    assert choose(Chem.AddHs(Chem.MolFromSmiles("CCO")), 5, rms=0.1) == Choice([], 0, 0)


@pytest.mark.parametrize(
    ("by", "window", "says"), [("luck", None, "luck"), ("energy", None, "needs"), ("diverse", 5.0, "needs")]
)
def test_what_cannot_be_done_is_refused(by: str, window: float | None, says: str) -> None:
    with pytest.raises(CannotStart, match=says):
        choose(conformers("CCO", 2), 2, rms=0.1, ewindow_kcal_mol=window, by=by)


def test_many_are_chosen_among_many_within_seconds() -> None:
    points = np.random.default_rng(0).normal(size=(400, 3))
    began = time.process_time()
    assert len(set(k_medoids(np.linalg.norm(points[:, None] - points, axis=-1), 100))) == 100
    assert time.process_time() - began < 10
