"""Training batches from several packs: molecules of one size class together, every batch about equally dear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from confgen.dataset import MULTIPLE, Pack
from confgen.errors import InputError
from confgen.models.dense import PAIR_FEATURES, DenseGraph
from confgen.schedule import draw_training_sigmas


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
    """Training noise: ln sigma ~ N(log_mean, log_std^2) in the harmonic whitened basis, clamped to the two sigmas.

    starts:      share of the samples (of molecules with starts) that show a start of a conformer instead of noise.
    start_sigma: the level that a start is taken to be at.
    start_path:  share of these samples that lie on the way there: a share u of the way from the conformer, u even from
                 0 to 1, is taken to be at noise level u * start_sigma. This is the path that a sampler without noise
                 goes from there.
    start_steps: steps by which the network has moved starts before they are shown, at the same level: none to so many,
                 alike often. That is what it sees when single steps are repeated.
    """

    log_mean: float = -0.9
    log_std: float = 1.4
    sigma_min: float = 0.005
    sigma_max: float = 12.0
    starts: float = 0.0
    start_sigma: float = 0.4
    start_path: float = 1.0
    start_steps: int = 0


@dataclass(frozen=True)
class Batch:
    """B molecules with S draws each: see `Denoiser.loss` for the shapes.

    stepped: so many steps starts are to be moved by the network before it is taught.
    """

    graph: DenseGraph
    clean: Tensor
    root: Tensor
    sigma: Tensor
    eps: Tensor
    shift: Tensor | None = None
    stepped: int = 0

    def tensors(self) -> list[Tensor]:
        """All that it consists of, in a fixed order."""
        graph = (getattr(self.graph, field.name) for field in fields(self.graph))
        own = (self.clean, self.root, self.sigma, self.eps, self.shift)
        return [*graph, *(tensor for tensor in own if tensor is not None)]

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with `change` applied to every tensor."""
        shift = None if self.shift is None else change(self.shift)
        clean, root, sigma, eps = (change(tensor) for tensor in (self.clean, self.root, self.sigma, self.eps))
        return Batch(self.graph.map(change), clean, root, sigma, eps, shift, self.stepped)


class Mixture:
    """An endless stream of batches in which a molecule of pack p comes up in proportion to weight_p / molecules_p."""

    def __init__(self, packs: list[Pack], weights: list[float], settings: BatchSettings, noise: NoiseSettings) -> None:
        self.packs, self.settings, self.noise = packs, settings, noise
        self.device = packs[0].device
        # Batches are of one pack and one size class; the classes, their members and their shares of the samples.
        self.members: list[tuple[int, Tensor]] = []
        share = []
        for index, (pack, weight) in enumerate(zip(packs, weights, strict=True)):
            classes = torch.div(pack.sizes + MULTIPLE - 1, MULTIPLE, rounding_mode="floor")
            for size_class in classes.unique().tolist():
                chosen = ((classes == size_class) & (pack.num_confs > 0)).nonzero().flatten()
                self.members.append((index, chosen))
                share.append(weight * len(chosen) / len(pack.sizes) / self._samples(size_class * MULTIPLE))
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
        count = self._samples(-(-most // MULTIPLE) * MULTIPLE) // draws
        chosen = members[torch.randint(len(members), (count,), generator=host)]
        graph, root = pack.graphs(chosen)
        repeated = chosen.repeat_interleave(draws)
        conformers = (torch.rand(len(repeated), generator=host) * pack.num_confs[repeated]).long()
        n = self.noise
        sigma = draw_training_sigmas(len(repeated), n.log_mean, n.log_std, n.sigma_min, n.sigma_max, host)
        stepped = 0
        if n.starts:
            clean, sigma, shift = self._on_the_way(pack, repeated, conformers, sigma, host)
            stepped = int(torch.randint(n.start_steps + 1, (), generator=host)) if len(pack.ends) else 0
        else:
            clean, shift = pack.positions(repeated, conformers), None
        if self.settings.mirror:
            flip = self._to_device(torch.rand(count, generator=host) < 0.5)
            graph, sign = mirrored(graph, flip), torch.where(flip, -1.0, 1.0).repeat_interleave(draws).view(-1, 1, 1)
            clean, shift = clean * sign, None if shift is None else shift * sign
        device = torch.Generator(self.device).manual_seed(_mix(seed, step) + 1)
        eps = torch.randn(clean.shape, generator=device, device=self.device)
        return Batch(graph, clean, root, self._to_device(sigma), eps, shift, stepped)

    def _on_the_way(
        self, pack: Pack, chosen: Tensor, conformers: Tensor, sigma: Tensor, host: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Samples of which some are starts, or lie on the way to one: clean positions, noise levels (B * S,), and how
        far they lie from the former, nan for what noise moves.

        chosen, conformers, sigma: (B * S,) molecules, conformers and levels of the others, on the host as they come.
        """
        among, way, which, whole = torch.rand(4, len(chosen), generator=host)
        way = torch.where(whole < self.noise.start_path, way, 1.0)
        begun = (among < self.noise.starts) & (pack.num_starts[chosen] > 0)
        numbers = (which * pack.num_starts[chosen]).long()
        clean = pack.positions(chosen, torch.where(begun, pack.ends_of(chosen, numbers), conformers))
        level = (way * self.noise.start_sigma).clamp(min=self.noise.sigma_min)
        share = self._to_device(torch.where(begun, way, torch.nan)).view(-1, 1, 1)
        return clean, torch.where(begun, level, sigma), share * (pack.start_positions(chosen, numbers) - clean)

    def _to_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


def mirrored(graph: DenseGraph, flip: Tensor) -> DenseGraph:
    """The graphs with some (B,) replaced by those of the mirror images, hands relabelled; positions change sign."""
    cycle = list(PAIR_FEATURES).index("cycle")
    pair = graph.pair.clone()
    own = pair[..., cycle]
    turned = torch.where(own > 0, 3 - own, own)  # 1 for 2 and 2 for 1
    pair[..., cycle] = torch.where(flip.view(-1, 1, 1), turned, own)
    sign = torch.where(flip, -1.0, 1.0)
    wanted = graph.wanted * sign.unsqueeze(-1)
    return DenseGraph(graph.mask, graph.node, pair, graph.bounds, graph.centres, wanted)


def _mix(seed: int, step: int) -> int:
    """One number from two: steps of different seeds must not share their noise."""
    return (seed * 1_000_003 + step) * 2 + 1
