"""Promises of the training batches: repeatable, in the shares asked for, within the budget, mirrored rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rdkit import Chem
from torch_geometric.data import Batch as FlatBatch

from confgen.dataset import MULTIPLE, Pack
from confgen.errors import InputError
from confgen.graph import ELEMENTS, mol_to_graph
from confgen.mixture import Batch, BatchSettings, Mixture, NoiseSettings, mirrored
from confgen.models.dense import PAIR_FEATURES, DenseGraph
from confgen.molecule import read_molecule
from confgen.packing import packed

SETTINGS = BatchSettings(pairs=600, draws=2, most=16, mirror=False)
CHIRAL = ("C[C@H](N)C(=O)O", "C[C@@H](O)[C@H](F)Cl", "C[C@H]1CC[C@@H](O)CC1", "C[S@](=O)CC", "F/C=C/[C@H](O)Cl")


@pytest.fixture(scope="module")
def other_pack(
    tmp_path_factory: pytest.TempPathFactory,
    row_of: Callable[..., dict[str, Any]],
    rows_file: Callable[[Path, list[dict[str, Any]]], Path],
) -> Pack:
    """Four molecules of silicon, an element that the usual pack has not."""
    folder = tmp_path_factory.mktemp("other")
    rows = [row_of(smiles, 1) for smiles in ("C[SiH2]C", "CC[SiH3]", "CC[SiH2]CC", "CCCC[SiH3]")]
    return Pack.load(packed(rows_file(folder / "other.parquet", rows), folder, workers=1))


def mixture_of(pack: Pack, settings: BatchSettings = SETTINGS) -> Mixture:
    return Mixture([pack], [1.0], settings, NoiseSettings())


def tensors(mixture: Mixture, seed: int, step: int) -> list[torch.Tensor]:
    batch = mixture.batch(seed, step)
    graph = batch.graph
    return [graph.mask, graph.node, graph.pair, graph.wanted, batch.clean, batch.root, batch.sigma, batch.eps]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_step_has_the_same_batch_whatever_came_before(pack: Pack) -> None:
    settings = replace(SETTINGS, mirror=True)
    fresh, used = mixture_of(pack, settings), mixture_of(pack, settings)
    torch.manual_seed(5)
    for step in range(3):
        used.batch(1, step)
    assert same(tensors(fresh, 1, 3), tensors(used, 1, 3))


def test_the_global_generator_is_left_alone(pack: Pack) -> None:
    before = torch.random.get_rng_state()
    mixture_of(pack).batch(1, 0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("seed", "step"), [(1, 4), (2, 3)])
def test_another_step_or_seed_has_other_noise(seed: int, step: int, pack: Pack) -> None:
    mixture = mixture_of(pack)
    first, second = mixture.batch(1, 3).eps.flatten(), mixture.batch(seed, step).eps.flatten()
    count = min(len(first), len(second))
    assert not torch.equal(first[:count], second[:count])


def test_a_molecule_comes_with_as_many_draws_as_asked(pack: Pack) -> None:
    batch = mixture_of(pack, replace(SETTINGS, draws=3)).batch(1, 0)
    assert len(batch.clean) == len(batch.sigma) == len(batch.eps) == 3 * len(batch.graph.mask)


def test_the_budget_of_pairs_is_kept(pack: Pack) -> None:
    mixture = mixture_of(pack)
    for step in range(30):
        samples, atoms, _ = mixture.batch(1, step).clean.shape
        assert samples * atoms**2 <= SETTINGS.pairs


def test_no_batch_has_more_samples_than_asked(pack: Pack) -> None:
    mixture = mixture_of(pack, replace(SETTINGS, pairs=100_000, most=6))
    assert {len(mixture.batch(1, step).clean) for step in range(10)} == {6}


def test_molecules_too_big_for_the_budget_still_come(pack: Pack) -> None:
    assert len(mixture_of(pack, replace(SETTINGS, pairs=1)).batch(1, 0).clean) == SETTINGS.draws


def test_molecules_of_a_batch_are_about_equally_big(pack: Pack) -> None:
    mixture = mixture_of(pack)
    for step in range(30):
        sizes = mixture.batch(1, step).graph.mask.sum(-1)
        assert int(sizes.max() - sizes.min()) < MULTIPLE


@pytest.mark.parametrize("weights", [[1.0, 1.0], [3.0, 1.0], [0.0, 1.0]])
def test_packs_come_up_in_the_shares_asked_for(weights: list[float], pack: Pack, other_pack: Pack) -> None:
    mixture = Mixture([pack, other_pack], weights, SETTINGS, NoiseSettings())
    silicon = total = 0
    for step in range(400):
        elements = mixture.batch(1, step).graph.node[:, :, 0]
        total += len(elements)
        silicon += int((elements == ELEMENTS.index("Si")).any(-1).sum())
    assert silicon / total == pytest.approx(weights[1] / sum(weights), abs=0.06)


def test_molecules_of_a_pack_come_up_equally_often_whatever_their_size(pack: Pack) -> None:
    mixture = mixture_of(pack)
    small = total = 0
    for step in range(400):
        sizes = mixture.batch(1, step).graph.mask.sum(-1)
        total, small = total + len(sizes), small + int((sizes <= 4).sum())
    assert small / total == pytest.approx(float((pack.sizes <= 4).float().mean()), abs=0.06)


def test_all_conformers_come_up(pack: Pack) -> None:
    mixture = mixture_of(pack)
    ethanol = [pack.positions(torch.tensor([0]), torch.tensor([k]))[0] for k in range(2)]
    clean = torch.cat([batch.clean for step in range(40) if (batch := mixture.batch(1, step)).clean.shape[1] == 4])
    found = [bool((clean - pos).abs().amax((1, 2)).lt(1e-6).any()) for pos in ethanol]
    assert found == [True, True]


def test_no_weight_at_all_is_an_input_error(pack: Pack) -> None:
    with pytest.raises(InputError, match=r"data\.sets"):
        Mixture([pack], [0.0], SETTINGS, NoiseSettings())


def test_half_of_the_samples_are_mirror_images(pack: Pack) -> None:
    plain, turned = mixture_of(pack), mixture_of(pack, replace(SETTINGS, mirror=True))
    flipped = []
    for step in range(60):
        first, second = plain.batch(1, step), turned.batch(1, step)
        signs = (first.clean * second.clean).sum((1, 2)).sign().view(-1, SETTINGS.draws)
        assert (signs[:, 0] == signs[:, 1]).all()
        flipped.append(signs[:, 0] < 0)
    assert float(torch.cat(flipped).float().mean()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("smiles", CHIRAL)
def test_the_graph_of_a_mirrored_molecule_is_that_of_the_enantiomer(smiles: str) -> None:
    mol = read_molecule(smiles)
    enantiomer = Chem.Mol(mol)
    for atom in enantiomer.GetAtoms():
        atom.InvertChirality()
    graph, want = (DenseGraph.from_flat(mol_to_graph(m)) for m in (mol, enantiomer))
    got = mirrored(graph, torch.tensor([True]))
    for name in ("mask", "node", "pair", "bounds", "centres", "wanted"):
        torch.testing.assert_close(getattr(got, name), getattr(want, name))


def test_only_the_chosen_molecules_are_mirrored() -> None:
    flat = FlatBatch.from_data_list([mol_to_graph(read_molecule(smiles)) for smiles in CHIRAL[:2]])
    graph = DenseGraph.from_flat(flat)
    got = mirrored(graph, torch.tensor([False, True]))
    cycle = list(PAIR_FEATURES).index("cycle")
    assert torch.equal(got.pair[0], graph.pair[0])
    assert not torch.equal(got.pair[1, ..., cycle], graph.pair[1, ..., cycle])


def test_mirroring_leaves_the_original_alone() -> None:
    graph = DenseGraph.from_flat(mol_to_graph(read_molecule(CHIRAL[0])))
    before = graph.pair.clone()
    mirrored(graph, torch.tensor([True]))
    assert torch.equal(graph.pair, before)


def test_noise_levels_stay_within_their_limits(pack: Pack) -> None:
    noise = NoiseSettings(sigma_min=0.1, sigma_max=1.0, log_std=5.0)
    sigma = Mixture([pack], [1.0], SETTINGS, noise).batch(1, 0).sigma
    assert 0.1 - 1e-6 <= float(sigma.min()) <= float(sigma.max()) <= 1.0 + 1e-6


@pytest.fixture(scope="module")
def begun(
    tmp_path_factory: pytest.TempPathFactory, ensemble_rows: list[dict[str, Any]], rows_file: Callable[..., Path]
) -> Pack:
    """The molecules of the usual pack, with starts."""
    folder = tmp_path_factory.mktemp("begun")
    return Pack.load(packed(rows_file(folder / "rows.parquet", ensemble_rows), folder, workers=1, starts=True))


def of_starts(pack: Pack, share: float, path: float = 1.0, steps: int = 0, **settings: Any) -> Mixture:
    noise = NoiseSettings(starts=share, start_sigma=0.5, start_path=path, start_steps=steps)
    return Mixture([pack], [1.0], replace(SETTINGS, **settings), noise)


def same_positions(padded: torch.Tensor, pos: torch.Tensor) -> bool:
    """Whether positions are those of a molecule, (N, 3), and zeros after them."""
    count = len(pos)
    return count <= len(padded) and not padded[count:].any() and bool((padded[:count] - pos).abs().max() < 1e-6)


def moved(batch: Batch) -> torch.Tensor:
    """Which samples lie on the way to a start, (B * S,)."""
    assert batch.shift is not None
    return batch.shift.isfinite().all(-1).all(-1)


def test_samples_lie_on_the_way_to_their_starts_at_a_level_that_grows_with_it(begun: Pack) -> None:
    one = torch.ones(1, dtype=torch.long)
    every = [(k * one, c * one) for k, count in enumerate(begun.num_starts.tolist()) for c in range(count)]
    known = [(begun.start_positions(*at)[0], begun.positions(at[0], begun.ends_of(*at))[0]) for at in every]
    seen = 0
    for step in range(20):
        batch = of_starts(begun, 1.0).batch(1, step)
        assert batch.shift is not None
        for clean, shift, sigma in zip(
            *(own[moved(batch)] for own in (batch.clean, batch.shift, batch.sigma)), strict=True
        ):
            ways = [start - pos for start, pos in known if same_positions(clean, pos)]
            if sigma > NoiseSettings.sigma_min:
                apart = [float((shift[: len(way)] - way * (sigma / 0.5)).abs().max()) for way in ways]
                assert min(apart) < 1e-3
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_share_asked_for_lies_on_the_way(share: float, begun: Pack) -> None:
    batches = [(of_starts(begun, share).batch(1, step), of_starts(begun, 1.0).batch(1, step)) for step in range(150)]
    of_known = torch.cat([moved(some)[moved(every)] for some, every in batches])
    assert float(of_known.float().mean()) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("path", [0.0, 0.25])
def test_starts_that_do_not_lie_on_the_way_are_shown_whole(path: float, begun: Pack) -> None:
    batches = [of_starts(begun, 1.0, path).batch(1, step) for step in range(150)]
    levels = torch.cat([batch.sigma[moved(batch)] for batch in batches])
    assert float((levels < 0.5).float().mean()) == pytest.approx(path, abs=0.06)
    assert float(levels.max()) == 0.5


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_starts_are_moved_none_to_as_many_steps_as_asked_alike_often(steps: int, begun: Pack) -> None:
    stepped = Counter(of_starts(begun, 0.5, steps=steps).batch(1, step).stepped for step in range(300))
    assert sorted(stepped) == list(range(steps + 1))
    assert min(stepped.values()) > 0.75 * 300 / (steps + 1)


def test_what_has_no_starts_is_never_to_be_moved(pack: Pack) -> None:
    assert not any(of_starts(pack, 0.5, steps=1).batch(1, step).stepped for step in range(20))


def test_starts_are_mirrored_with_their_conformers(begun: Pack) -> None:
    turned = 0
    for step in range(10):
        plain, mirror = (of_starts(begun, 1.0, mirror=on).batch(1, step) for on in (False, True))
        sign = (plain.clean * mirror.clean).sum((1, 2)).sign()
        for batch in (plain, mirror):
            assert batch.shift is not None
            batch.shift.div_(batch.sigma.view(-1, 1, 1))  # the level is drawn anew
        both = moved(plain) & moved(mirror)
        turned += int((sign[both] < 0).sum())
        torch.testing.assert_close(
            plain.shift[both] * sign[both].view(-1, 1, 1), mirror.shift[both], rtol=1e-3, atol=1e-3
        )
    assert turned > 10


def test_without_starts_there_is_noise_alone(pack: Pack) -> None:
    assert mixture_of(pack).batch(1, 0).shift is None
    shift = of_starts(pack, 1.0).batch(1, 0).shift
    assert shift is not None
    assert shift.isnan().all()
