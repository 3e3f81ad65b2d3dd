"""Positions of tokens from the trained network: prior -> sampler, for many conformers of one connected molecule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from confgen.denoiser import Denoiser
from confgen.device import has_fast_bf16
from confgen.embed import embed
from confgen.errors import MoleculeError
from confgen.graph import adjacency, mol_to_graph
from confgen.models.dense import DenseGraph
from confgen.models.geometry import centre, remove_rigid
from confgen.molecule import is_token, label
from confgen.prior import draw_noise, harmonic_root
from confgen.sampler import SAMPLERS, Denoise, Draw, SamplerSettings
from confgen.schedule import karras_sigmas

PAIRS_AT_ONCE = {"cpu": 60_000, "cuda": 4_000_000}


@dataclass(frozen=True)
class StartSettings:
    """Where sampling starts: `harmonic`, noise of the prior; `etkdg`, RDKit's coordinates noised to `sigma`."""

    start: Literal["harmonic", "etkdg"] = "harmonic"
    sigma: float = 0.5


def propose(
    mol: Chem.Mol,
    seeds: Sequence[int],
    denoiser: Denoiser,
    settings: SamplerSettings,
    start: StartSettings,
    *,
    batch_size: int | None = None,
    deadline: float | None = None,
) -> np.ndarray:
    """Token positions (K, T, 3) float64 angstrom, one conformer per seed, on the denoiser's device.

    mol:        one connected molecule with explicit hydrogens.
    batch_size: conformers per network call; by default what fits a budget of atom pairs. It changes the time taken
                only: every conformer draws from a generator of its own.
    deadline:   `time.monotonic()` after which MoleculeError is raised.
    A conformer whose ETKDG start cannot be embedded starts from the harmonic prior.
    """
    device = next(denoiser.parameters()).device
    graph = DenseGraph.from_flat(mol_to_graph(mol)).to(device)
    tokens = graph.mask.shape[1]
    if tokens == 1:
        return np.zeros((len(seeds), 1, 3))
    root = harmonic_root(adjacency(graph.pair), graph.mask).to(device)
    at_once = batch_size or max(1, PAIRS_AT_ONCE[device.type] // tokens**2)
    chunks = [seeds[first : first + at_once] for first in range(0, len(seeds), at_once)]
    single = next(denoiser.parameters()).dtype == torch.float32
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=single and has_fast_bf16(device))
    with torch.inference_mode():
        with bf16:
            encoded = denoiser.encode(graph)

        def denoise(pos: Tensor, sigma: float) -> Tensor:
            if deadline is not None and time.monotonic() > deadline:
                raise MoleculeError(f"{label(mol)}: took longer than --timeout; raise it or ask for fewer conformers")
            with bf16:
                denoised: Tensor = denoiser(encoded, pos, torch.full((len(pos),), sigma, device=device))
            return denoised

        done = [_sample(mol, chunk, denoise, graph.mask, root, settings, start) for chunk in chunks]
    return np.concatenate(done)


def _sample(
    mol: Chem.Mol,
    seeds: Sequence[int],
    denoise: Denoise,
    mask: Tensor,
    root: Tensor,
    settings: SamplerSettings,
    start: StartSettings,
) -> np.ndarray:
    """Token positions (K, T, 3) of as many conformers as are sampled together."""
    mask, roots = mask.expand(len(seeds), -1), root.expand(len(seeds), -1, -1)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw() -> Tensor:
        return draw_noise(roots, mask, generators)

    def project(vectors: Tensor, pos: Tensor) -> Tensor:
        return remove_rigid(vectors, pos, mask)

    pos, sigma = _starting_points(mol, seeds, start, settings, draw, mask)
    sigmas = karras_sigmas(settings.num_steps, min(settings.sigma_min, sigma), sigma, settings.rho)
    sampled = SAMPLERS[settings.sampler](denoise, pos, sigmas, draw, settings, project)
    positions: np.ndarray = sampled.double().cpu().numpy()
    return positions


def _starting_points(
    mol: Chem.Mol, seeds: Sequence[int], start: StartSettings, settings: SamplerSettings, draw: Draw, mask: Tensor
) -> tuple[Tensor, float]:
    """Noisy positions (K, T, 3) and the sigma they are at."""
    if start.start == "harmonic":
        return settings.sigma_max * draw(), settings.sigma_max
    tokens = is_token(mol)
    known = torch.zeros(*mask.shape, 3)
    for row, pos in enumerate(embed(mol, seeds)):
        if pos is not None:
            known[row] = torch.from_numpy(pos[tokens])
    return centre(known.to(mask.device), mask) + start.sigma * draw(), start.sigma
