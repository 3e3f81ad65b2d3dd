"""Conformers in the making: proposed by the network, checked, proposed again, repaired."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rdkit import Chem

from confgen.assemble import assemble
from confgen.checkpoint import Weights
from confgen.embed import embed
from confgen.hydrogens import complete
from confgen.molecule import fragments, positions, with_positions
from confgen.propose import propose
from confgen.settings import GenerateSettings
from confgen.validity import check

COOLING = 4.0  # by which the noise level that a start from ETKDG is taken to be at falls with every attempt


@dataclass
class Drafts:
    """K conformers: positions (K, N, 3), the names of the checks that each fails, and where each comes from."""

    pos: np.ndarray
    failed: list[list[str]]
    sources: list[str]

    def wrong(self) -> list[int]:
        """Which of them fail a check."""
        return [k for k, names in enumerate(self.failed) if names]


def sample_wrong(
    drafts: Drafts,
    isomers: Sequence[Chem.Mol],
    weights: Weights,
    settings: GenerateSettings,
    attempt: int,
    deadline: float | None,
) -> None:
    """New proposals for the conformers that fail a check, kept where they fail less than what is there.

    Each attempt from RDKit's coordinates takes them to be at a lower noise level, and so stays closer to them.
    """
    pool = settings.start.pool if attempt == 0 else 1
    cooler = replace(settings.start, sigma=settings.start.sigma / COOLING**attempt, pool=pool)
    wrong = drafts.wrong()
    for first, isomer in enumerate(isomers):
        own = [k for k in wrong if k % len(isomers) == first]
        if not own:
            continue
        seeds = [conformer_seed(settings.seed, k, attempt) for k in own]
        proposed = _propose_whole(isomer, seeds, weights, replace(settings, start=cooler), deadline)
        names = check(with_positions(isomer, proposed))
        for k, new, fails in zip(own, proposed, names, strict=True):
            if drafts.failed[k] == ["missing"] or len(fails) < len(drafts.failed[k]):
                drafts.pos[k], drafts.failed[k] = new, fails


def repair(drafts: Drafts, isomers: Sequence[Chem.Mol], settings: GenerateSettings, deadline: float | None) -> None:
    """ETKDG coordinates for the conformers that are still wrong."""
    for k in drafts.wrong():
        if deadline is not None and time.monotonic() > deadline:
            return
        isomer = isomers[k % len(isomers)]
        parts = [embed(part, [conformer_seed(settings.seed, k, -1)])[0] for part in _fragment_mols(isomer)]
        if any(part is None for part in parts):
            continue
        proposed = assemble(isomer, fragments(isomer), [part[None] for part in parts if part is not None])
        if not check(with_positions(isomer, proposed))[0]:
            drafts.pos[k], drafts.failed[k], drafts.sources[k] = proposed[0], [], "etkdg"


def _propose_whole(
    mol: Chem.Mol, seeds: Sequence[int], weights: Weights, settings: GenerateSettings, deadline: float | None
) -> np.ndarray:
    """Positions (K, N, 3) of all atoms: tokens from the network, hydrogens completed, fragments side by side."""
    atoms = fragments(mol)
    parts = []
    for part in _fragment_mols(mol):
        if part.GetNumAtoms() == 1:
            parts.append(np.zeros((len(seeds), 1, 3)))
            continue
        tokens = propose(
            part, seeds, weights.denoiser, settings.sampler, settings.start,
            batch_size=settings.batch_size, deadline=deadline,
        )  # fmt: skip
        finished = complete(part, tokens)
        parts.append(positions(finished))
    return assemble(mol, atoms, parts)


def conformer_seed(seed: int, conformer: int, attempt: int) -> int:
    """A seed of its own, 0..2^63-1, for every conformer and attempt."""
    digest = hashlib.sha256(f"{seed}/{conformer}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _fragment_mols(mol: Chem.Mol) -> list[Chem.Mol]:
    """Connected parts as molecules of their own, stereochemistry kept."""
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    for part in parts:
        Chem.GetSymmSSSR(part)
    return list(parts) if len(parts) > 1 else [mol]
