"""The one set of scalings that the denoiser, the loss and the network share."""

from __future__ import annotations

import torch
from torch import Tensor


class Scalings:
    """Preconditioning at noise level sigma: D(x) = c_skip x + c_out F(c_in x, c_noise).

    With r = sigma / sigma_data:  c_in = 1 / (sigma_data sqrt(1 + r^2)),  c_skip = 1 / sqrt(1 + r^2),
    c_out = sigma_data sqrt(2 - 2 c_skip),  c_noise = ln(sigma) / 4.

    sigma: (B,) noise in the harmonic whitened basis; every scaling is (B, 1, 1).
    Source: Karras et al., arXiv:2206.00364, section 5, whose requirements (unit variance of input and target) hold
    for any c_skip. Theirs minimises c_out; ours is sigma_data c_in, so that c_skip x has the size of a molecule at
    every noise level and the network can read bond lengths off its own running estimate c_skip x + c_out F.
    The two agree to first order in sigma, and c_out is at most sqrt(2) larger.
    """

    def __init__(self, sigma: Tensor, sigma_data: float) -> None:
        ratio = (sigma / sigma_data).view(-1, 1, 1)
        self.c_skip = (1 + ratio.square()).rsqrt()
        self.c_in = self.c_skip / sigma_data
        # 2 - 2 c_skip, written without the cancellation at small sigma
        self.c_out = sigma_data * ratio * self.c_skip * (2 / (1 + self.c_skip)).sqrt()
        self.c_noise = sigma.log() / 4

    @classmethod
    def from_noise(cls, noise: Tensor, sigma_data: float) -> Scalings:
        """Scalings of a network that is told c_noise, (B,)."""
        return cls(torch.exp(4 * noise), sigma_data)
