"""Small parts that networks are built of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ClassEmbedding(nn.Module):
    """Sum of one learned vector per categorical feature: integers (..., number of features) -> (..., width)."""

    def __init__(self, classes: Sequence[int], width: int) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.table = nn.Parameter(torch.randn(sum(classes), width) / math.sqrt(len(classes)))
        first = torch.tensor((0, *classes[:-1]), dtype=torch.int64, device="cpu")  # also where parameters are on "meta"
        self.register_buffer("first", first.cumsum(0), persistent=False)
        self.first: Tensor

    def forward(self, features: Tensor) -> Tensor:
        if features.is_cuda and torch.is_grad_enabled():  # the gradient of a lookup sorts all indices there
            return functional.linear(self._shown(features), self.table.T)
        total: Tensor | float = 0.0
        for index, table in enumerate(self.table.split(self.classes)):
            total = total + functional.embedding(features[..., index].long(), table)
        assert isinstance(total, Tensor)
        return total

    def _shown(self, features: Tensor) -> Tensor:
        """Ones at the classes of all features and zeros elsewhere, (..., sum of classes)."""
        shown = self.table.new_zeros(*features.shape[:-1], sum(self.classes))
        return shown.scatter_(-1, features.long() + self.first, 1.0)


class NoiseEmbedding(nn.Module):
    """A vector per noise level: c_noise (B,) -> (B, width), by Fourier features and a two-layer network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # c_noise spans about -1.5 to 1: the fastest of these waves turns ten times over that range
        waves = torch.linspace(0.5, 8, 16, dtype=torch.float32, device="cpu")
        self.register_buffer("frequencies", waves * math.pi, persistent=False)
        self.frequencies: Tensor
        self.layers = nn.Sequential(nn.Linear(33, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, noise: Tensor) -> Tensor:
        phase = noise.unsqueeze(-1) * self.frequencies.to(noise.dtype)
        embedded: Tensor = self.layers(torch.cat((noise.unsqueeze(-1), phase.sin(), phase.cos()), dim=-1))
        return embedded


class Modulation(nn.Module):
    """Shift, scale and gate (each (B, 1, width)) per branch from the noise vector, all zero at the start.

    Source: adaLN-zero of Peebles and Xie, arXiv:2212.09748. Departure: a branch is multiplied by 1 + gate, so that it
    learns from the first step; the output of the network is zero at the start by other means.
    """

    def __init__(self, condition: int, width: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.linear = nn.Linear(condition, 3 * branches * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        parts = self.linear(condition).unsqueeze(-2).chunk(3 * self.branches, dim=-1)
        return [(parts[3 * i], parts[3 * i + 1], parts[3 * i + 2]) for i in range(self.branches)]


def modulate(features: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer-normalised features, shifted and scaled by the noise level."""
    return functional.layer_norm(features, features.shape[-1:]) * (1 + scale) + shift


def normalise_vectors(vectors: Tensor) -> Tensor:
    """Vector channels (..., V, 3) divided by their root mean square length per atom.

    Without this in every layer the vectors grow without bound and training ends in NaN within a thousand steps.
    """
    mean_square = vectors.square().sum(-1, keepdim=True).mean(-2, keepdim=True)
    return vectors * torch.rsqrt(mean_square + 1e-4)


def radial_basis(distance: Tensor, count: int, cutoff: float) -> Tensor:
    """Gaussians of the distance, (..., count), centred from 0 to the cutoff and closer together near 0.

    distance: (...) angstrom. Bond lengths need finer resolution than far contacts, so the grid is even in sqrt(d).
    """
    grid = torch.linspace(0, math.sqrt(cutoff), count, device=distance.device, dtype=distance.dtype)
    width = grid[1]
    return torch.exp(-0.5 * ((distance.sqrt().unsqueeze(-1) - grid) / width).square())


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map without a constant that starts at zero."""
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(linear.weight)
    return linear
