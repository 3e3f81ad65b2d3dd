"""Coordinates from RDKit's distance geometry (ETKDGv3): a start for the sampler, and the last resort after it.

Source: Wang et al., J. Chem. Inf. Model. 2020, 60, 2044.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom
from rdkit.Geometry import Point3D

from confgen.scaffold import Core, deviation, superposed
from confgen.stereo import elements

MAX_SEED = 2**31 - 2
TIMEOUT_S = 60
CORE_TRIES = 3  # embeddings of a core, of which the best is taken where none is
CORE_NEAR = 0.5  # angstrom, RMSD of a core from its template that is near enough to start from
CORE_STRIDE = 0x61C8864680B583EB  # between the seeds of those tries
# RDKit's stubs give every field of EmbedParameters the type of the whole, hence the ignored assignments below.


def embed(
    mol: Chem.Mol,
    seeds: Sequence[int],
    timeout_s: int | None = None,
    deadline: float | None = None,
    core: Core | None = None,
) -> list[np.ndarray | None]:
    """Positions of all atoms, (N, 3) angstrom, for every seed; None where the embedding did not succeed.

    mol:   one connected molecule with explicit hydrogens.
    seeds: one per conformer, so that each depends on its own seed alone. Zero gives every conformer the same
           coordinates in RDKit, so seeds are moved into 1..2^31-2 (the modulus of its
           generator is 2^31-1, which acts as 0).
    timeout_s: for each of them.     deadline: `time.monotonic()` after which no further one is begun.
    core: atoms whose distances are to be as in it; see `embed_core`.
    Random starting coordinates are tried only where the usual ones fail, as they do for large rings and cages: the
    conformers they give are worse (validation AMR-P 1.12 against 1.02 angstrom).
    """
    parameters = rdDistGeom.ETKDGv3()
    parameters.useRandomCoords = False  # type: ignore[assignment]
    parameters.timeout = TIMEOUT_S if timeout_s is None else max(timeout_s, 1)  # type: ignore[assignment]
    if core is not None:
        places = {int(a): Point3D(*p) for a, p in zip(core.atoms, core.positions.tolist(), strict=True)}
        parameters.SetCoordMap(places)  # type: ignore[call-arg, arg-type]
    results: list[np.ndarray | None] = []
    copy = Chem.Mol(mol)
    with rdBase.BlockLogs():
        for seed in seeds:
            if deadline is not None and time.monotonic() > deadline:
                results.append(None)
                continue
            parameters.randomSeed = seed % MAX_SEED + 1  # type: ignore[assignment]
            results.append(_embed_one(copy, parameters))
    return results


def _embed_one(mol: Chem.Mol, parameters: rdDistGeom.EmbedParameters) -> np.ndarray | None:
    for random_start in (False, True):
        parameters.useRandomCoords = random_start  # type: ignore[assignment]
        try:
            found = rdDistGeom.EmbedMolecule(mol, parameters)
        except (ValueError, RuntimeError):  # bounds that contradict each other
            found = -1
        if found >= 0:
            return np.array(mol.GetConformer(found).GetPositions())
    return None


def embed_core(
    mol: Chem.Mol, seeds: Sequence[int], core: Core, deadline: float | None = None
) -> list[np.ndarray | None]:
    """`embed` with the core near its template and superposed on it; None where the embedding did not succeed.

    Distance geometry is given the core's distances. These do not tell it from its mirror image, so a molecule without
    stereochemistry is reflected if that fits better, and others are tried again. Where the core's distances cannot be
    met at all, the embedding is free, and the core as far off as it may be.
    """
    reflectable = not elements(mol).names
    results: list[np.ndarray | None] = []
    for seed in seeds:
        best: np.ndarray | None = None
        for attempt in range(CORE_TRIES):
            own_seed = (seed + CORE_STRIDE * attempt) % 2**63
            [found] = embed(mol, [own_seed], deadline=deadline, core=core)
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
