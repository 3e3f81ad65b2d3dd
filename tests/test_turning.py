"""Promises of turning: frequencies become those of the library, all else stays, and nothing comes to lie on another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen.conformers import positions
from confgen.molecule import read_molecule
from confgen.scaffold import Core
from confgen.torsions import BINS, TorsionLibrary, bin_of, histogram, turns
from confgen.turning import CLASSES, rotated, turned

Embed = Callable[..., Chem.Mol]
ANILIDE = "CC(=O)Nc1ccccc1"


def wanting(mol: Chem.Mol, number: int, shares: dict[int, float], known_from: float = 1e6) -> TorsionLibrary:
    """A library that has shares of CLASSES for one bond that turns, and no other."""
    counts = np.zeros(BINS)
    for place, share in shares.items():
        counts[place * BINS // CLASSES : (place + 1) * BINS // CLASSES] = share * known_from / (BINS // CLASSES)
    return TorsionLibrary({turns(mol)[number].kinds[0]: counts})


@pytest.fixture(scope="module")
def amide(embed_mol: Embed) -> Chem.Mol:
    """200 conformers, all trans."""
    return embed_mol(read_molecule("CCC(=O)NCC"), 200)


def amide_bond(mol: Chem.Mol) -> int:
    [number] = [k for k, turn in enumerate(turns(mol)) if {turn.j, turn.k} == {2, 4}]
    return number


def test_torsions_become_as_frequent_as_in_the_library(amide: Chem.Mol) -> None:
    number = amide_bond(amide)
    turn = turns(amide)[number]
    library = wanting(amide, number, {0: 0.7, CLASSES - 1: 0.3})
    before, after = (
        histogram(turn, pos).reshape(CLASSES, -1).sum(1)
        for pos in (positions(amide), turned(amide, positions(amide), library, seed=1))
    )
    assert sorted(before)[-1] == 1
    assert (after[0], after[-1]) == (pytest.approx(0.7, abs=0.1), pytest.approx(0.3, abs=0.1))


def test_what_few_molecules_show_counts_for_less(amide: Chem.Mol) -> None:
    number = amide_bond(amide)
    turn = turns(amide)[number]
    shares = histogram(turn, positions(amide)).reshape(CLASSES, -1).sum(1)
    other = 0 if shares[-1] == 1 else CLASSES - 1
    pos = turned(amide, positions(amide), wanting(amide, number, {other: 1.0}, known_from=5.0), seed=1)
    assert histogram(turn, pos).reshape(CLASSES, -1).sum(1)[other] == pytest.approx(0.5, abs=0.1)


def test_other_torsions_bonds_and_angles_stay(amide: Chem.Mol) -> None:
    number = amide_bond(amide)
    pos = positions(amide)
    changed = turned(amide, pos, wanting(amide, number, {0: 0.5, CLASSES - 1: 0.5}), seed=1)
    assert 50 < (np.abs(changed - pos).max((1, 2)) > 0.1).sum() < 150
    for k, turn in enumerate(turns(amide)):
        if k != number:
            np.testing.assert_allclose(np.cos(turn.torsions_rad(changed)), np.cos(turn.torsions_rad(pos)), atol=1e-6)
    hops = Chem.GetDistanceMatrix(amide)
    near = (hops == 1) | (hops == 2)
    lengths = [np.linalg.norm(p[:, :, None] - p[:, None], axis=-1)[:, near] for p in (pos, changed)]
    np.testing.assert_allclose(*lengths, atol=1e-6)


def test_nothing_moves_where_the_library_says_nothing_or_the_same(amide: Chem.Mol) -> None:
    turn = turns(amide)[amide_bond(amide)]
    own = TorsionLibrary({turn.kinds[0]: 1000 * histogram(turn, positions(amide))})
    for library in (TorsionLibrary({}), own):
        np.testing.assert_array_equal(turned(amide, positions(amide), library, seed=1), positions(amide))


def test_the_same_seed_gives_the_same(amide: Chem.Mol) -> None:
    library = wanting(amide, amide_bond(amide), {0: 0.5, CLASSES - 1: 0.5})
    first, same, other = (turned(amide, positions(amide), library, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("held", [[0, 1, 2], [4, 5, 6], [0, 6]])
def test_a_core_stays_where_it_is(held: list[int], amide: Chem.Mol) -> None:
    library = wanting(amide, amide_bond(amide), {0: 0.5, CLASSES - 1: 0.5})
    core = Core(np.array(held), positions(amide)[0, held])
    changed = turned(amide, positions(amide), library, 1, core)
    np.testing.assert_array_equal(changed[:, held], positions(amide)[:, held])
    assert (changed != positions(amide)).any() == (held != [0, 6])


def test_no_turn_lays_atoms_on_each_other(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("CC(C)(C)c1ccccc1C(=O)Nc1ccccc1C(C)(C)C"), 20)
    every = TorsionLibrary({kind: np.full(BINS, 1e6) for turn in turns(mol) for kind in turn.kinds})
    pos = turned(mol, positions(mol), every, seed=1)
    far = Chem.GetDistanceMatrix(mol) > 3
    assert np.linalg.norm(pos[:, :, None] - pos[:, None], axis=-1)[:, far].min() > 1.2


def test_a_turn_adds_its_angle_to_the_torsion(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule(ANILIDE))
    for turn in turns(mol):
        pos = positions(mol)
        changed = rotated(pos[0], turn, 0.5)[None]
        by = turn.torsions_rad(changed)[0] - turn.torsions_rad(pos)[0]
        np.testing.assert_allclose(np.angle(np.exp(1j * (by - 0.5))), 0, atol=1e-9)


def test_no_conformers_stay_none() -> None:
    mol = read_molecule(ANILIDE)
    empty = np.zeros((0, mol.GetNumAtoms(), 3))
    assert turned(mol, empty, TorsionLibrary({}), seed=1).shape == empty.shape


def test_bins_end_where_half_a_turn_does() -> None:
    np.testing.assert_array_equal(bin_of(np.array([0.0, np.pi, -np.pi, 1e-9]), CLASSES), [0, 5, 5, 0])
