"""Promises of a held core: it lies exactly on its template, and the rest follows as the harmonic prior says."""

from __future__ import annotations

import numpy as np
import torch

from confgen.molecule import read_molecule
from confgen.prior import harmonic_root
from confgen.scaffold import Core, among, deviation, followers, held, of_tokens_only, superposed

TRIANGLE = np.array([[0.0, 0, 0], [1.5, 0, 0], [0, 1.4, 0]])


def bonds(count: int, *pairs: tuple[int, int]) -> np.ndarray:
    bonded = np.zeros((count, count), dtype=bool)
    for i, j in pairs:
        bonded[i, j] = bonded[j, i] = True
    return bonded


def core_of(*atoms: int) -> Core:
    return Core(np.array(atoms), TRIANGLE[: len(atoms)])


def test_a_substituent_moves_with_the_atom_that_carries_it() -> None:
    weights = followers(bonds(5, (0, 1), (1, 2), (2, 3), (3, 4)), core_of(0, 1, 2))
    np.testing.assert_allclose(weights, np.eye(3)[[0, 1, 2, 2, 2]], atol=1e-12)


def test_a_bridge_is_stretched_evenly() -> None:
    weights = followers(bonds(5, (0, 1), (1, 2), (2, 3), (3, 4)), core_of(0, 4))
    np.testing.assert_allclose(weights[:, 1], [0, 0.25, 0.5, 0.75, 1], atol=1e-12)


def test_followers_are_the_conditional_mean_of_the_prior() -> None:
    bonded = bonds(6, (0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 1))
    root = harmonic_root(torch.from_numpy(bonded)[None], torch.ones(1, 6, dtype=torch.bool), torch.float64)[0].numpy()
    covariance = root @ root.T + 1e6  # the prior leaves open where the molecule lies
    core, rest = [0, 1, 2], [3, 4, 5]
    expected = covariance[np.ix_(rest, core)] @ np.linalg.inv(covariance[np.ix_(core, core)])
    np.testing.assert_allclose(followers(bonded, core_of(*core))[rest], expected, atol=1e-6)


def test_what_is_held_lies_on_the_template_and_the_bond_beside_it_keeps_its_length() -> None:
    draw = np.random.default_rng(1)
    bonded, core = bonds(5, (0, 1), (1, 2), (2, 3), (3, 4)), core_of(0, 1, 2)
    pos = draw.normal(size=(4, 5, 3))
    moved = held(core, pos, followers(bonded, core))
    np.testing.assert_array_equal(moved[:, :3], np.broadcast_to(TRIANGLE, (4, 3, 3)))
    for first, second in ((2, 3), (3, 4)):
        lengths = [np.linalg.norm(p[:, first] - p[:, second], axis=-1) for p in (moved, pos)]
        np.testing.assert_allclose(*lengths)


def test_superposing_undoes_a_rigid_motion(rotation: torch.Tensor) -> None:
    pos = np.concatenate((TRIANGLE, [[0.3, 0.2, 1.0]]))[None]
    back = superposed(core_of(0, 1, 2), pos @ rotation.numpy() + 7.0)
    np.testing.assert_allclose(back, pos, atol=1e-9)
    assert deviation(core_of(0, 1, 2), back)[0] < 1e-9


def test_a_core_is_renumbered_in_its_fragment_and_is_none_of_another() -> None:
    part = among(core_of(4, 7, 5), np.array([4, 5, 6, 7]))
    assert part is not None
    assert part.atoms.tolist() == [0, 3, 1]
    assert among(core_of(4, 7, 5), np.array([1, 2, 3])) is None


def test_hydrogens_are_left_out_of_the_numbering_of_tokens() -> None:
    of_tokens, weights = of_tokens_only(read_molecule("[H]OCCC"), core_of(1, 2, 3))
    assert of_tokens.atoms.tolist() == [0, 1, 2]
    np.testing.assert_allclose(weights[3], [0, 0, 1])
