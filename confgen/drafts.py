"""Conformers in the making: proposed by the network, checked, put right in part or proposed again, repaired."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rdkit import Chem

from confgen.checkpoint import Weights
from confgen.conformers import fragments, with_positions
from confgen.errors import NoStart
from confgen.joining import LARGE as JOINED
from confgen.minima import Covering, eased
from confgen.reflect import reflected
from confgen.scaffold import Core
from confgen.settings import GenerateSettings, default_settings
from confgen.starts import StartSettings
from confgen.stereo import mismatches_at
from confgen.validity import check
from confgen.whole import embed_whole, propose_whole, start_whole

COOLING = 4.0  # by which the noise level that a start from coordinates is taken to be at falls with every attempt
# What is turned is taken to be at this level, without noise. Of 59 conformers from the prior whose wrong elements could
# be turned, so many came out valid: 38, 40, 41, 47 and 44 from 0.15, 0.3, 0.5, 1 and 2; with noise 39, 41, 46, 43, 27.
SMOOTHING = StartSettings(sigma=1.0, noise=0.0)
SMOOTHING_STEPS = 5
TURNED = -1000  # plus the attempt, in its place, so that these seeds are no others'
MISSING = ["missing"]  # in the place of failed checks: not made
CORE_REPAIRS = 5  # embeddings with a core held that are tried for a conformer

Reserves = dict[tuple[int, int], list[list[Covering]]]  # by number of the isomer and of its core; of each fragment


@dataclass
class Drafts:
    """K conformers: positions (K, N, 3), the names of the checks that each fails, and where each comes from.

    startless: isomers for which distance geometry has found no coordinates, in this round or in an earlier one.
    turned:    conformers that are the network's after part of them was turned (see `confgen.reflect`).
    starts:    where each was sampled from last, (N, 3), its fragments anyhow; None for the prior.
    """

    pos: np.ndarray
    failed: list[list[str]]
    sources: list[str]
    startless: set[int] = field(default_factory=set)
    turned: set[int] = field(default_factory=set)
    starts: dict[int, np.ndarray | None] = field(default_factory=dict)

    @classmethod
    def blank(cls, mol: Chem.Mol, count: int, startless: set[int] | None = None) -> Drafts:
        """So many that are still to be made."""
        failed = [list(MISSING) for _ in range(count)]
        return cls(np.zeros((count, mol.GetNumAtoms(), 3)), failed, ["network"] * count, startless or set())

    def wrong(self) -> list[int]:
        """Which of them fail a check, or are not made."""
        return [k for k, names in enumerate(self.failed) if names]

    def missing(self, k: int) -> bool:
        """Whether there was no time to make one, or no way to."""
        return self.failed[k] == MISSING

    def take_better(self, own: Sequence[int], mol: Chem.Mol, pos: np.ndarray, turned: bool = False) -> None:
        """Puts new positions (k, N, 3) in the place of those of some conformers where they fail fewer checks.

        Those that there was no time for, nan, are none.
        """
        for k, new, fails in zip(own, pos, check(with_positions(mol, pos)), strict=True):
            if np.isnan(new).all(axis=-1).any():
                continue
            if self.missing(k) or len(fails) < len(self.failed[k]):
                self.pos[k], self.failed[k] = new, fails
                (self.turned.add if turned else self.turned.discard)(k)


def sample_wrong(
    drafts: Drafts,
    isomers: Sequence[Chem.Mol],
    weights: Weights,
    settings: GenerateSettings,
    attempt: int,
    deadline: float | None,
    cores: Sequence[Sequence[Core]] = (),
    reserves: Reserves | None = None,
) -> None:
    """New proposals for the conformers that fail a check, kept where they fail less than what is there.

    cores: those of each isomer, over which its conformers are spread in turn; none if nothing is held.
    reserves: starts of earlier proposals that are left, taken first; those that this leaves are added.
    Each attempt from known coordinates takes them to be at a lower noise level, and so stays closer to them: the second
    to where the first started, further ones to other starts. What distance geometry cannot embed is sampled from the
    prior, in the steps that this takes; an isomer of which it can embed none once, for it would fail as slowly again.
    Proposals of the wrong stereochemistry are turned where that can be done, and smoothed; not those with a core, nor
    those from the input's own coordinates, which are to stay as they are. Of 60 molecules with stereo elements, 232 of
    300 conformers from the prior are valid after the first attempt so and 283 after the last, without it 185 and 269,
    with a fifth fewer calls of the network. The default start is hardly ever wrong but in cages: 5 of the same 300,
    none of which can be turned.
    """
    pool = settings.start.pool if attempt == 0 else 1
    cooler = replace(settings.start, sigma=settings.start.sigma / COOLING**attempt, pool=pool)
    from_prior = _from_prior(settings, weights)
    wrong = drafts.wrong()
    reserves = {} if reserves is None else reserves
    for first, isomer in enumerate(isomers):
        for number, core in enumerate(cores[first] if cores else [None]):
            own = [k for k in wrong if k % len(isomers) == first and core_of(k, cores) is core]
            if not own or (first in drafts.startless and not any(drafts.missing(k) for k in own)):
                continue
            seeds = [conformer_seed(settings.seed, k, attempt) for k in own]
            started = from_prior if first in drafts.startless else _started(settings, cooler)
            reserve = reserves.setdefault((first, number), [[] for _ in fragments(isomer)])
            begun = _again(drafts, own, isomer, attempt)
            try:
                begun = begun or start_whole(isomer, seeds, weights, started, deadline, core, reserve)
            except NoStart:
                drafts.startless.add(first)
                begun = [None] * len(own)
            drafts.starts.update(zip(own, begun, strict=True))
            proposed = np.full((len(own), isomer.GetNumAtoms(), 3), np.nan)
            for chosen, rows in (
                (started, [row for row, pos in enumerate(begun) if pos is not None]),
                (from_prior, [row for row, pos in enumerate(begun) if pos is None]),
            ):
                if rows:
                    known = [begun[row] for row in rows]
                    own_seeds = [seeds[row] for row in rows]
                    proposed[rows] = propose_whole(isomer, own_seeds, weights, chosen, deadline, core, known)
                    drafts.take_better([own[row] for row in rows], isomer, proposed[rows])
            if core is None and not settings.keep_invalid and settings.start.start != "input":
                _turn_wrong(drafts, own, isomer, proposed, weights, settings, attempt, deadline)


def _again(drafts: Drafts, own: Sequence[int], isomer: Chem.Mol, attempt: int) -> list[np.ndarray | None] | None:
    """Where conformers started that are to start from there again, closer to it; None if they start anew.

    They do so once; later another start may do better, but of large molecules it takes many times as long to find one
    as to sample from it.
    """
    found = [drafts.starts.get(k) for k in own]
    if attempt == 0 or any(pos is None for pos in found):
        return None
    return found if attempt == 1 or isomer.GetNumAtoms() >= JOINED else None


def _started(settings: GenerateSettings, start: StartSettings) -> GenerateSettings:
    """The settings with another start; without their dielectric constant if it was for minima to start from alone."""
    needless = settings.relax == "none" and start.start != "mmff94s" and not settings.needs_energies
    return replace(settings, start=start, dielectric=None if needless else settings.dielectric)


def _from_prior(settings: GenerateSettings, weights: Weights) -> GenerateSettings:
    """The settings to sample from the prior with: what takes one step from coordinates takes many from there."""
    if settings.start.start == "harmonic":
        return settings
    sampler = default_settings(weights.sampling, "harmonic").sampler
    return _started(replace(settings, sampler=sampler), StartSettings())


def _turn_wrong(
    drafts: Drafts,
    own: Sequence[int],
    isomer: Chem.Mol,
    proposed: np.ndarray,
    weights: Weights,
    settings: GenerateSettings,
    attempt: int,
    deadline: float | None,
) -> None:
    """Proposals (k, N, 3) with the wrong stereochemistry, turned and smoothed, kept as in `sample_wrong`."""
    turned, done = reflected(isomer, proposed, mismatches_at(isomer, proposed))
    rows = [row for row, k in enumerate(own) if done[row] and drafts.failed[k]]
    if not rows:
        return
    seeds = [conformer_seed(settings.seed, own[row], TURNED + attempt) for row in rows]
    slower = replace(settings, sampler=replace(settings.sampler, num_steps=SMOOTHING_STEPS))
    smoothing = _started(slower, SMOOTHING)
    smoothed = propose_whole(isomer, seeds, weights, smoothing, deadline, None, [*turned[rows]])
    drafts.take_better([own[row] for row in rows], isomer, smoothed, turned=True)


def repair(
    drafts: Drafts,
    isomers: Sequence[Chem.Mol],
    settings: GenerateSettings,
    deadline: float | None,
    cores: Sequence[Sequence[Core]] = (),
) -> None:
    """ETKDG coordinates for the conformers that are still wrong, with the core where it is to be.

    Distance geometry with a core held ends badly more often, so that it is tried several times. What started from the
    input's own coordinates stays wrong: a shape from elsewhere is not what was asked for. So do all of an isomer whose
    first conformer cannot be embedded.
    """
    if settings.start.start == "input":
        return
    hopeless = set(drafts.startless)
    done: set[int] = set()
    for k in drafts.wrong():
        number, core = k % len(isomers), core_of(k, cores)
        for attempt in range(1 if core is None else CORE_REPAIRS):
            if number in hopeless or (deadline is not None and time.monotonic() > deadline):
                break
            proposed = embed_whole(isomers[number], conformer_seed(settings.seed, k, -1 - attempt), core, deadline)
            if proposed is None and number not in done:
                hopeless.add(number)
            done.add(number)
            if proposed is None:
                continue
            better = _eased(isomers[number], proposed, settings, core, deadline)
            if not check(with_positions(isomers[number], better))[0]:
                drafts.pos[k], drafts.failed[k], drafts.sources[k] = better[0], [], "etkdg"
                break


def _eased(
    mol: Chem.Mol, pos: np.ndarray, settings: GenerateSettings, core: Core | None, deadline: float | None
) -> np.ndarray:
    """Positions (1, N, 3) of distance geometry relaxed by MMFF94s, where starts are, if they are valid then.

    What the network cannot do is mostly strained (E-cyclooctenes), and what distance geometry makes of that is rough.
    """
    if settings.start.start != "mmff94s":
        return pos
    relaxed = eased(mol, pos, deadline, core, settings.dielectric)
    return pos if check(with_positions(mol, relaxed))[0] else relaxed


def core_of(conformer: int, cores: Sequence[Sequence[Core]]) -> Core | None:
    """The core of a conformer: conformers take isomers in turn, and those of an isomer its cores in turn."""
    if not cores:
        return None
    own = cores[conformer % len(cores)]
    return own[conformer // len(cores) % len(own)]


def conformer_seed(seed: int, conformer: int, attempt: int) -> int:
    """A seed of its own, 0..2^63-1, for every conformer and attempt."""
    digest = hashlib.sha256(f"{seed}/{conformer}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
