"""Promises of the prior: the right covariance, and noise that follows from seed and molecule alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from confgen.prior import draw_noise, harmonic_root, laplacian

CHAIN = [(0, 1), (1, 2), (2, 3), (3, 4)]
RING = [*CHAIN, (4, 5), (5, 0)]
STAR = [(0, 1), (0, 2), (0, 3)]
GRAPHS = {"pair": (2, [(0, 1)]), "chain": (5, CHAIN), "ring": (6, RING), "star": (4, STAR)}


def graph(n: int, bonds: list[tuple[int, int]], size: int | None = None) -> tuple[Tensor, Tensor]:
    """Adjacency (1, size, size) and mask (1, size) of a molecule of n atoms, padded to `size`."""
    size = size or n
    adjacency = torch.zeros(1, size, size, dtype=torch.bool)
    for i, j in bonds:
        adjacency[0, i, j] = adjacency[0, j, i] = True
    return adjacency, torch.arange(size)[None] < n


def covariance(n: int, bonds: list[tuple[int, int]]) -> Tensor:
    root = harmonic_root(*graph(n, bonds), dtype=torch.float64)[0]
    return root @ root.T


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("name", GRAPHS)
def test_harmonic_covariance_is_the_pseudo_inverse_of_the_laplacian(name: str) -> None:
    n, bonds = GRAPHS[name]
    expected = torch.linalg.pinv(laplacian(*graph(n, bonds))[0], hermitian=True)
    torch.testing.assert_close(covariance(n, bonds), expected)


def test_two_bonded_atoms_move_against_each_other() -> None:
    expected = torch.tensor([[0.25, -0.25], [-0.25, 0.25]], dtype=torch.float64)
    torch.testing.assert_close(covariance(2, [(0, 1)]), expected)


def test_distance_in_a_chain_spreads_as_the_number_of_bonds_between() -> None:
    cov = covariance(5, CHAIN)
    spread = cov.diagonal()[:, None] + cov.diagonal() - 2 * cov
    index = torch.arange(5)
    torch.testing.assert_close(spread, (index[:, None] - index).abs().double())


def test_distance_in_a_ring_spreads_as_two_chains_in_parallel() -> None:
    cov = covariance(6, RING)
    spread = cov.diagonal()[:, None] + cov.diagonal() - 2 * cov
    hops = (torch.arange(6)[:, None] - torch.arange(6)).abs().double()
    torch.testing.assert_close(spread, hops * (6 - hops) / 6)


def test_laplacian_measures_the_squared_differences_over_bonds() -> None:
    v = torch.randn(5, dtype=torch.float64, generator=seeded(1)[0])
    torch.testing.assert_close(v @ laplacian(*graph(5, CHAIN))[0] @ v, v.diff().square().sum())


def test_bond_orders_count_as_one_bond() -> None:
    adjacency, mask = graph(5, CHAIN)
    assert torch.equal(laplacian(2 * adjacency.float(), mask), laplacian(adjacency, mask))


def test_root_turns_with_a_reordering_of_the_atoms() -> None:
    adjacency, mask = graph(5, CHAIN)
    order = torch.tensor([3, 0, 4, 1, 2])
    root = harmonic_root(adjacency, mask, dtype=torch.float64)[:, order][:, :, order]
    torch.testing.assert_close(harmonic_root(adjacency[:, order][:, :, order], mask, dtype=torch.float64), root)


def test_root_does_not_depend_on_padding_or_the_batch() -> None:
    small, mask = graph(5, CHAIN, size=9)
    ring, ring_mask = graph(6, RING, size=9)
    together = harmonic_root(torch.cat((ring, small)), torch.cat((ring_mask, mask)))
    assert torch.equal(together[1:, :5, :5], harmonic_root(*graph(5, CHAIN)))


def test_root_is_zero_in_padding() -> None:
    root = harmonic_root(*graph(5, CHAIN, size=9))
    assert root[:, 5:].count_nonzero() + root[:, :, 5:].count_nonzero() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_root_has_the_precision_asked_for(dtype: torch.dtype) -> None:
    assert harmonic_root(*graph(5, CHAIN), dtype=dtype).dtype == dtype


def test_a_single_atom_gets_no_noise() -> None:
    adjacency, mask = graph(1, [], size=3)
    assert draw_noise(harmonic_root(adjacency, mask), mask, seeded(1)).count_nonzero() == 0


def test_disconnected_parts_are_refused() -> None:
    with pytest.raises(AssertionError, match="2 disconnected parts"):
        harmonic_root(*graph(4, [(0, 1), (2, 3)]))


def test_atoms_after_padding_are_refused() -> None:
    adjacency, mask = graph(2, [(0, 1)], size=3)
    with pytest.raises(AssertionError, match="before its padding"):
        harmonic_root(adjacency, mask.flip(-1))


def test_a_long_chain_counts_as_connected() -> None:
    n = 300
    root = harmonic_root(*graph(n, [(i, i + 1) for i in range(n - 1)]), dtype=torch.float64)[0]
    spread = (root[0] - root[-1]).square().sum().item()
    assert spread == pytest.approx(n - 1)


@pytest.mark.parametrize("name", GRAPHS)
def test_drawn_noise_has_the_covariance_of_the_prior(name: str) -> None:
    n, bonds = GRAPHS[name]
    adjacency, mask = graph(n, bonds)
    count = 4_000
    root = harmonic_root(adjacency, mask).expand(count, n, n)
    drawn = draw_noise(root, mask.expand(count, n), seeded(*range(count)))
    empirical = torch.einsum("bic,bjc->ij", drawn, drawn) / (3 * count)
    torch.testing.assert_close(empirical.double(), covariance(n, bonds), atol=0.05, rtol=0.05)


def test_drawn_noise_depends_on_the_seed_alone() -> None:
    ring, ring_mask = graph(6, RING, size=9)
    chain, mask = graph(5, CHAIN, size=9)
    masks = torch.cat((ring_mask, mask, mask))
    together = draw_noise(harmonic_root(torch.cat((ring, chain, chain)), masks), masks, seeded(1, 2, 3))
    adjacency, mask = graph(5, CHAIN)
    assert torch.equal(together[2:, :5], draw_noise(harmonic_root(adjacency, mask), mask, seeded(3)))


def test_a_generator_gives_its_numbers_to_the_atoms_alone() -> None:
    adjacency, mask = graph(5, CHAIN, size=9)
    used, expected = seeded(1, 1)
    draw_noise(harmonic_root(adjacency, mask), mask, [used])
    torch.randn(5, 3, generator=expected, dtype=torch.float64)
    assert torch.equal(used.get_state(), expected.get_state())


def test_drawn_noise_is_zero_in_padding() -> None:
    adjacency, mask = graph(5, CHAIN, size=9)
    assert draw_noise(harmonic_root(adjacency, mask), mask, seeded(1))[:, 5:].count_nonzero() == 0


def test_drawn_noise_keeps_the_centroid_at_the_origin() -> None:
    adjacency, mask = graph(5, CHAIN, size=9)
    drawn = draw_noise(harmonic_root(adjacency, mask, dtype=torch.float64), mask, seeded(1))
    torch.testing.assert_close(drawn.sum(1), torch.zeros(1, 3, dtype=torch.float64))


def test_too_few_generators_are_refused() -> None:
    adjacency, mask = graph(5, CHAIN)
    with pytest.raises(AssertionError, match="as many generators"):
        draw_noise(harmonic_root(adjacency, mask), mask, [])


def test_the_quick_noise_is_the_drawn_noise_of_the_same_numbers() -> None:
    adjacency, mask = graph(5, CHAIN)
    root = harmonic_root(adjacency, mask, dtype=torch.float64)
    eps = torch.randn(1, 5, 3, generator=seeded(1)[0], dtype=torch.float64)
    torch.testing.assert_close(root @ eps, draw_noise(root, mask, seeded(1)))
