"""Vectors and frames on dense batches of molecules: tensors in, tensors out.

Every function takes positions as (B, M, 3) with a mask (B, M), True for real atoms; padded rows stay zero.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unit(vectors: Tensor, eps: float = 1e-3) -> Tensor:
    """Vectors of length |v| / sqrt(|v|^2 + eps^2): one for ordinary vectors, fading to zero for vanishing ones.

    vectors:  (..., 3); eps in the unit of the vectors.
    A hard normalisation has an infinite gradient at zero; the published `v / (|v| + 1)` is never of unit length.
    """
    return vectors * torch.rsqrt(vectors.square().sum(-1, keepdim=True) + eps * eps)


def centre(pos: Tensor, mask: Tensor) -> Tensor:
    """Positions with the centroid of every molecule moved to the origin, (B, M, 3)."""
    weight = mask.unsqueeze(-1).to(pos.dtype)
    mean = (pos * weight).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True).clamp(min=1)
    return (pos - mean) * weight


def remove_rigid(vectors: Tensor, pos: Tensor, mask: Tensor) -> Tensor:
    """Vectors without the part that moves the molecule as a rigid body, (B, M, 3).

    P_x(v) = v - mean(v) - omega x r,   omega = J^+ sum(r x v),   r = x - mean(x)

    vectors:  (B, M, 3) a displacement of every atom;   pos: (B, M, 3) where the atoms are.
    J is the inertia tensor of unit masses. For atoms in a line (or a single one) J is singular; a ridge of 1e-6 of
    its trace stands in for the pseudo-inverse: the torque has no component along the axis, so nothing is lost.
    Symmetry: turns with the molecule. What is left is a change of shape.
    """
    v, r = centre(vectors, mask), centre(pos, mask)
    outer = r.transpose(-1, -2) @ r  # (B, 3, 3)
    trace = outer.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    eye = torch.eye(3, dtype=pos.dtype, device=pos.device)
    inertia = (trace * (1 + 1e-6) + 1e-12) * eye - outer
    torque = torch.linalg.cross(r, v).sum(-2)  # (B, 3)
    omega = _solved(inertia, torque)
    turned = torch.linalg.cross(omega.unsqueeze(-2).expand_as(r), r)
    left: Tensor = (v - turned) * mask.unsqueeze(-1).to(pos.dtype)
    return left


def _solved(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Solutions (B, 3) of symmetric systems (B, 3, 3) by Cramer's rule, in float64, which stands in for pivoting.

    The solvers of libraries wait for a GPU to say whether a matrix was singular.
    """
    first, second, third = matrices.double().unbind(-2)
    minors = torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second)
    determinant = (first * minors[0]).sum(-1, keepdim=True)
    solved: Tensor = (torch.stack(minors, dim=-1) @ vectors.double().unsqueeze(-1)).squeeze(-1) / determinant
    return solved.to(vectors.dtype)


def edge_frames(pos: Tensor, axis: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Frames of all ordered pairs (i, j) and their distances: (B, M, M, 3, 3) with axes in rows, and (B, M, M).

    a = unit(x_i - x_j),   b = unit(a x w),   c = a x b

    pos:   (B, M, 3) angstrom, centred on each molecule.
    axis:  (B, M, 3) a vector w_i per atom, w = w_i + w_j; None takes the paper's second axis b = unit(x_i x x_j),
           which depends on the origin and vanishes for pairs in line with the centre.
    Symmetry: a and c turn with the molecule; b is a pseudovector (for a true vector w), so components along b
           change sign under inversion: that is how the network tells mirror images apart.
    Degenerate: where the cross product vanishes, b = c = 0; a = 0 on the diagonal.
    Source: Du et al., arXiv:2110.14811, complete local frames; the learned second axis is a departure.
    """
    difference = pos.unsqueeze(-2) - pos.unsqueeze(-3)  # (B, M, M, 3)
    distance = (difference.square().sum(-1) + 1e-8).sqrt()
    a = difference / distance.unsqueeze(-1)
    if axis is None:
        first, second = torch.broadcast_tensors(pos.unsqueeze(-2), pos.unsqueeze(-3))
        b = unit(torch.linalg.cross(first, second), 1e-2)
    else:
        b = unit(torch.linalg.cross(a, axis.unsqueeze(-2) + axis.unsqueeze(-3)), 1e-2)
    return torch.stack((a, b, torch.linalg.cross(a, b)), dim=-2), distance


def on_frames(frames: Tensor, vectors: Tensor) -> Tensor:
    """Components of the vectors (B, M, P, 3) of each atom i on the axes of its frames (B, M, M, 3, 3): (B, M, M, 3, P).

    Compiled, as a sum that is fused with what comes before and after: products of so small matrices are slow on GPUs.
    """
    if torch.compiler.is_compiling():
        return (frames.unsqueeze(-2) * vectors[:, :, None, None]).sum(-1)
    flat: Tensor = frames.flatten(-3, -2) @ vectors.transpose(-1, -2)
    components: Tensor = flat.unflatten(-2, (-1, 3))
    return components


def handedness(pos: Tensor, centres: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """What a centre with three placed neighbours shows of its hand: scalars (B, M, 2) and vectors (B, M, 2, 3).

    volume = (a - i) . [(b - i) x (c - i)],   area = (a-i)x(b-i) + (b-i)x(c-i) + (c-i)x(a-i)

    pos:      (B, M, 3) angstrom.
    centres:  (B, C, 4) indices i, a, b, c; wanted: (B, C) +1 or -1 for the sign the volume must have, 0 if free.
              Rows of padding have i = a, so that volume and area vanish there.
    Scalars:  wanted * volume (positive when right) and |volume| (how far from flat).
    Vectors:  wanted * area (points away from where the centre belongs) and volume * area (out of the plane).
    All four are true scalars and vectors: label times pseudo-something, or a product of two.
    """
    index = centres.flatten(1).unsqueeze(-1).expand(-1, -1, 3)
    corners = pos.gather(1, index).view(*centres.shape, 3)  # (B, C, 4, 3)
    a, b, c = (corners[:, :, 1:] - corners[:, :, :1]).unbind(-2)
    bc = torch.linalg.cross(b, c)
    volume = (a * bc).sum(-1)
    area = torch.linalg.cross(a, b) + bc + torch.linalg.cross(c, a)
    # A planar or tetrahedral centre has |volume| of 0 to 3 cubic angstrom; noise has more, and is squashed.
    signed = torch.tanh(volume / 3)
    area = area * torch.rsqrt(area.square().sum(-1, keepdim=True) + 1)
    scalars = torch.stack((signed * wanted, signed.abs()), dim=-1)  # (B, C, 2)
    vectors = torch.stack((wanted.unsqueeze(-1) * area, signed.unsqueeze(-1) * area), dim=-2)
    at = centres[:, :, 0]
    return (
        pos.new_zeros(*pos.shape[:2], 2).scatter_add(1, at[..., None].expand_as(scalars), scalars),
        pos.new_zeros(*pos.shape[:2], 2, 3).scatter_add(1, at[..., None, None].expand_as(vectors), vectors),
    )
