"""A core held while a molecule is sampled: the network's estimate, conditioned on where some atoms are known to be."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from confgen.sampler import Denoise
from confgen.scaffold import Core


def clamp(denoise: Denoise, core: Core, weights: np.ndarray) -> Denoise:
    """The denoiser of the molecule with its core known: the estimate's core is the template, and the rest follows.

    At every noise level the template is superposed on the estimate D, and the other atoms are given the shift that a
    Gaussian posterior would give them: E[x_o | x_sigma, x_c] = D_o + Sigma_oc Sigma_cc^-1 (x_c - D_c). That is exact
    where clean molecules are spread as the harmonic prior spreads them, for then the posterior's covariance is Sigma
    times a number; for molecules it keeps the bonds between core and rest as the network wants them.

    weights: (M, C) from `scaffold.followers`, of tokens as the core is.
    Departure from inpainting by replacement (Lugmayr et al., arXiv:2201.09865), which sets the core and leaves the rest
    to learn of it from the next noise level: no resampling is needed here.
    """

    def clamped(pos: Tensor, sigma: float) -> Tensor:
        clean = denoise(pos, sigma)
        at = torch.from_numpy(core.atoms).to(clean.device)
        own = clean[:, at].double()
        target = torch.from_numpy(core.positions).to(own)
        shifts = _superposed(target, own) - own
        return clean + (torch.from_numpy(weights).to(shifts) @ shifts).to(clean.dtype)

    return clamped


def _superposed(target: Tensor, onto: Tensor) -> Tensor:
    """The target (C, 3) as near as it can be brought to each of (B, C, 3) without a reflection, (B, C, 3).

    Source: Kabsch, Acta Cryst. A 1976, 32, 922.
    """
    middle = onto.mean(1, keepdim=True)
    centred = target - target.mean(0)
    left, _, right = torch.linalg.svd(centred.T @ (onto - middle))
    hand = torch.ones(len(onto), 3, dtype=onto.dtype, device=onto.device)
    hand[:, 2] = torch.linalg.det(left @ right).sign()
    turned: Tensor = centred @ (left * hand.unsqueeze(1)) @ right
    return turned + middle
