"""Coordinates from RDKit's distance geometry (ETKDGv3): a start for the sampler, and the last resort after it.

Source: Wang et al., J. Chem. Inf. Model. 2020, 60, 2044.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom
from rdkit.Geometry import Point3D

from confgen.cores import thread_count
from confgen.hypervalent import bounds, centres, mended
from confgen.scaffold import Core, deviation, superposed
from confgen.shapes import centre_flattened
from confgen.stereo import elements, mismatches_at

MAX_SEED = 2**31 - 2
TIMEOUT_S = 60  # for a conformer of up to LARGE atoms; beyond, it grows with their square, as the time does
CORE_TRIES = 3  # embeddings of a core, of which the best is taken where none is
CORE_NEAR = 0.5  # angstrom, RMSD of a core from its template that is near enough to start from
CORE_STRIDE = 0x61C8864680B583EB  # between the seeds of those tries
GIVE_UP = 2  # seeds that fail before any succeeds, after which the others are not tried: they would fail as slowly
LOT, LARGEST_LOT = 5, 40  # conformers of successive seeds that are embedded at once, at first, and at most
SMALL = 60  # atoms beyond which fewer are, by their square: a lot is not to be waited for long
FAILED_LOTS = 2  # after which that is not tried again
STRAINED = 0.5  # share of a way's attempts that the refinement after ETKDG's knowledge throws away
LARGE = 250  # atoms from which the usual coordinates are not tried again once all attempts of a way ended in none
# RDKit's stubs give every field of EmbedParameters the type of the whole, hence the ignored assignments below.


@dataclass(frozen=True)
class Way:
    """A way to embed: with knowledge that triple bonds are straight and aromatic rings flat, from random coordinates.

    attempts: with the random numbers of one seed, before the next way is tried.
    checked: by RDKit for right stereochemistry, for which it refines in any case.
    """

    knowledge: bool
    random_start: bool
    attempts: int
    checked: bool = True


# Tried in this order. Random starting coordinates come after the usual ones, since the conformers they give are worse
# (validation AMR-P 1.12 against 1.02 angstrom); molecules that embed at all do so within 30 attempts of the first
# kind. Cyclophanes, helicenes, cycloalkynes and C60 never do with the knowledge of what unstrained molecules look
# like, and all do at once without it; the first way is short to find that out soon.
WAYS = (
    Way(knowledge=True, random_start=False, attempts=10),
    Way(knowledge=True, random_start=False, attempts=40),
    Way(knowledge=True, random_start=True, attempts=40),
    Way(knowledge=False, random_start=False, attempts=40),
    Way(knowledge=False, random_start=True, attempts=60),
)
BY_LOT = WAYS[1]  # in which several are embedded at once
# Where small rings meet, atoms lie outside their neighbours, and RDKit's checks throw away what is right: 37 of 1,000
# molecules of GEOM-QM9 ended in nothing. Tried last, at once where they throw away nearly all, and looked at by ours.
UNCHECKED = (
    Way(knowledge=True, random_start=False, attempts=40, checked=False),
    Way(knowledge=False, random_start=True, attempts=120, checked=False),
)
CHECKS = (
    rdDistGeom.EmbedFailureCauses.CHECK_TETRAHEDRAL_CENTERS,
    rdDistGeom.EmbedFailureCauses.CHECK_CHIRAL_CENTERS2,
    rdDistGeom.EmbedFailureCauses.FINAL_CHIRAL_BOUNDS,
    rdDistGeom.EmbedFailureCauses.FINAL_CENTER_IN_VOLUME,
)
REJECTED = 0.9  # share of a way's attempts


def embed(
    mol: Chem.Mol,
    seeds: Sequence[int],
    timeout_s: float | None = None,
    deadline: float | None = None,
    core: Core | None = None,
) -> list[np.ndarray | None]:
    """Positions of all atoms, (N, 3) angstrom, for every seed; None where the embedding did not succeed.

    mol:   one connected molecule with explicit hydrogens.
    seeds: one per conformer, so that each depends on its own seed. Zero gives every conformer the same
           coordinates in RDKit, so seeds are moved into 1..2^31-2 (the modulus of its
           generator is 2^31-1, which acts as 0).
    timeout_s: for each of them, all ways together; by default as TIMEOUT_S has it.
    deadline: `time.monotonic()` after which none is made.
    core: atoms whose distances are to be as in it; see `embed_core`.
    If the first GIVE_UP seeds fail, in every way of WAYS, the others are None too: the only way in which one depends
    on others of the same call. What a time limit ends depends on the machine as well.
    """
    limit_s = TIMEOUT_S * max(1.0, mol.GetNumAtoms() / LARGE) ** 2 if timeout_s is None else timeout_s
    results: list[np.ndarray | None] = []
    copy = Chem.Mol(mol)
    largest = max(LOT, int(LARGEST_LOT * min(1.0, SMALL / mol.GetNumAtoms()) ** 2))
    size, failed_lots = 1, 0
    with rdBase.BlockLogs():
        shaped = centres(mol)
        parameters = _parameters(core, bounds(mol, shaped) if shaped else None)
        while len(results) < len(seeds):
            if deadline is not None and time.monotonic() > deadline:
                return results + [None] * (len(seeds) - len(results))
            lot = seeds[len(results) :][:size]
            found = _embed_lot(copy, lot, parameters, _until(limit_s, deadline)) if size > 1 else []
            if found:
                size = min(2 * size, largest)
            elif len(results) >= GIVE_UP and all(pos is None for pos in results):
                found = [None] * len(lot)
            else:
                failed_lots += len(lot) > 1
                one_by_one = [_embed_one(copy, seed, parameters, _until(limit_s, deadline)) for seed in lot]
                found = [pos for pos, _ in one_by_one]
                usual = one_by_one[-1][1] in (WAYS[0], BY_LOT)
                size = LOT if usual and failed_lots < FAILED_LOTS else 1
            results += found if not shaped or core is not None else [_shaped(mol, pos) for pos in found]
    return results


def _until(limit_s: float, deadline: float | None) -> float:
    end = time.monotonic() + limit_s
    return end if deadline is None else min(end, deadline)


def _shaped(mol: Chem.Mol, pos: np.ndarray | None) -> np.ndarray | None:
    return None if pos is None else mended(mol, pos[None])[0]


def _successive(seeds: Sequence[int]) -> bool:
    """Whether there are several seeds, and they are successive ones for RDKit too."""
    known = [seed % MAX_SEED for seed in seeds]
    return len(known) > 1 and known == list(range(known[0], known[0] + len(known)))


def _embed_lot(
    mol: Chem.Mol, seeds: Sequence[int], parameters: rdDistGeom.EmbedParameters, until: float
) -> list[np.ndarray | None]:
    """Positions for several successive seeds, by the threads of this process; empty if not all succeed.

    They are the same as one at a time, but for seeds at which others are tried when BY_LOT still succeeds. What RDKit
    prepares for a molecule it then prepares once, which is a tenth to a third of the time.
    """
    parameters.randomSeed = seeds[0] % MAX_SEED  # type: ignore[assignment]
    if not _successive(seeds) or not _take(parameters, BY_LOT, until):
        return []
    try:
        found = rdDistGeom.EmbedMultipleConfs(mol, len(seeds), parameters)
    except (ValueError, RuntimeError):
        return []
    if len(found) < len(seeds):  # and which they are is not told
        return []
    return [np.array(mol.GetConformer(number).GetPositions()) for number in found]


def _embed_one(
    mol: Chem.Mol, seed: int, parameters: rdDistGeom.EmbedParameters, until: float
) -> tuple[np.ndarray | None, Way | None]:
    """Positions by the first way that succeeds before `until`, and that way; ways that share what hindered one are
    passed over."""
    parameters.randomSeed = seed % MAX_SEED  # type: ignore[assignment]
    strained = scatter = rejected = False
    for way in (*WAYS, *UNCHECKED):
        if rejected and way.checked:
            continue
        if (strained and way.knowledge) or (scatter and not way.random_start):
            continue
        if not _take(parameters, way, until):
            break
        try:
            found = rdDistGeom.EmbedMolecule(mol, parameters)
        except (ValueError, RuntimeError):  # bounds that contradict each other
            continue
        if found >= 0:
            pos = np.array(mol.GetConformer(found).GetPositions())
            if way.checked or not (mismatches_at(mol, pos[None])[0] or centre_flattened(mol, pos[None])[0]):
                return pos, way
        strained = _share(parameters, rdDistGeom.EmbedFailureCauses.ETK_MINIMIZATION, way) >= STRAINED
        lost = _share(parameters, rdDistGeom.EmbedFailureCauses.INITIAL_COORDS, way) == 1
        scatter = lost and mol.GetNumAtoms() >= LARGE
        rejected |= sum(_share(parameters, cause, way) for cause in CHECKS) >= REJECTED
    return None, None


def _parameters(core: Core | None, within: np.ndarray | None) -> rdDistGeom.EmbedParameters:
    """Of ETKDGv3, but for the seed and the way.

    within: bounds of distances, (N, N), where RDKit's own will not do.
    """
    parameters = rdDistGeom.ETKDGv3()
    parameters.trackFailures = True  # type: ignore[assignment]
    parameters.numThreads = thread_count()  # type: ignore[assignment] # they change no result
    parameters.enableSequentialRandomSeeds = True  # type: ignore[assignment] # the first seed is then one more
    if core is not None:
        places = {int(a): Point3D(*p) for a, p in zip(core.atoms, core.positions.tolist(), strict=True)}
        parameters.SetCoordMap(places)  # type: ignore[call-arg, arg-type]
    if within is not None:
        parameters.SetBoundsMat(within)
    return parameters


def _take(parameters: rdDistGeom.EmbedParameters, way: Way, until: float) -> bool:
    """Sets the parameters of a way; False if there is no time left for it."""
    left_s = until - time.monotonic()
    if left_s <= 0:
        return False
    parameters.timeout = math.ceil(left_s)  # type: ignore[assignment] # whole seconds; 0 would be no limit
    parameters.useBasicKnowledge = way.knowledge  # type: ignore[assignment]
    parameters.useRandomCoords = way.random_start  # type: ignore[assignment]
    parameters.maxIterations = way.attempts  # type: ignore[assignment]
    parameters.enforceChirality = way.checked  # type: ignore[assignment]
    return True


def embed_core(
    mol: Chem.Mol, seeds: Sequence[int], core: Core, deadline: float | None = None
) -> list[np.ndarray | None]:
    """`embed` with the core near its template and superposed on it; None where the embedding did not succeed.

    Distance geometry is given the core's distances. These do not tell it from its mirror image, so a molecule without
    stereochemistry is reflected if that fits better, and others are tried again. Where the core's distances cannot be
    met at all, the embedding is free, and the core as far off as it may be. It gives up as `embed` does.
    """
    reflectable = not elements(mol).names
    results: list[np.ndarray | None] = []
    for seed, found in zip(seeds, embed(mol, seeds, deadline=deadline, core=core), strict=True):
        if len(results) >= GIVE_UP and all(pos is None for pos in results):
            return results + [None] * (len(seeds) - len(results))
        best: np.ndarray | None = None
        for attempt in range(CORE_TRIES):
            if attempt:
                [found] = embed(mol, [(seed + CORE_STRIDE * attempt) % 2**63], deadline=deadline, core=core)
            if found is None:
                continue
            images = np.stack([found, -found] if reflectable else [found])
            images = superposed(core, images if best is None else np.concatenate((images, best[None])))
            off = deviation(core, images)
            best = images[off.argmin()]
            if off.min() < CORE_NEAR:
                break
        if best is None:
            [free] = embed(mol, [seed], deadline=deadline)
            best = None if free is None else superposed(core, free[None])[0]
        results.append(best)
    return results


def _share(parameters: rdDistGeom.EmbedParameters, cause: rdDistGeom.EmbedFailureCauses, way: Way) -> float:
    """Share of the attempts of a way that failed by that cause, 0 if it made none."""
    counts = parameters.GetFailureCounts()
    return counts[int(cause)] / way.attempts if counts else 0.0
