"""Conformers to start sampling from: RDKit's, of more than are needed those that stand for all, or the molecule's own.

The latter is there if the input had 3D coordinates (see `confgen.molecule`); drawings never are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from confgen.conformers import is_token, label, positions, with_positions
from confgen.distinct import distances
from confgen.embed import embed_core
from confgen.errors import MoleculeError, NoStart
from confgen.fusions import trans_fused
from confgen.joining import LARGE as JOINED
from confgen.joining import embed_large
from confgen.minima import Covering, covering
from confgen.ranges import Range, check_choice, check_numbers
from confgen.scaffold import Core
from confgen.select import k_medoids
from confgen.stereo import elements
from confgen.stereo_tags import stereo_from_3d
from confgen.torsions import TorsionLibrary
from confgen.turning import turned
from confgen.united import embed_united

LARGE = 150  # atoms from which the pool is as many as are asked for: each takes a second, and none stands for others
STARTS = ("harmonic", "etkdg", "mmff94s", "input")
TORSIONS = ("learned", "crystal")
BLOCK = 50  # starts that are chosen together: the RMSD matrix of a pool grows with the square of it
RANGES = {
    "sigma": Range("sigma", lambda value: 0 < value < math.inf, "one above 0, and finite"),
    "noise": Range("noise", lambda value: 0 <= value < math.inf, "0 or more, and finite"),
    "pool": Range(
        "pool", lambda value: value >= 1, "1 or more RDKit conformers for each start, a whole number", whole=True
    ),
    "rounds": Range("rounds", lambda value: value >= 1, "a whole number, at least 1", whole=True),
}


@dataclass(frozen=True)
class StartSettings:
    """Where sampling starts: `harmonic`, noise of the prior; `etkdg`, RDKit's coordinates taken to be at level `sigma`;
    `mmff94s`, the same with these relaxed by MMFF94s; `input`, with the molecule's own.

    noise: share of the noise of that level that is really added to the coordinates. With 1 the sampler draws from
           what the network has learned about molecules like the one noised; with less, at a lower temperature: it
           moves the coordinates to where the network finds them likely, as a force field would move them downhill.
    pool:  RDKit conformers made for each that is started from; taken are those that stand for all of them best.
    rounds: how often the sampler is run, each time from what the last one gave, which goes further the same way. If
           that is by a single step each, one more at a low level, SETTLING, follows.
    torsions: for `mmff94s`: "learned", as frequent as in the library of torsions that came with the weights, where
           there is one; or "crystal", as RDKit makes them, by what crystals show.
    Raises CannotStart for another start, a sigma that is not positive, a negative share, an empty pool, no round, and
    other torsions.
    """

    start: str = "harmonic"
    sigma: float = 0.5
    noise: float = 1.0
    pool: int = 1
    rounds: int = 1
    torsions: str = "learned"

    def __post_init__(self) -> None:
        check_choice("start", self.start, STARTS)
        check_numbers(self, RANGES)
        check_choice("torsions", self.torsions, TORSIONS)


def starts_of(
    mol: Chem.Mol,
    seeds: Sequence[int],
    start: StartSettings,
    deadline: float | None = None,
    core: Core | None = None,
    *,
    dielectric: float | None = None,
    library: TorsionLibrary | None = None,
    reserve: list[Covering] | None = None,
) -> list[np.ndarray | None]:
    """Positions (N, 3) angstrom of all atoms that each conformer starts from, one per seed; None for the prior.

    So starts what RDKit finds no coordinates for among others that it does. Takes what `representative_starts` does.
    Raises NoStart if it finds them for none, and MoleculeError if there was no time to, or if the molecule is to start
    from its own coordinates and has none.
    """
    if start.start == "input":
        return [own_positions(mol)] * len(seeds)
    if start.start == "harmonic" or is_token(mol).sum() == 1:
        return [None] * len(seeds)
    found = representative_starts(
        mol, seeds, start.pool, deadline, core,
        relaxed=start.start == "mmff94s", dielectric=dielectric, reserve=reserve,
        library=library if start.torsions == "learned" else None,
    )  # fmt: skip
    if all(pos is None for pos in found):
        _refuse_without_start(mol, deadline)
    return found


def _refuse_without_start(mol: Chem.Mol, deadline: float | None) -> None:
    """NoStart, or MoleculeError if there was no time to find one."""
    if deadline is not None and time.monotonic() > deadline:
        raise MoleculeError(
            f"{label(mol)}: took longer than --timeout before RDKit's distance geometry found coordinates; "
            "raise it, or check the stereochemistry"
        )
    raise NoStart(f"{label(mol)}: {no_coordinates(mol)}; check it, or leave it out")


def representative_starts(
    mol: Chem.Mol,
    seeds: Sequence[int],
    pool: int,
    deadline: float | None = None,
    core: Core | None = None,
    *,
    relaxed: bool = False,
    dielectric: float | None = None,
    library: TorsionLibrary | None = None,
    reserve: list[Covering] | None = None,
) -> list[np.ndarray | None]:
    """Positions (N, 3) angstrom of all atoms for every seed, the k medoids of `pool` times as many of RDKit's.

    They follow from the molecule, all seeds together, and the pool. None where too few could be embedded. Of large
    molecules the pool is as many as there are seeds.
    deadline: `time.monotonic()` after which no more are made.
    core: atoms to be near given coordinates, see `embed_core`.
    relaxed: by MMFF94s (UFF where it lacks parameters), and of those in the same minimum only the lowest counts. If the
             minima do not suffice, those in water follow, and if these do not, all come several times.
    dielectric: constant of the surroundings for MMFF94s, None for vacuum; instead of those in water, those in vacuum
             follow.
    library: torsions that RDKit's conformers are turned to before they are relaxed, see `turning`.
    reserve: relaxed conformers of earlier calls, of which those that are left come first; those of this call are added.

    Why: the conformers of a pool lie close together where distance geometry happens to end up often. Of 24 molecules
    of the validation set, the starts that stand for a pool of three times as many gave COV-R 51.5% against 42.1% of as
    many drawn at random, at the same precision. Relaxed, on 19 others: 63.9% against 60.4%, COV-P 52.3% against 47.1%.
    """
    if pool == 1 and not relaxed:
        return embedded(mol, seeds, deadline, core, relaxed=relaxed)
    pool = 1 if mol.GetNumAtoms() >= LARGE else pool
    reserve = [] if reserve is None else reserve
    starts: list[np.ndarray | None] = [*_left(reserve, len(seeds))]
    for first in range(len(starts), len(seeds), BLOCK):
        if starts and all(pos is None for pos in starts):
            return [None] * len(seeds)
        block = seeds[first : first + BLOCK]
        known = _candidates(mol, block[0], len(block), pool, deadline, core, relaxed)
        if relaxed and library is not None:
            known = turned(mol, known, library, block[0], core)
        minima = None
        if relaxed and len(known):
            taken = np.concatenate([known[:0], *(part.taken for part in reserve)])
            minima = covering(mol, known, len(block), deadline, core, dielectric, taken)
        if minima is None:
            chosen = _medoids(mol, known, len(block))
        else:
            reserve.append(minima)
            chosen = minima.take(len(block))
            chosen = chosen[np.arange(len(block)) % len(chosen)]
        starts += [*chosen, *[None] * (len(block) - len(chosen))]
    return starts


def _left(reserve: Sequence[Covering], count: int) -> list[np.ndarray]:
    """At most `count` positions (N, 3) that are left in the reserve, of each part of it about as many."""
    found: list[np.ndarray] = []
    for number, part in enumerate(reserve):
        found += [*part.take(-(-(count - len(found)) // (len(reserve) - number)))]
    return found


def _candidates(
    mol: Chem.Mol, seed: int, count: int, pool: int, deadline: float | None, core: Core | None, relaxed: bool
) -> np.ndarray:
    """Positions (K, N, 3), K at most `pool` times `count`, from successive seeds, which are embedded sooner.

    More than `count` are made in half of the time that is left only: the rest is to be relaxed and sampled from.
    """
    most = pool * count
    if deadline is None:
        found = embedded(mol, range(seed, seed + most), deadline, core, relaxed=relaxed)
    else:
        found = embedded(mol, range(seed, seed + count), deadline, core, relaxed=relaxed)
        if most > count and any(pos is not None for pos in found):
            now = time.monotonic()
            half = now + (deadline - now) / 2
            found += embedded(mol, range(seed + count, seed + most), half, core, relaxed=relaxed)
    known = np.array([pos for pos in found if pos is not None]).reshape(-1, mol.GetNumAtoms(), 3)
    trans = trans_fused(mol, known)
    return known[~trans] if relaxed and not trans.all() else known


def _medoids(mol: Chem.Mol, pos: np.ndarray, count: int) -> np.ndarray:
    """Those of the positions (K, N, 3) that stand for all of them best, at most `count`."""
    if len(pos) <= count:
        return pos
    return pos[k_medoids(distances(with_positions(mol, pos)), count)]


def embedded(
    mol: Chem.Mol, seeds: Sequence[int], deadline: float | None, core: Core | None = None, *, relaxed: bool
) -> list[np.ndarray | None]:
    """RDKit's positions (N, 3) angstrom of all atoms for every seed, before anything is done to them; None for none.

    Takes what `representative_starts` does.
    """
    if core is not None:
        return embed_core(mol, seeds, core, deadline)
    if relaxed and mol.GetNumAtoms() < JOINED:  # hydrogens may clash before that
        return embed_united(mol, seeds, deadline)
    return embed_large(mol, seeds, deadline)


def no_coordinates(mol: Chem.Mol) -> str:
    """The reason why there is none of a molecule's starts, for messages."""
    stereo = " with this stereochemistry" if elements(mol).names else ""
    return f"RDKit's distance geometry found no coordinates{stereo}"


def with_input_stereo(mol: Chem.Mol) -> Chem.Mol:
    """A copy whose only conformer is the first that the molecule has, and whose stereochemistry is read off it.

    Raises MoleculeError if it has none with three dimensions.
    """
    copy = with_positions(mol, own_positions(mol)[None])
    stereo_from_3d(copy)
    return copy


def own_positions(mol: Chem.Mol) -> np.ndarray:
    """The molecule's own coordinates, those of its first conformer, (N, 3). Raises MoleculeError if it has none."""
    if mol.GetNumConformers() == 0 or not next(iter(mol.GetConformers())).Is3D():
        raise MoleculeError(f"{label(mol)}: has no 3D coordinates to start from; give it as SDF or MOL2 with them")
    return np.asarray(positions(mol)[0])
