"""The noise that sampling starts from, harmonic: neighbours move together.

It is given by a root A, (B, M, M), and noise at level sigma is sigma * A @ eps with eps ~ N(0, 1): its covariance
is sigma^2 A A^T in each of x, y and z. For the harmonic prior A A^T = Sigma = pinv(L), with L the Laplacian of the
bond graph: bonded atoms move together, most so in a ring, and the ends of a long chain move far apart. Atoms come first
in each row and padding last.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Eigenvalues of L below this are zero modes; the smallest other one, that of a chain, is (pi / n)^2: 1e-5 at n = 1,000.
ZERO_MODE = 1e-8


def laplacian(adjacency: Tensor, mask: Tensor) -> Tensor:
    """Laplacian L of each bond graph, (B, M, M) float64, with zero rows and columns for padding.

    v^T L v is the sum over bonds of (v_i - v_j)^2: the squared length of v in the basis where harmonic noise is white.

    adjacency: (B, M, M) symmetric, true or non-zero where two atoms are bonded; bond orders count as one bond.
    mask:      (B, M) true for atoms.
    """
    bonded = ((adjacency != 0) & mask[:, :, None] & mask[:, None, :]).double()
    return torch.diag_embed(bonded.sum(-1)) - bonded


def harmonic_root(adjacency: Tensor, mask: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Root A of the harmonic covariance, A A^T = pinv(L), (B, M, M) on the device of `mask`, zero in padding.

    A is the symmetric root L^(-1/2) on the internal modes, which is unique: it depends neither on padding nor on the
    other rows, and it turns with a reordering of the atoms. The zero mode, the molecule's place, gets no noise; so
    does a single atom. Every matrix is decomposed at its own size, in float64 on the CPU, which makes the result equal
    bit by bit in any batch; a training set computes it once per molecule.

    adjacency, mask: as for `laplacian`; all atoms of a row must be connected, since nothing would keep the parts of a
                     salt apart or together. Fragments are sampled one by one.
    """
    matrices = laplacian(adjacency, mask).cpu()
    root = torch.zeros_like(matrices)
    for row, n in enumerate(_atom_counts(mask)):
        values, modes = torch.linalg.eigh(matrices[row, :n, :n].contiguous())
        internal = values > ZERO_MODE
        parts = n - int(internal.sum())
        assert parts <= 1, f"row {row} of the batch has {parts} disconnected parts: sample each fragment by itself"
        modes = modes[:, internal]
        root[row, :n, :n] = (modes * values[internal].rsqrt()) @ modes.T
    return root.to(device=mask.device, dtype=dtype)


def draw_noise(root: Tensor, mask: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Noise of the prior at level 1, (B, M, 3) of the root's dtype and device, row b drawn from generators[b].

    Row b takes exactly (n_b, 3) normal numbers from its generator, in float64 and on the CPU whatever the device, and
    is multiplied at its own size. So a conformer's noise follows from its seed and its molecule alone: equal bit by bit
    in any batch, with any padding.

    root, mask: (B, M, M) from `harmonic_root`, and (B, M) true for atoms.
    generators: B CPU generators, one for each conformer.
    """
    assert len(generators) == len(mask), f"{len(mask)} conformers need as many generators, not {len(generators)}"
    factors = root.cpu()
    drawn = torch.zeros((*mask.shape, 3), dtype=root.dtype, device="cpu")
    for row, (n, generator) in enumerate(zip(_atom_counts(mask), generators, strict=True)):
        eps = torch.randn(n, 3, generator=generator, dtype=torch.float64, device="cpu")
        drawn[row, :n] = (factors[row, :n, :n].double().contiguous() @ eps).to(root.dtype)
    return drawn.to(root.device)


def _atom_counts(mask: Tensor) -> list[int]:
    """Number of atoms of each row."""
    assert bool((mask[:, 1:] <= mask[:, :-1]).all()), "the atoms of a row must come before its padding"
    counts: list[int] = mask.sum(-1).tolist()
    return counts
