"""Molecular graphs as dense batches: the one table of every tensor a network sees.

Categorical features, with the number of their classes; `confgen.graph` fills them, one integer per class.

    node feature    classes  meaning
    element         32       index in ELEMENTS, the last class for any other
    charge          6        formal charge -2..2, last class beyond
    hydrogens       5        hydrogens bound, 0..4
    degree          8        placed neighbours, 0..7
    hybridisation   7        s/other, sp, sp2, sp3, sp2d/sp3d, sp3d2, unknown
    aromatic        2
    ring            9        smallest ring: none, 3..9, larger
    chiral          3        not a specified centre, specified, centre left open
    radical         3        unpaired electrons 0, 1, 2 or more

    pair feature    classes  meaning (pairs are ordered; the diagonal is a pair with 0 hops)
    bond            6        none, single, double, triple, aromatic, other (dative, zero order)
    hops            12       bonds on the shortest path 0..10, last class beyond
    ring            9        smallest ring that holds both: none, 3..9, larger
    cis_trans       3        ends of a specified double bond: none, cis, trans
    cycle           3        i before j around a specified centre (cyclic order of its neighbours): none, yes, reversed
    turns           8        single bonds outside rings (not to CH3, halogen or alkyne) on the path, 0..6, beyond

Real-valued: `bounds` (M, M, 2), lower and upper distance in angstrom from RDKit's bounds matrix (ideal bonds, angles,
1-4 ranges, van der Waals contacts); `centres` (C, 4) with `wanted` (C,), see `geometry.handedness`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

NODE_FEATURES = {
    "element": 32, "charge": 6, "hydrogens": 5, "degree": 8, "hybridisation": 7,
    "aromatic": 2, "ring": 9, "chiral": 3, "radical": 3,
}  # fmt: skip
PAIR_FEATURES = {"bond": 6, "hops": 12, "ring": 9, "cis_trans": 3, "cycle": 3, "turns": 8}


@dataclass(frozen=True)
class DenseGraph:
    """B molecules padded to M atoms and C centres.

    mask:    (B, M) bool, True for atoms.            node:    (B, M, 9) integer classes of NODE_FEATURES.
    pair:    (B, M, M, 6) classes of PAIR_FEATURES.  bounds:  (B, M, M, 2) angstrom, 0 in padding.
    centres: (B, C, 4) atom indices, 0 in padding.   wanted:  (B, C) +1, -1 or 0.
    """

    mask: Tensor
    node: Tensor
    pair: Tensor
    bounds: Tensor
    centres: Tensor
    wanted: Tensor

    @classmethod
    def from_flat(cls, graph: Any) -> DenseGraph:
        """The dense form of a graph made by `confgen.graph`, or of a PyG `Batch` of such."""
        batch, ptr, centre_batch = _owners(graph)
        sizes = ptr.diff()
        molecules, atoms = len(sizes), int(sizes.max())
        local = torch.arange(len(batch), device=batch.device) - ptr[batch]
        mask = torch.zeros(molecules, atoms, dtype=torch.bool, device=batch.device)
        mask[batch, local] = True
        source, target = graph.edge_index
        at = (batch[source], local[source], local[target])
        ordinal = torch.arange(len(centre_batch), device=batch.device)
        ordinal = ordinal - torch.searchsorted(centre_batch, centre_batch)
        most = int(ordinal.max()) + 1 if len(ordinal) else 0
        return cls(
            mask=mask,
            node=_place(graph.node, (batch, local), (molecules, atoms)),
            pair=_place(graph.pair, at, (molecules, atoms, atoms)),
            bounds=_place(graph.bounds, at, (molecules, atoms, atoms)),
            centres=_place(local[graph.centre_index.T], (centre_batch, ordinal), (molecules, most)),
            wanted=_place(graph.wanted, (centre_batch, ordinal), (molecules, most)),
        )

    def to(self, device: torch.device | str) -> DenseGraph:
        """The same batch on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, change: Any) -> DenseGraph:
        """The batch with `change` applied to every tensor."""
        return replace(self, **{field.name: change(getattr(self, field.name)) for field in fields(self)})


def flatten(pos: Tensor, mask: Tensor) -> Tensor:
    """The rows of real atoms, (N, 3), of dense positions (B, M, 3)."""
    return pos[mask]


def unflatten(pos: Tensor, mask: Tensor) -> Tensor:
    """Dense positions (B, M, 3), zero in padding, of flat ones (N, 3)."""
    return pos.new_zeros(*mask.shape, pos.shape[-1]).masked_scatter(mask.unsqueeze(-1), pos)


def _owners(graph: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Molecule of each atom, offsets of the molecules, molecule of each centre."""
    atoms = graph.node.shape[0]
    batch = getattr(graph, "batch", None)
    if batch is None:
        batch = torch.zeros(atoms, dtype=torch.long, device=graph.node.device)
        ptr = torch.tensor([0, atoms], device=graph.node.device)
    else:
        ptr = graph.ptr
    return batch, ptr, batch[graph.centre_index[0]]


def _place(values: Tensor, at: tuple[Tensor, ...], shape: tuple[int, ...]) -> Tensor:
    """Values scattered into a zero tensor of the given leading shape."""
    dense = values.new_zeros(*shape, *values.shape[1:])
    dense[at] = values
    return dense
