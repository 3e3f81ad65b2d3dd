"""Positions of tokens from the trained network, for many conformers of one connected molecule: start -> sampler."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from confgen.clamp import clamp
from confgen.conformers import is_token, label
from confgen.denoiser import Denoiser
from confgen.device import has_fast_bf16
from confgen.errors import MoleculeError
from confgen.graph import adjacency, flat_graph
from confgen.models.dense import DenseGraph
from confgen.models.geometry import centre, remove_rigid
from confgen.prior import draw_noise, harmonic_root
from confgen.sampler import SAMPLERS, Denoise, Draw, SamplerSettings
from confgen.scaffold import Core, held, of_tokens_only
from confgen.schedule import karras_sigmas
from confgen.starts import StartSettings

# Measured on a CPU core, 64 conformers of 27 tokens: 8.7 ms each with half of them in a call, 10.0 with all, which no
# longer fit its cache and take twice the memory.
PAIRS_AT_ONCE = {"cpu": 30_000, "cuda": 4_000_000}
DETERMINISTIC = ("heun", "dpmpp")  # samplers
# A single step ends at a mean of what is likely, whose bonds and angles may be of none of it; a last one at this level
# puts them right. Of 373 conformers of 25 molecules, 340 pass the checks without it, 369 with it, at the same RMSD.
SETTLING = 0.1
# Products of fewer rows go through other kernels, which round differently: one or two conformers are filled up to
# this number with copies, so that results are equal bit by bit whatever the batch (measured: 5e-4 angstrom without).
FEWEST = 4


def propose(
    mol: Chem.Mol,
    seeds: Sequence[int],
    denoiser: Denoiser,
    settings: SamplerSettings,
    start: StartSettings,
    known: Sequence[np.ndarray | None] | None = None,
    *,
    batch_size: int | None = None,
    deadline: float | None = None,
    core: Core | None = None,
) -> np.ndarray:
    """Token positions (K, T, 3) float64 angstrom, one conformer per seed, on the denoiser's device.

    mol:        one connected molecule with explicit hydrogens.
    start:      the level that starts are taken to be at, the noise and the rounds.
    known:      where each starts, (N, 3) of all atoms, or None for the harmonic prior, as all do without.
    batch_size: conformers per network call; by default, and always for molecules so large that these are fewer than
                FEWEST, what fits a budget of atom pairs. It changes the time taken only: every conformer draws from a
                generator of its own.
    deadline:   `time.monotonic()` after which conformers that are not done are left as nan, and MoleculeError is raised
                if none is.
    core:       atoms held at given coordinates at every noise level; the conformers come superposed on them, the core
                exactly there.
    """
    device = next(denoiser.parameters()).device
    graph = DenseGraph.from_flat(flat_graph(mol)).to(device)
    tokens = graph.mask.shape[1]
    if tokens == 1:
        return np.zeros((len(seeds), 1, 3))
    _refuse_unlinked(mol, adjacency(graph.pair)[0])
    root = harmonic_root(adjacency(graph.pair), graph.mask).to(device)
    fitting = max(1, PAIRS_AT_ONCE[device.type] // tokens**2)
    at_once, fewest = batch_size or fitting, FEWEST
    if fitting < FEWEST:  # memory allows no copies
        at_once = fewest = fitting
    single = next(denoiser.parameters()).dtype == torch.float32
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=single and has_fast_bf16(device))
    with torch.inference_mode():
        with bf16:
            encoded = denoiser.encode(graph)

        def denoise(pos: Tensor, sigma: float) -> Tensor:
            if deadline is not None and time.monotonic() > deadline:
                raise _OutOfTime(f"{label(mol)}: took longer than --timeout; raise it or ask for fewer conformers")
            with bf16:
                level = torch.full((len(pos),), sigma, dtype=torch.float32, device=device)
                denoised: Tensor = denoiser(encoded, pos, level)
            return denoised

        sampled: Denoise = denoise
        if core is not None:
            core_tokens, weights = of_tokens_only(mol, core)
            sampled = clamp(denoise, core_tokens, weights)
        done = np.full((len(seeds), tokens, 3), np.nan)
        found = [None] * len(seeds) if known is None else _tokens_of(mol, known)
        twins = _twins(found) if start.noise == 0 and settings.sampler in DETERMINISTIC else {}
        for rows, begun in _runs(found, [k for k in range(len(seeds)) if k not in twins], at_once):
            padded = [min(k, len(rows) - 1) for k in range(max(len(rows), fewest))]
            clean = None if begun is None else torch.from_numpy(begun[padded]).to(device, torch.float32)
            try:
                own = _sample([seeds[rows[k]] for k in padded], clean, sampled, graph.mask, root, settings, start)
            except _OutOfTime:
                if np.isnan(done).all():
                    raise
                break
            done[rows] = own[: len(rows)]
        done[list(twins)] = done[list(twins.values())]
    if core is not None:
        there = np.isfinite(done).all(axis=(1, 2))
        done[there] = held(core_tokens, done[there], weights)
    return done


class _OutOfTime(MoleculeError):
    """The deadline has passed."""


def _refuse_unlinked(mol: Chem.Mol, bonded: Tensor) -> None:
    """MoleculeError if bonds (T, T) between tokens leave them in parts."""
    linked = (bonded | torch.eye(len(bonded), dtype=torch.bool, device=bonded.device)).float()
    for _ in range(len(bonded).bit_length()):  # paths of 2, 4, 8 ... bonds
        linked = (linked @ linked).clamp(max=1)
    if not linked.all():
        raise MoleculeError(f"{label(mol)}: its heavy atoms hang together by a hydrogen only; leave it out")


def _tokens_of(mol: Chem.Mol, found: Iterable[np.ndarray | None]) -> list[np.ndarray | None]:
    tokens = is_token(mol)
    return [None if pos is None else pos[tokens] for pos in found]


def _twins(found: Sequence[np.ndarray | None]) -> dict[int, int]:
    """Conformers that start where an earlier one does, and that one: without noise, they end where it does."""
    first: dict[bytes, int] = {}
    earlier = {k: first.setdefault(pos.tobytes(), k) for k, pos in enumerate(found) if pos is not None}
    return {k: other for k, other in earlier.items() if other != k}


def _runs(
    found: Sequence[np.ndarray | None], wanted: Sequence[int], at_once: int
) -> Iterator[tuple[list[int], np.ndarray | None]]:
    """Which of the wanted conformers are sampled together, with the positions (K, T, 3) they start from, or None.

    At most so many at once, and about as many each time.
    """
    known = {k: pos for k in wanted if (pos := found[k]) is not None}
    for group in (list(known), [k for k in wanted if k not in known]):
        size = math.ceil(len(group) / max(1, math.ceil(len(group) / at_once)))
        for first in range(0, len(group), max(1, size)):
            rows = group[first : first + size]
            yield rows, np.stack([known[k] for k in rows]) if rows[0] in known else None


def _sample(
    seeds: Sequence[int],
    known: Tensor | None,
    denoise: Denoise,
    mask: Tensor,
    root: Tensor,
    settings: SamplerSettings,
    start: StartSettings,
) -> np.ndarray:
    """Token positions (K, T, 3) of as many conformers as are sampled together, from `known` ones or from the prior."""
    mask, roots = mask.expand(len(seeds), -1), root.expand(len(seeds), -1, -1)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def draw() -> Tensor:
        return draw_noise(roots, mask, generators)

    def project(vectors: Tensor, pos: Tensor) -> Tensor:
        return remove_rigid(vectors, pos, mask)

    levels = [start.sigma] * (start.rounds if known is not None else 1)
    if known is not None and settings.num_steps == 1 and start.sigma > SETTLING:
        levels.append(SETTLING)
    for level in levels:
        pos, sigma = _starting_points(known, replace(start, sigma=level), settings, draw, mask)
        sigmas = karras_sigmas(settings.num_steps, min(settings.sigma_min, sigma), sigma, settings.rho)
        known = SAMPLERS[settings.sampler](denoise, pos, sigmas, draw, settings, project)
    assert known is not None
    positions: np.ndarray = known.double().cpu().numpy()
    return positions


def _starting_points(
    known: Tensor | None, start: StartSettings, settings: SamplerSettings, draw: Draw, mask: Tensor
) -> tuple[Tensor, float]:
    """Positions (K, T, 3) to start from and the sigma they are taken to be at."""
    if known is None:
        return settings.sigma_max * draw(), settings.sigma_max
    return centre(known, mask) + start.noise * start.sigma * draw(), start.sigma
