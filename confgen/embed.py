"""Coordinates from RDKit's distance geometry (ETKDGv3): a start for the sampler, and the last resort after it.

Source: Wang et al., J. Chem. Inf. Model. 2020, 60, 2044.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.complaints import quiet
from confgen.hypervalent import bounds, centres, mended
from confgen.scaffold import Core, deviation, superposed
from confgen.stereo import elements
from confgen.ways import LARGE, MAX_SEED, STRIDE, UNCHECKED, WAYS, Way, embed_one, embed_parameters, take_way

TIMEOUT_S = 60  # for a conformer of up to LARGE atoms; beyond, it grows with their square, as the time does
CORE_TRIES = 3  # embeddings of a core, of which the best is taken where none is
CORE_NEAR = 0.5  # angstrom, RMSD of a core from its template that is near enough to start from
GIVE_UP = 2  # seeds that fail before any succeeds, after which the others are not tried: they would fail as slowly
LOT, LARGEST_LOT = 5, 40  # conformers of successive seeds that are embedded at once, at first, and at most
SMALL = 60  # atoms beyond which fewer are, by their square: a lot is not to be waited for long
FAILED_LOTS = 2  # after which that is not tried again
BY_LOT = WAYS[1]  # in which several are embedded at once


def embed(
    mol: Chem.Mol,
    seeds: Sequence[int],
    deadline: float | None = None,
    core: Core | None = None,
    within: np.ndarray | None = None,
    ways: Sequence[Way] = WAYS,
) -> list[np.ndarray | None]:
    """Positions of all atoms, (N, 3) angstrom, for every seed; None where the embedding did not succeed.

    mol:   one connected molecule with explicit hydrogens.
    seeds: one per conformer, so that each depends on its own seed. Zero gives every conformer the same
           coordinates in RDKit, so seeds are moved into 1..2^31-2 (the modulus of its
           generator is 2^31-1, which acts as 0).
    deadline: `time.monotonic()` after which none is made.
    core: atoms whose distances are to be as in it; see `embed_core`.
    within: bounds of distances, (N, N), lower ones below the diagonal, where RDKit's own will not do; for a molecule
            without centres of `hypervalent`.
    ways: that are tried; if these are not all, the last resorts of `ways` are none either.
    One depends on others of the same call in this only: if the first GIVE_UP seeds fail, in every way, the others are
    None too, and if they need the last resorts, so are the others embedded. What a time limit ends depends on the
    machine as well.
    """
    limit_s = TIMEOUT_S * max(1.0, mol.GetNumAtoms() / LARGE) ** 2  # for each, all ways together
    results: list[np.ndarray | None] = []
    met: list[Way | None] = []  # by those embedded one by one
    copy = Chem.Mol(mol)
    largest = max(LOT, int(LARGEST_LOT * min(1.0, SMALL / mol.GetNumAtoms()) ** 2))
    size, failed_lots, last_resorts = 1, 0, ways is WAYS
    with quiet():
        shaped = centres(mol)
        parameters = embed_parameters(core, bounds(mol, shaped) if shaped else within)
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
                plain = core is None and not shaped
                one_by_one = [
                    embed_one(copy, seed, parameters, _until(limit_s, deadline), plain, ways, last_resorts)
                    for seed in lot
                ]
                found = [pos for pos, _ in one_by_one]
                met += [way for _, way in one_by_one]
                if len(met) == GIVE_UP and all(way in UNCHECKED for way in met):  # all others fail, and take their time
                    ways = ()
                usual = met[-1] in (WAYS[0], BY_LOT)
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
    if not _successive(seeds) or not take_way(parameters, BY_LOT, until):
        return []
    try:
        found = rdDistGeom.EmbedMultipleConfs(mol, len(seeds), parameters)
    except (ValueError, RuntimeError):
        return []
    if len(found) < len(seeds):  # and which they are is not told
        return []
    return [np.array(mol.GetConformer(number).GetPositions()) for number in found]


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
                [found] = embed(mol, [(seed + STRIDE * attempt) % 2**63], deadline=deadline, core=core)
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
