"""The contract that all networks share, with every weight moved off zero, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from confgen import models
from confgen.models import layer
from confgen.models.dense import PAIR_FEATURES, DenseGraph, flatten, unflatten

VARIANTS = [(name, {}) for name in models.REGISTRY] + [("clofnet", {"second_axis": "position"})]
EXACT = {"rtol": 1e-10, "atol": 1e-10}
NOISE = torch.tensor([-0.3], dtype=torch.float64)
DEGENERATE = {
    "hydrogen": ("[H][H]", lambda pos: pos),
    "carbon dioxide in a line": ("O=C=O", lambda _: torch.tensor([[-1.16, 0, 0], [0, 0, 0], [1.16, 0, 0]])),
    "flat benzene": ("c1ccccc1", lambda pos: pos * torch.tensor([1.0, 1.0, 0.0])),
    "all atoms at one point": ("C[C@H](N)C(=O)O", lambda pos: torch.zeros_like(pos)),
    "a single atom": ("C", lambda pos: pos),
    "an ion": ("[Na+]", lambda pos: pos),
}


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join((variant[0], *variant[1].values())))
def variant(request: pytest.FixtureRequest, tiny: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name, changes = request.param
    return name, tiny | changes


@pytest.fixture
def network(variant: tuple[str, dict[str, Any]], randomise: Callable[..., nn.Module]) -> nn.Module:
    name, config = variant
    torch.manual_seed(0)
    return randomise(models.build(name, **config))


def permuted(graph: Data, order: Tensor) -> Data:
    """The graph with atom order[i] at place i."""
    n = graph.num_nodes
    place = torch.empty_like(order)
    place[order] = torch.arange(n)

    def pairs(values: Tensor) -> Tensor:
        return values.view(n, n, -1)[order][:, order].reshape(n * n, -1)

    return Data(
        z=graph.z[order], node=graph.node[order], edge_index=graph.edge_index, pair=pairs(graph.pair),
        bounds=pairs(graph.bounds), centre_index=place[graph.centre_index], wanted=graph.wanted,
        pos=graph.pos[order], num_nodes=n,
    )  # fmt: skip


def test_every_atom_gets_a_vector(network: nn.Module, threonine: Data) -> None:
    assert network(threonine, threonine.pos, NOISE).shape == threonine.pos.shape


def test_a_fresh_network_answers_zero(variant: tuple[str, dict[str, Any]], threonine: Data) -> None:
    name, config = variant
    assert not models.build(name, **config)(threonine, threonine.pos.float(), NOISE.float()).any()


def test_the_answer_turns_with_the_molecule(network: nn.Module, threonine: Data, rotation: Tensor) -> None:
    turned = network(threonine, threonine.pos @ rotation.T, NOISE)
    torch.testing.assert_close(turned, network(threonine, threonine.pos, NOISE) @ rotation.T, **EXACT)


def test_the_answer_does_not_depend_on_where_the_molecule_lies(network: nn.Module, threonine: Data) -> None:
    moved = network(threonine, threonine.pos + torch.tensor([3.0, -5.0, 2.0]), NOISE)
    torch.testing.assert_close(moved, network(threonine, threonine.pos, NOISE), **EXACT)


def test_the_answer_does_not_move_the_molecule(network: nn.Module, threonine: Data) -> None:
    drift = network(threonine, threonine.pos, NOISE).sum(0)
    torch.testing.assert_close(drift, torch.zeros_like(drift), **EXACT)


def test_the_answer_follows_a_permutation_of_the_atoms(network: nn.Module, threonine: Data) -> None:
    order = torch.randperm(threonine.num_nodes, generator=torch.Generator().manual_seed(1))
    graph = permuted(threonine, order)
    torch.testing.assert_close(
        network(graph, graph.pos, NOISE), network(threonine, threonine.pos, NOISE)[order], **EXACT
    )


def test_a_batch_gives_what_its_molecules_give_one_by_one(
    network: nn.Module, graph_of: Callable[[str], Data], threonine: Data
) -> None:
    graphs = [graph_of("CCO"), threonine, graph_of("[H][H]"), graph_of("c1ccccc1C"), graph_of("C")]
    noise = torch.tensor([-0.3, 0.1, -1.0, 0.5, 0.2], dtype=torch.float64)
    batch = Batch.from_data_list(graphs)
    together = network(batch, batch.pos, noise)
    alone = torch.cat([network(g, g.pos, noise[i : i + 1]) for i, g in enumerate(graphs)])
    torch.testing.assert_close(together, alone, **EXACT)


def test_one_encoded_molecule_serves_all_its_conformers(network: nn.Module, threonine: Data) -> None:
    dense = DenseGraph.from_flat(threonine)
    pos = (
        threonine.pos + 0.2 * torch.randn(4, *threonine.pos.shape, generator=torch.Generator().manual_seed(1)).double()
    )
    noise = torch.tensor([-1.0, -0.5, 0.0, 0.5], dtype=torch.float64)
    together = network.refine(network.encode(dense), pos, noise)
    alone = torch.stack([network(threonine, pos[k], noise[k : k + 1]) for k in range(4)])
    torch.testing.assert_close(together, alone, **EXACT)


def test_repeated_molecules_get_the_same_answers(network: nn.Module, threonine: Data) -> None:
    encoded = network.encode(DenseGraph.from_flat(threonine))
    pos = threonine.pos.repeat(3, 1, 1)
    answers = network.refine(encoded.repeat(3), pos, NOISE.repeat(3))
    torch.testing.assert_close(answers, network.refine(encoded, pos, NOISE.repeat(3)), **EXACT)


def test_padding_gets_no_answer(network: nn.Module, ethanol: Data, threonine: Data) -> None:
    batch = Batch.from_data_list([ethanol, threonine])
    dense = DenseGraph.from_flat(batch)
    answer = network.refine(network.encode(dense), unflatten(batch.pos, dense.mask), NOISE.repeat(2))
    assert not answer[~dense.mask].any()


def test_the_answer_depends_on_the_noise_level(network: nn.Module, threonine: Data) -> None:
    low, high = (network(threonine, threonine.pos, noise.view(1)) for noise in torch.tensor([-1.0, 0.5]).double())
    assert (low - high).abs().max() > 1e-3


def test_mirror_images_of_a_chiral_molecule_are_told_apart(network: nn.Module, threonine: Data) -> None:
    mirrored = network(threonine, -threonine.pos, NOISE)
    assert (mirrored + network(threonine, threonine.pos, NOISE)).abs().max() > 1e-3


def test_a_wanted_hand_changes_the_answer(network: nn.Module, threonine: Data) -> None:
    other = threonine.clone()
    other.wanted = -other.wanted
    difference = network(other, threonine.pos, NOISE) - network(threonine, threonine.pos, NOISE)
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize("feature", ["cis_trans", "cycle"])
def test_stereo_of_pairs_changes_the_answer(feature: str, network: nn.Module, graph_of: Callable[[str], Data]) -> None:
    graph = graph_of("F/C=C/[C@H](O)Cl")
    other, column = graph.clone(), list(PAIR_FEATURES).index(feature)
    other.pair[:, column] = torch.tensor([0, 2, 1])[graph.pair[:, column]]
    assert (network(graph, graph.pos, NOISE) - network(other, graph.pos, NOISE)).abs().max() > 1e-3


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_geometry_has_finite_answers(case: str, network: nn.Module, graph_of: Callable[[str], Data]) -> None:
    smiles, change = DEGENERATE[case]
    graph = graph_of(smiles)
    assert network(graph, change(graph.pos).double(), NOISE).isfinite().all()


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_geometry_has_finite_gradients(
    case: str, network: nn.Module, graph_of: Callable[[str], Data]
) -> None:
    smiles, change = DEGENERATE[case]
    graph = graph_of(smiles)
    pos = change(graph.pos).double().requires_grad_()
    network(graph, pos, NOISE).square().sum().backward()
    gradients = [pos.grad, *(p.grad for p in network.parameters() if p.grad is not None)]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_every_weight_takes_part(network: nn.Module, threonine: Data) -> None:
    network(threonine, threonine.pos, NOISE).square().sum().backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    unused = "axis.weight" if network.config.second_axis == "position" else None
    assert {name for name in idle if unused is None or not name.endswith(unused)} == set()


def test_what_a_layer_passes_on_changes_gradients_of_those_before_it_alone(network: nn.Module, threonine: Data) -> None:
    answers, gradients = [], []
    for share in (1.0, 0.5):
        network.zero_grad()
        network.passed_on = share
        answers.append(network(threonine, threonine.pos, NOISE))
        answers[-1].square().sum().backward()
        gradients.append([layer.move.weight.grad.clone() for layer in network.layers])
    torch.testing.assert_close(*answers)
    torch.testing.assert_close(gradients[0][-1], gradients[1][-1])
    assert not torch.allclose(gradients[0][0], gradients[1][0])


def test_random_frames_change_the_answer(network: nn.Module, threonine: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    right = network(threonine, threonine.pos, NOISE)
    true_frames = layer.edge_frames

    def random_frames(pos: Tensor, axis: Tensor | None = None) -> tuple[Tensor, Tensor]:
        del axis
        return true_frames(pos, torch.randn(pos.shape, generator=torch.Generator().manual_seed(0)).to(pos))

    monkeypatch.setattr(layer, "edge_frames", random_frames)
    assert (network(threonine, threonine.pos, NOISE) - right).abs().max() > 1e-3


def test_the_answer_does_not_jump_where_a_distance_leaves_its_bounds(
    network: nn.Module, graph_of: Callable[[str], Data]
) -> None:
    graph = graph_of("CCCCCC")
    lower = float(graph.bounds.view(6, 6, 2)[0, 5, 0])
    along = (graph.pos[5] - graph.pos[0]) / (graph.pos[5] - graph.pos[0]).norm()
    answers = []
    for distance in (
        lower - 1e-7,
        lower + 1e-7,
    ):  # of the frames of the first layer, which stand on sigma_data times pos
        pos = graph.pos.clone()
        pos[5] = pos[0] + distance / network.config.sigma_data * along
        answers.append(network(graph, pos, NOISE))
    assert (answers[0] - answers[1]).abs().max() < 1e-4


def test_bf16_stays_close(network: nn.Module, threonine: Data) -> None:
    network.float()
    pos, noise = threonine.pos.float(), NOISE.float()
    right = network(threonine, pos, noise)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(threonine, pos, noise)
    assert (rough - right).norm() < 0.05 * right.norm()


def test_bf16_keeps_positions_in_fp32(network: nn.Module, threonine: Data) -> None:
    network.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert network(threonine, threonine.pos.float(), NOISE.float()).dtype == torch.float32


def test_an_unknown_network_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="schnet"):
        models.build("schnet")


def test_an_unknown_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="widht"):
        models.build("clofnet", widht=3)


def test_dense_positions_go_back_to_flat_ones() -> None:
    mask = torch.tensor([[True, True, False], [True, True, True]])
    pos = torch.randn(5, 3)
    torch.testing.assert_close(flatten(unflatten(pos, mask), mask), pos)
