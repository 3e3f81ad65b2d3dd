"""Training batches from several packs: molecules of one size class together, every batch about equally dear."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from confgen.dataset import Pack
from confgen.errors import InputError
from confgen.models.dense import PAIR_FEATURES, DenseGraph
from confgen.schedule import draw_training_sigmas

SIZE_CLASS = 3


@dataclass(frozen=True)
class BatchSettings:
    """How batches are put together.

    pairs:   budget of ordered atom pairs in a batch; 40,000 are 64 samples of 25 atoms.
    draws:   samples of one molecule in a batch, each with a conformer and a noise level of its own.
    most:    samples in a batch at most (small molecules would give thousands).
    mirror:  show half of the samples as their mirror images, labels included.
    """

    pairs: int = 40_000
    draws: int = 2
    most: int = 256
    mirror: bool = True


@dataclass(frozen=True)
class NoiseSettings:
    """Training noise: ln sigma ~ N(log_mean, log_std^2) in the harmonic whitened basis, clamped to the two sigmas."""

    log_mean: float = -0.9
    log_std: float = 1.4
    sigma_min: float = 0.005
    sigma_max: float = 12.0


@dataclass(frozen=True)
class Batch:
    """B molecules with S draws each: see `Denoiser.loss` for the shapes."""

    graph: DenseGraph
    clean: Tensor
    root: Tensor
    sigma: Tensor
    eps: Tensor


class Mixture:
    """An endless stream of batches in which a molecule of pack p comes up in proportion to weight_p / molecules_p."""

    def __init__(self, packs: list[Pack], weights: list[float], settings: BatchSettings, noise: NoiseSettings) -> None:
        self.packs, self.settings, self.noise = packs, settings, noise
        self.device = packs[0].pos.device
        # Batches are of one pack and one size class; the classes, their members and their shares of the samples.
        self.members: list[tuple[int, Tensor]] = []
        share = []
        for index, (pack, weight) in enumerate(zip(packs, weights, strict=True)):
            classes = torch.div(pack.sizes + SIZE_CLASS - 1, SIZE_CLASS, rounding_mode="floor")
            for size_class in classes.unique().tolist():
                chosen = ((classes == size_class) & (pack.num_confs > 0)).nonzero().flatten()
                self.members.append((index, chosen))
                share.append(weight * len(chosen) / len(pack.sizes) / self._samples(size_class * SIZE_CLASS))
        if sum(share) <= 0:
            raise InputError("data.sets: the weights add up to nothing; give one set a positive weight")
        self.share = torch.tensor(share, dtype=torch.float64)

    def _samples(self, atoms: int) -> int:
        """Molecules times draws in a batch of that size."""
        wanted = min(self.settings.pairs // atoms**2, self.settings.most)
        return max(wanted // self.settings.draws, 1) * self.settings.draws

    def batch(self, seed: int, step: int) -> Batch:
        """The batch of a step: the same for the same seed, step, packs and settings."""
        host = torch.Generator().manual_seed(_mix(seed, step))
        pack_index, members = self.members[int(torch.multinomial(self.share, 1, generator=host))]
        pack = self.packs[pack_index]
        most = int(pack.sizes[members].max())
        draws = self.settings.draws
        count = self._samples(-(-most // SIZE_CLASS) * SIZE_CLASS) // draws
        chosen = members[torch.randint(len(members), (count,), generator=host).to(members.device)]
        graph, root = pack.graphs(chosen)
        repeated = chosen.repeat_interleave(draws)
        uniform = torch.rand(len(repeated), generator=host).to(self.device)
        conformers = (uniform * pack.num_confs[repeated]).long()
        clean = pack.positions(repeated, conformers)
        if self.settings.mirror:
            graph, clean = mirrored(graph, clean, torch.rand(count, generator=host).to(self.device) < 0.5)
        n = self.noise
        sigma = draw_training_sigmas(len(repeated), n.log_mean, n.log_std, n.sigma_min, n.sigma_max, host)
        device = torch.Generator(self.device).manual_seed(_mix(seed, step) + 1)
        eps = torch.randn(clean.shape, generator=device, device=self.device)
        return Batch(graph, clean, root, sigma.to(self.device), eps)


def mirrored(graph: DenseGraph, pos: Tensor, flip: Tensor) -> tuple[DenseGraph, Tensor]:
    """The batch with some molecules (B,) and all their draws replaced by their mirror images, hands relabelled."""
    cycle = list(PAIR_FEATURES).index("cycle")
    pair = graph.pair.clone()
    turned = torch.tensor([0, 2, 1], dtype=pair.dtype, device=pair.device)[pair[..., cycle].long()]
    pair[..., cycle] = torch.where(flip.view(-1, 1, 1), turned, pair[..., cycle])
    sign = torch.where(flip, -1.0, 1.0)
    wanted = graph.wanted * sign.unsqueeze(-1)
    pos = pos * sign.repeat_interleave(len(pos) // len(flip)).view(-1, 1, 1)
    return DenseGraph(graph.mask, graph.node, pair, graph.bounds, graph.centres, wanted), pos


def _mix(seed: int, step: int) -> int:
    """One number from two: steps of different seeds must not share their noise."""
    return (seed * 1_000_003 + step) * 2 + 1
