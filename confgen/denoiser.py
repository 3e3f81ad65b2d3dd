"""The network between its scalings: an estimate of the clean molecule, and the loss that teaches it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from confgen import models
from confgen.models.dense import DenseGraph
from confgen.models.geometry import centre, remove_rigid
from confgen.models.layer import Encoded
from confgen.models.scaling import Scalings

LEAST_ERROR = 0.01  # added to a loss before its power is taken: one of less is as good as none
# Angstrom, RMSD from its conformer at which a start that the network has moved is lost, and shown where it was before:
# starts lie within 1.25 of theirs, and a network that errs should not go on to learn from where its errors lead.
LOST = 2.0


@dataclass(frozen=True)
class LossSettings:
    """How the error of an estimate is weighed.

    whitened:   squared error in the harmonic whitened basis, i.e. of the vectors along bonds; the EDM loss proper.
    cartesian:  squared error of positions, which stresses the overall shape.
    local:      squared error of the distances up to three bonds apart, fading out at high noise.
    quotient:   leave the rigid motion out of the error (else the target's frame has to be guessed).
    power:      of the loss of a start, which so leads to the next conformer: with 1, to the mean of those that it may
                lead to, with 0.5 rather to their median, with less to the most frequent.
    """

    whitened: float = 1.0
    cartesian: float = 0.15
    local: float = 0.5
    quotient: bool = True
    power: float = 1.0


class Denoiser(nn.Module):
    """D(x, sigma) = c_skip x + c_out F(c_in x, c_noise): `forward` for sampling, `loss` for training.

    network: name in `models.REGISTRY`, with its config.
    """

    def __init__(self, network: str = "clofnet", **config: Any) -> None:
        super().__init__()
        self.name = network
        self.network = models.build(network, **config)
        self.sigma_data = self.network.config.sigma_data

    def with_bf16_products(self) -> Denoiser:
        """A copy whose linear maps are kept in bfloat16.

        Under autocast it gives the same, bit by bit; without gradients, autocast would cast every map at every call.
        """
        copy = deepcopy(self)
        for module in copy.modules():
            if isinstance(module, nn.Linear):
                module.to(torch.bfloat16)
        return copy

    def encode(self, graph: DenseGraph) -> Encoded:
        """What the network needs of the graphs alone; reuse it for every noise level."""
        return self.network.encode(graph)

    def forward(self, encoded: Encoded, pos: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of the clean positions, (B, M, 3) angstrom.

        pos: (B, M, 3) centred positions at noise sigma (B,); B conformers of one encoded molecule, or B molecules.
        """
        scale = Scalings(sigma, self.sigma_data)
        return scale.c_skip * pos + scale.c_out * self.network.refine(encoded, scale.c_in * pos, scale.c_noise)

    def loss(
        self,
        graph: DenseGraph,
        clean: Tensor,
        root: Tensor,
        sigma: Tensor,
        eps: Tensor,
        settings: LossSettings,
        shift: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of every sample, (B * S,), and its parts before weighing, for B molecules with S draws each.

        clean: (B * S, M, 3) reference positions, molecule by molecule.  root: (B, M, M) of the prior.
        sigma: (B * S,).  eps: (B * S, M, 3) standard normal numbers.
        shift: (B * S, M, 3) angstrom from the clean positions to those shown, in the place of noise; nan where there
               is to be noise.
        """
        draws = len(clean) // len(graph.mask)
        mask = graph.mask.repeat_interleave(draws, 0)
        clean = centre(clean, mask)
        noise = sigma.view(-1, 1, 1) * (root.unsqueeze(1) @ eps.unflatten(0, (-1, draws))).flatten(0, 1)
        noisy = clean + (noise if shift is None else torch.where(shift.isnan(), noise, shift))
        encoded = self.encode(graph)
        if draws > 1:
            encoded = encoded.repeat(draws)
        denoised = self(encoded, noisy, sigma).float()
        with torch.autocast(clean.device.type, enabled=False):
            total, parts = self._weigh(encoded, denoised, clean, noisy, sigma, settings)
            if shift is not None and settings.power != 1:
                begun = ~shift.isnan().any(-1).any(-1)
                total = torch.where(begun, (total + LEAST_ERROR) ** settings.power / settings.power, total)
            return total, parts

    @torch.no_grad()
    def step(self, graph: DenseGraph, clean: Tensor, sigma: Tensor, shift: Tensor) -> Tensor:
        """What `shift` is after a single step of the sampler, (B * S, M, 3); nan where it was. Shapes as in `loss`.

        Left as it is where the step ends farther than LOST from the clean positions.
        """
        draws = len(clean) // len(graph.mask)
        mask = graph.mask.repeat_interleave(draws, 0)
        clean = centre(clean, mask)
        pos = clean + shift.nan_to_num()
        denoised = self(self.encode(graph).repeat(draws), pos, sigma).float()
        with torch.autocast(clean.device.type, enabled=False):
            moved = pos + remove_rigid(denoised - pos, pos, mask) - clean
            near = moved.square().sum((-1, -2)) <= LOST**2 * mask.sum(-1)  # not so where it is not finite
        return torch.where(near.view(-1, 1, 1) & shift.isfinite(), moved, shift)

    def _weigh(
        self, encoded: Encoded, denoised: Tensor, clean: Tensor, noisy: Tensor, sigma: Tensor, settings: LossSettings
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Each part of the loss is divided by c_out^2, so that it is about 1 for an untrained network at any noise."""
        mask = encoded.graph.mask
        atoms = mask.sum(-1).to(clean.dtype)
        scale = Scalings(sigma, self.sigma_data).c_out.flatten()
        error = denoised - clean
        error = remove_rigid(error, noisy, mask) if settings.quotient else centre(error, mask)
        along = encoded.bonds.sum(-1, keepdim=True) * error - encoded.bonds @ error  # Laplacian times error
        distance = [(p.unsqueeze(-2) - p.unsqueeze(-3)).square().sum(-1).add(1e-8).sqrt() for p in (denoised, clean)]
        wrong = (distance[0] - distance[1]).square() * encoded.near
        fade = self.sigma_data**2 / (self.sigma_data**2 + sigma**2)
        parts = {
            "whitened": (error * along).sum((-1, -2)) / (3 * (atoms - 1).clamp(min=1)) / scale**2,
            "cartesian": error.square().sum((-1, -2)) / (3 * atoms) / scale**2,
            "local": fade * wrong.sum((-1, -2)) / encoded.near.sum((-1, -2)).clamp(min=1) / scale**2,
        }
        total = (
            settings.whitened * parts["whitened"]
            + settings.cartesian * parts["cartesian"]
            + settings.local * parts["local"]
        )
        return total, parts
