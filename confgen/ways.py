"""The ways in which RDKit's distance geometry is tried with one seed, until one gives coordinates."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.Geometry import Point3D

from confgen.cores import thread_count
from confgen.scaffold import Core
from confgen.shapes import centre_flattened
from confgen.stereo import FLAT, elements, mismatches_at, scores, where_small_rings_meet

MAX_SEED = 2**31 - 2
STRIDE = 0x61C8864680B583EB  # between seeds of further tries
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
# Where small rings meet, atoms lie outside their neighbours, and RDKit's checks throw away what is right: 37 of 1,000
# molecules of GEOM-QM9 ended in nothing. Tried last, at once where they throw away nearly all, and looked at by ours.
UNCHECKED = (
    Way(knowledge=True, random_start=False, attempts=40, checked=False),
    Way(knowledge=False, random_start=True, attempts=120, checked=False),
)
DRAWS = 5  # from each of these ways, of which the first that is right is taken
CHECKS = (
    rdDistGeom.EmbedFailureCauses.CHECK_TETRAHEDRAL_CENTERS,
    rdDistGeom.EmbedFailureCauses.CHECK_CHIRAL_CENTERS2,
    rdDistGeom.EmbedFailureCauses.FINAL_CHIRAL_BOUNDS,
    rdDistGeom.EmbedFailureCauses.FINAL_CENTER_IN_VOLUME,
)
REJECTED = 0.9  # share of a way's attempts


def embed_one(
    mol: Chem.Mol,
    seed: int,
    parameters: rdDistGeom.EmbedParameters,
    until: float,
    plain: bool,
    ways: Sequence[Way] = WAYS,
    last_resorts: bool = True,
) -> tuple[np.ndarray | None, Way | None]:
    """Positions by the first way that succeeds before `until`, and that way; ways that share what hindered one are
    passed over.

    plain: whether the parameters have neither a core nor bounds of ours.
    ways:  that are tried.     last_resorts: and after these, without checks of RDKit, UNCHECKED.
    """
    parameters.randomSeed = seed % MAX_SEED  # type: ignore[assignment]
    strained = scatter = rejected = False
    for way in ways:
        if rejected:
            break
        if (strained and way.knowledge) or (scatter and not way.random_start):
            continue
        if not take_way(parameters, way, until):
            return None, None
        try:
            found = rdDistGeom.EmbedMolecule(mol, parameters)
        except (ValueError, RuntimeError):  # bounds that contradict each other
            continue
        if found >= 0:
            return np.array(mol.GetConformer(found).GetPositions()), way
        strained = _share(parameters, rdDistGeom.EmbedFailureCauses.ETK_MINIMIZATION, way) >= STRAINED
        lost = _share(parameters, rdDistGeom.EmbedFailureCauses.INITIAL_COORDS, way) == 1
        scatter = lost and mol.GetNumAtoms() >= LARGE
        rejected = sum(_share(parameters, cause, way) for cause in CHECKS) >= REJECTED
    if not last_resorts:
        return None, None
    loose = _unchecked(mol, seed, parameters, until)
    return _as_silicon(mol, seed, until) if plain and loose[0] is None else loose


def _unchecked(
    mol: Chem.Mol, seed: int, parameters: rdDistGeom.EmbedParameters, until: float, as_silicon: Chem.Mol | None = None
) -> tuple[np.ndarray | None, Way | None]:
    """Positions that RDKit has not checked, and ours find right, and the way that led to them.

    as_silicon: what is embedded in the place of `mol`.
    If none is right, the first that is but for centres where small rings meet: a force field may still turn these.
    """
    nearly: tuple[np.ndarray | None, Way | None] = (None, None)
    wanted, own = elements(mol), mol if as_silicon is None else as_silicon
    for way in UNCHECKED:
        for draw in range(DRAWS):
            if not take_way(parameters, way, until):
                return nearly
            parameters.randomSeed = (seed + draw * STRIDE) % MAX_SEED  # type: ignore[assignment]
            try:
                found = rdDistGeom.EmbedMolecule(own, parameters)
            except (ValueError, RuntimeError):
                return nearly
            if found < 0:
                break
            pos = np.array(own.GetConformer(found).GetPositions())
            if centre_flattened(mol, pos[None])[0]:
                continue
            if not mismatches_at(mol, pos[None])[0]:
                return pos, way
            wrong = scores(wanted, pos[None])[0] < FLAT
            if nearly[0] is None and not wrong[~wanted.unsure()].any():
                nearly = pos, way
    return nearly


def _as_silicon(mol: Chem.Mol, seed: int, until: float) -> tuple[np.ndarray | None, Way | None]:
    """As `_unchecked`, with carbons where small rings meet taken for silicon by RDKit; None if there are none.

    Whatever else is left out, RDKit asks whether carbons lie amid their neighbours. Those of some propellanes never do.
    """
    carbons = [mol.GetAtomWithIdx(int(a)) for a in where_small_rings_meet(mol)]
    carbons = [atom for atom in carbons if atom.GetAtomicNum() == 6 and atom.GetDegree() == 4]
    if not carbons:
        return None, None
    other = Chem.Mol(mol)
    for atom in carbons:
        other.GetAtomWithIdx(atom.GetIdx()).SetAtomicNum(14)
    try:
        Chem.SanitizeMol(other)
        parameters = embed_parameters(None, rdDistGeom.GetMoleculeBoundsMatrix(mol))
    except (ValueError, RuntimeError):  # as above
        return None, None
    parameters.useExpTorsionAnglePrefs = False  # type: ignore[assignment] # they are of carbon
    return _unchecked(mol, seed, parameters, until, other)


def embed_parameters(core: Core | None, within: np.ndarray | None) -> rdDistGeom.EmbedParameters:
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


def take_way(parameters: rdDistGeom.EmbedParameters, way: Way, until: float) -> bool:
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


def _share(parameters: rdDistGeom.EmbedParameters, cause: rdDistGeom.EmbedFailureCauses, way: Way) -> float:
    """Share of the attempts of a way that failed by that cause, 0 if it made none."""
    counts = parameters.GetFailureCounts()
    return counts[int(cause)] / way.attempts if counts else 0.0
