"""How far a denoiser's estimates of clean molecules are off, at a few noise levels: same molecules, same noise."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from confgen.dataset import Pack
from confgen.models.dense import PAIR_FEATURES, DenseGraph
from confgen.models.geometry import centre
from confgen.superpose import superposed_rmsd
from confgen.trainer import Diverged

SIGMAS = (0.1, 0.3, 1.0, 3.0)  # in the harmonic whitened basis; rising, the distances are looked at in the first
NOISE_SEED = 20


class Estimator(Protocol):
    """What is asked of a denoiser; see `confgen.denoiser.Denoiser`."""

    def encode(self, graph: DenseGraph) -> Any: ...

    def __call__(self, encoded: Any, pos: Tensor, sigma: Tensor) -> Tensor: ...


@torch.no_grad()
def estimate_errors(denoiser: Estimator, pack: Pack, molecules: int) -> np.ndarray:
    """Errors in angstrom on the first conformers of the first molecules, (molecules, 5).

    Columns: RMSD of D(x, sigma) to the clean positions after the best superposition at each of SIGMAS, and the mean
    absolute error of the distances of atoms one and two bonds apart at the first of them. The noise of a molecule is
    the same in every call. Raises Diverged for estimates that are not finite.
    """
    generator = torch.Generator().manual_seed(NOISE_SEED)
    sigma = torch.tensor(SIGMAS)
    rows = []
    for index in range(min(molecules, len(pack.sizes))):
        chosen = torch.tensor([index])
        graph, root = pack.graphs(chosen)
        clean = centre(pack.positions(chosen, torch.tensor([0])), graph.mask)
        noise = root @ torch.randn(len(SIGMAS), *clean.shape[1:], generator=generator)
        denoised = denoiser(denoiser.encode(graph), clean + sigma.view(-1, 1, 1) * noise, sigma)
        if not denoised.isfinite().all():
            raise Diverged(f"molecule {index + 1}: an estimate is not finite; lower optim.lr")
        real = graph.mask[0]
        estimates, target = (centre(pos.double(), graph.mask[:1])[:, real] for pos in (denoised, clean))
        rmsd = superposed_rmsd(target.expand_as(estimates).numpy(), estimates.numpy())
        rows.append([*rmsd, _distance_error(estimates[0], target[0], graph.pair[0][real][:, real])])
    return np.array(rows)


def _distance_error(estimate: Tensor, target: Tensor, pair: Tensor) -> float:
    """Mean absolute error of the distances of atoms one and two bonds apart, of positions (M, 3); pair: (M, M, 6)."""
    hops = pair[..., list(PAIR_FEATURES).index("hops")]
    near = (hops == 1) | (hops == 2)
    return float((torch.cdist(estimate, estimate) - torch.cdist(target, target)).abs()[near].mean())
