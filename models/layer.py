"""One layer of ClofNet: what it works on, how it talks along the frames of edges, and how far it moves the molecule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .blocks import Modulation, modulate, normalise_vectors, radial_basis, zero_linear
from .dense import DenseGraph
from .geometry import edge_frames, handedness, on_frames

AXES = 3
RESIDUALS = 4


@dataclass(frozen=True)
class ClofNetConfig:
    """Sizes and choices of a ClofNet.

    width, pair_width:  scalar channels of an atom and of a pair.    vectors: vector channels of an atom.
    projected:          vector channels of each end that are projected on the frame of an edge.
    second_axis:        "learned", or "position" for the paper's frame.
    sigma_data:         spread of clean molecules in the harmonic whitened basis.
    """

    width: int = 192
    pair_width: int = 64
    vectors: int = 16
    projected: int = 4
    heads: int = 8
    layers: int = 6
    radial: int = 20
    cutoff: float = 12.0
    second_axis: Literal["learned", "position"] = "learned"
    sigma_data: float = 0.89


@dataclass(frozen=True)
class Encoded:
    """What does not change from one noise level to the next, for B molecules (or 1, for many conformers of it).

    atoms: (B, M, width).  pairs: one (B, M, M, pair_width) per layer.  near: (B, M, M) 1 for pairs up to three bonds
    apart.  bonds: (B, M, M) bonded.
    """

    graph: DenseGraph
    atoms: Tensor
    pairs: list[Tensor]
    near: Tensor
    bonds: Tensor

    def repeat(self, draws: int) -> Encoded:
        """Every molecule `draws` times in a row."""

        def again(tensor: Tensor) -> Tensor:
            return tensor.repeat_interleave(draws, 0)

        return Encoded(
            self.graph.map(again), again(self.atoms), [again(pair) for pair in self.pairs],
            again(self.near), again(self.bonds),
        )  # fmt: skip


class Layer(nn.Module):
    """One round: frames on the estimate, scalarise, message, attend, tensorise, move the estimate."""

    def __init__(self, c: ClofNetConfig) -> None:
        super().__init__()
        self.config = c
        scalars = 2 * AXES * c.projected + c.radial + RESIDUALS
        self.modulation = Modulation(128, c.width, 2)
        self.axis = nn.Linear(c.vectors, 1, bias=False)
        self.project = nn.Linear(c.vectors, c.projected, bias=False)
        self.hand = nn.Linear(2, c.width)
        self.ends = nn.Linear(c.width, 2 * c.pair_width)
        self.scalars = nn.Linear(scalars, c.pair_width)
        self.message = nn.Linear(c.pair_width, c.pair_width)
        self.pair_out = nn.Linear(c.pair_width, c.heads + AXES * c.vectors)
        self.query_key = nn.Linear(c.width, 2 * c.width)
        self.value = nn.Linear(c.width, c.width)
        self.gather = nn.Linear(c.width + c.heads * c.pair_width, c.width)
        self.springs = zero_linear(c.pair_width, 2 * RESIDUALS)
        self.lengths = nn.Linear(c.vectors, c.vectors, bias=False)
        self.forward_in = nn.Linear(c.width + c.vectors, 3 * c.width)
        self.forward_out = nn.Linear(3 * c.width, c.width + 2 * c.vectors)
        self.mix = nn.Linear(3 * c.vectors + 2, c.vectors, bias=False)
        self.move = zero_linear(c.width, c.vectors + 2)

    def forward(
        self,
        encoded: Encoded,
        pair: Tensor,
        estimate: Tensor,
        atoms: Tensor,
        vectors: Tensor,
        condition: Tensor,
        spread: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """New atom scalars (B, M, width), vectors (B, M, V, 3), and the step (B, M, 3) in units of c_out.

        pair: (B or 1, M, M, pair_width) static.  estimate: (B, M, 3) angstrom.  condition: (B, 128).
        spread: (B, 1, 1) c_out, the size of the error that is left at this noise level, angstrom.
        """
        c, mask = self.config, encoded.graph.mask
        (shift, scale, gate), (shift2, scale2, gate2) = self.modulation(condition)
        hand, hand_vectors = handedness(estimate, encoded.graph.centres.expand(len(estimate), -1, -1),
                                        encoded.graph.wanted.to(estimate.dtype))  # fmt: skip
        h = modulate(atoms, shift, scale) + self.hand(hand)
        v = normalise_vectors(vectors)
        axis = self._mix(self.axis, v).squeeze(-2) if c.second_axis == "learned" else None
        frames, distance = edge_frames(estimate, axis)
        frames = frames.to(pair.dtype)  # once: every product below would do it for itself
        residuals = self._residuals(encoded, distance, spread)
        message = self._message(pair, h, v, frames, distance, residuals)
        heads, along = self._pair_out(message).split((c.heads, AXES * c.vectors), dim=-1)
        weight = self._attention(h, heads, mask)  # (B, heads, M, M)
        gathered = torch.cat((self._values(h, weight), self._pairs(message, weight)), dim=-1)
        atoms = atoms + (1 + gate) * self.gather(gathered)
        new = self._tensorise(along, weight, frames, v)  # (B, M, 2V, 3)
        lengths = (self._mix(self.lengths, v).square().sum(-1) + 1e-6).sqrt()
        h = torch.cat((modulate(atoms, shift2, scale2), lengths.to(atoms.dtype)), dim=-1)
        update, gates = self.forward_out(functional.silu(self.forward_in(h))).split((c.width, 2 * c.vectors), dim=-1)
        atoms = atoms + (1 + gate2) * update
        new = new * torch.sigmoid(gates).unsqueeze(-1).to(new.dtype)
        vectors = v + self._mix(self.mix, torch.cat((v, new, hand_vectors), dim=-2))
        choice = torch.cat((normalise_vectors(vectors), hand_vectors), dim=-2)
        step = (self.move(functional.silu(atoms)).unsqueeze(-2).to(choice.dtype) @ choice).squeeze(-2).to(choice.dtype)
        pull = self._pull(message, encoded, frames, residuals)
        return atoms, vectors, step + pull

    def _residuals(self, encoded: Encoded, distance: Tensor, spread: Tensor) -> Tensor:
        """How far a distance is outside or inside what is allowed, in units of the error left, squashed to -1..1."""
        lower, upper = encoded.graph.bounds.to(distance.dtype).unbind(-1)
        unit = spread + 0.03
        middle, half = (lower + upper) / 2, (upper - lower) / 2 + 0.02
        outside = (distance - upper).clamp(min=0) - (lower - distance).clamp(min=0)
        off = distance - middle
        return torch.stack((outside / unit, off / unit, off / (half + unit), off / half), dim=-1).tanh()

    def _message(
        self, pair: Tensor, h: Tensor, v: Tensor, frames: Tensor, distance: Tensor, residuals: Tensor
    ) -> Tensor:
        """The hidden state of every pair, (B, M, M, pair_width), from both ends and the scalarised geometry."""
        projected = self._mix(self.project, v).to(frames.dtype)  # (B, M, P, 3)
        at_i = on_frames(frames, projected)
        # The frame of (j, i) has the axes -a, -b and c of that of (i, j).
        at_j = torch.cat((-at_i[..., :2, :], at_i[..., 2:, :]), dim=-2).transpose(1, 2)
        radial = radial_basis(distance, self.config.radial, self.config.cutoff)
        known = (at_i.flatten(-2), at_j.flatten(-2), radial.to(frames.dtype), residuals.to(frames.dtype))
        scalars = self.scalars(torch.cat(known, dim=-1))
        end_i, end_j = self.ends(h).chunk(2, dim=-1)
        hidden = functional.silu(pair + scalars + end_i.unsqueeze(2) + end_j.unsqueeze(1))
        return functional.silu(self.message(hidden))

    def _pair_out(self, message: Tensor) -> Tensor:
        """Edge bias of each head, then what is built along the frames, axis by axis: so it needs no copy later."""
        c = self.config

        def by_axis(rows: Tensor) -> Tensor:
            heads, along = rows.split((c.heads, AXES * c.vectors))
            return torch.cat((heads, along.unflatten(0, (c.heads, AXES, -1)).transpose(0, 1).flatten(0, 2)))

        return functional.linear(message, by_axis(self.pair_out.weight), by_axis(self.pair_out.bias))

    def _attention(self, h: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        """Softmax over the partners of an atom, (B, heads, M, M), of normalised queries and keys plus an edge bias."""
        query, key = self.query_key(h).unflatten(-1, (2 * self.config.heads, -1)).transpose(1, 2).chunk(2, dim=1)
        query, key = (functional.rms_norm(x, x.shape[-1:]) for x in (query, key))
        logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + bias.permute(0, 3, 1, 2)
        weight: Tensor = logits.masked_fill(~mask[:, None, None, :], -1e4).softmax(-1)
        return weight

    def _values(self, h: Tensor, weight: Tensor) -> Tensor:
        value = self.value(h).unflatten(-1, (self.config.heads, -1)).transpose(1, 2)
        gathered: Tensor = (weight.to(value.dtype) @ value).transpose(1, 2).flatten(-2)
        return gathered

    def _pairs(self, message: Tensor, weight: Tensor) -> Tensor:
        gathered: Tensor = (weight.permute(0, 2, 1, 3).to(message.dtype) @ message).flatten(-2)
        return gathered

    def _tensorise(self, along: Tensor, weight: Tensor, frames: Tensor, v: Tensor) -> Tensor:
        """Vectors built along the frames, and the partners' own, each weighed by attention: (B, M, 2V, 3)."""
        c = self.config
        share = c.vectors // c.heads
        # Each head's weight for each of its channels, by a product: broadcasting over so few channels is slow.
        copies = torch.eye(c.heads, dtype=along.dtype, device=along.device).repeat_interleave(share, 1).repeat(1, AXES)
        along = along * (weight.permute(0, 2, 3, 1).to(along.dtype) @ copies)
        along = along.unflatten(-1, (AXES, -1)).flatten(-3, -2)  # (B, M, M*3, V)
        built = (frames.flatten(-3, -2).transpose(-1, -2) @ along).transpose(-1, -2)  # (B, M, V, 3)
        carried = v.unflatten(-2, (c.heads, share)).transpose(1, 2).flatten(-2)  # (B, heads, M, share*3)
        carried = (weight.to(v.dtype) @ carried).unflatten(-1, (share, 3)).transpose(1, 2).flatten(2, 3)
        return torch.cat((built, carried), dim=-2).to(v.dtype)

    def _pull(self, message: Tensor, encoded: Encoded, frames: Tensor, residuals: Tensor) -> Tensor:
        """Learned springs, (B, M, 3): along each pair, stiffness times residual; beyond three bonds only contacts."""
        near, far = self.springs(message).to(frames.dtype).chunk(2, dim=-1)
        outside = residuals * residuals[..., :1].abs()
        mask = encoded.graph.mask
        real = (mask.unsqueeze(-1) & mask.unsqueeze(-2)).to(frames.dtype) - encoded.near
        force = (near * residuals).sum(-1) * encoded.near + (far * outside).sum(-1) * real
        pull: Tensor = (force.unsqueeze(-2) @ frames[..., 0, :]).squeeze(-2).to(frames.dtype)
        return pull

    @staticmethod
    def _mix(linear: nn.Linear, vectors: Tensor) -> Tensor:
        """Vector channels mixed by a bias-free linear map, (..., V, 3) -> (..., W, 3)."""
        return (linear.weight.to(vectors.dtype) @ vectors).to(vectors.dtype)
