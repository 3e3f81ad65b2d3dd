"""ClofNet: an SE(3)-equivariant network that talks through complete local frames.

After Du et al., "SE(3) equivariant graph neural networks with complete local frames", arXiv:2110.14811: an orthonormal
frame per edge by cross products, scalarisation (vectors -> components on the frame), tensorisation (scalars -> vector
along the axes). Departures:
- every ordered pair of atoms of a molecule is an edge; edges are weighted by attention;
- vectors are carried per atom and projected on the edge frames, signs kept, so mirror images look different;
- the second axis comes from a learned vector per atom (`second_axis="position"` takes the paper's x_i x x_j);
- the frames of each layer stand on a running estimate of the clean molecule, in angstrom, which the layers refine; the
  distance of a pair is read against the lower and upper distance that its chemistry allows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .blocks import ClassEmbedding, NoiseEmbedding, normalise_vectors, radial_basis
from .dense import NODE_FEATURES, PAIR_FEATURES, DenseGraph, flatten, unflatten
from .geometry import centre
from .layer import ClofNetConfig, Encoded, Layer
from .scaling import Scalings


class ClofNet(nn.Module):
    """F(c_in x, c_noise) of a diffusion model on conformers; see the module's text.

    Symmetry: turns with the molecule, does not move with it, follows a permutation of the atoms; an inversion of
    positions does not simply invert the output wherever chirality is specified or axes are learned.

    passed_on: the share of a layer's gradient with respect to the estimate that goes on to the layers before it, for
               training. Each layer corrects what the last ones have left, by springs that may be stiff: in a chain of
               ten, gradients then grow from layer to layer.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.config = c = ClofNetConfig(**config)
        self.node = ClassEmbedding(tuple(NODE_FEATURES.values()), c.width)
        self.pair = ClassEmbedding(tuple(PAIR_FEATURES.values()), c.pair_width)
        self.bounds = nn.Linear(2 * c.radial, c.pair_width)
        self.noise = NoiseEmbedding(128)
        self.start = nn.Linear(c.width, c.vectors * 2)
        self.to_layers = nn.ModuleList([nn.Linear(c.pair_width, c.pair_width) for _ in range(c.layers)])
        self.layers = nn.ModuleList([Layer(c) for _ in range(c.layers)])
        self.passed_on = 1.0

    def forward(self, graph: Any, pos: Tensor, noise: Tensor) -> Tensor:
        """The network's output for every atom, (N, 3).

        graph: PyG `Data` or `Batch` of `confgen.graph`.  pos: (N, 3) centred, times c_in.  noise: (B,) c_noise.
        """
        dense = DenseGraph.from_flat(graph)
        return flatten(self.refine(self.encode(dense), unflatten(pos, dense.mask), noise), dense.mask)

    def encode(self, graph: DenseGraph) -> Encoded:
        """The static part: once per molecule, whatever the number of conformers and noise levels."""
        c = self.config
        dtype = self.pair.table.dtype
        allowed = radial_basis(graph.bounds.to(dtype), c.radial, c.cutoff).flatten(-2)
        pair = functional.silu(self.pair(graph.pair) + self.bounds(allowed))
        hops = graph.pair[..., list(PAIR_FEATURES).index("hops")]
        bonds = graph.pair[..., list(PAIR_FEATURES).index("bond")] > 0
        real = graph.mask.unsqueeze(-1) & graph.mask.unsqueeze(-2)
        return Encoded(
            graph=graph,
            atoms=self.node(graph.node),
            pairs=[linear(pair) for linear in self.to_layers],
            near=((hops > 0) & (hops <= 3) & real).to(dtype),
            bonds=(bonds & real).to(dtype),
        )

    def refine(self, encoded: Encoded, pos: Tensor, noise: Tensor) -> Tensor:
        """The output for dense positions (B, M, 3), each times c_in, at noise (B,); zero in padding."""
        mask = encoded.graph.mask
        scale = Scalings.from_noise(noise, self.config.sigma_data)
        condition = self.noise(noise)
        base = centre(self.config.sigma_data * pos, mask)
        out = torch.zeros_like(base)
        atoms = encoded.atoms.expand(len(pos), -1, -1)
        vectors = self._first_vectors(encoded, base, atoms)
        for layer, pair in zip(self.layers, encoded.pairs, strict=True):
            estimate = base + scale.c_out * out
            if self.passed_on != 1 and estimate.requires_grad:
                estimate = self.passed_on * estimate + (1 - self.passed_on) * estimate.detach()
            atoms, vectors, step = layer(encoded, pair, estimate, atoms, vectors, condition, scale.c_out)
            out = out + centre(step, mask)
        return out

    def _first_vectors(self, encoded: Encoded, base: Tensor, atoms: Tensor) -> Tensor:
        """Vector channels (B, M, V, 3) from where an atom stands: to its bonded neighbours and to the centroid."""
        degree = encoded.bonds.sum(-1, keepdim=True)
        to_bonded = (encoded.bonds @ base).to(base.dtype) - degree * base
        seeds = normalise_vectors(torch.stack((to_bonded, base), dim=-2))
        weight = self.start(atoms).unflatten(-1, (self.config.vectors, 2)).to(seeds.dtype)
        vectors: Tensor = (weight @ seeds).to(seeds.dtype)
        return vectors
