"""Reference ensembles, as GEOM has them: conformers of ETKDG, brought to the minima of a force field or of GFN-xTB.

What GEOM does by metadynamics (CREST), a pool of distance geometry does here: cheaper and, for long chains that fold,
less complete. Departures from CREST besides: two conformers are the same if their heavy atoms are (CREST looks at
hydrogens too), and a mirror image is a conformer of its own (to CREST a rotamer, not listed), for the heavy-atom RMSD
without reflection by which ensembles are judged tells the two apart.

Sources: Axelrod and Gomez-Bombarelli, Sci. Data 2022, 9, 185 (GEOM); Pracht, Bohle and Grimme, Phys. Chem. Chem. Phys.
2020, 22, 7169 (CREST), whose energy window of 6 kcal/mol, RMSD of 0.125 angstrom and 0.05 kcal/mol are taken over. At
room temperature a conformer 6 kcal/mol up has 4e-5 of the weight of the lowest.

Cost of drug-like molecules of 24 to 61 atoms with a pool of 20, CPU seconds for one: GFN-FF 4.0, without preparation
6.3 (10 molecules); GFN2-xTB 37 (5 of them). Of the 20, 12 are distinct and in the window.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.boltzmann import ROOM_TEMPERATURE_K, boltzmann_weights
from confgen.conformers import fragments, label, origin_of, title_of, with_positions
from confgen.distinct import distinct
from confgen.embed import embed
from confgen.errors import CannotStart, MoleculeError, NoStart
from confgen.flexibility import num_confs_auto
from confgen.isomers import STEREO_POLICIES, by_policy
from confgen.relax import CONVERGED, REFUSED, Relaxed, check_method, relax
from confgen.rows import Known
from confgen.select import choose
from confgen.starts import no_coordinates

THEORY = {"mmff94s": "MMFF94s", "uff": "UFF", "gfnff": "GFN-FF", "gfn1": "GFN1-xTB", "gfn2": "GFN2-xTB"}
METHODS = ("gfn2", "gfn1", "gfnff", "mmff94s")
LIBRARIES = {"mmff94s": "rdkit", "gfnff": "gfnff", "gfn1": "tblite", "gfn2": "tblite"}
FIRST = "mmff94s"  # the field of the preparatory relaxation
SMALLEST_POOL = 20  # of --pool auto: rings pucker and nitrogens turn over where nothing counts as flexible
MAX_STEPS = 500
SAME_ENERGY_KCAL_MOL = 0.05  # and as close as `rms`: one minimum


@dataclass(frozen=True)
class ReferenceSettings:
    """How reference ensembles are made.

    method:   whose minima the conformers are.
    pool:     ETKDG conformers made of each molecule; "auto": as many as its flexibility calls for
              (`flexibility.num_confs_auto`), but at least SMALLEST_POOL.
    prepare:  relax them by MMFF94s first and go on with one for each minimum.
    rms:      angstrom; of two conformers closer than this (heavy atoms), the lower in energy stays; 0 keeps all.
    ewindow:  kcal/mol above the lowest conformer beyond which one is dropped.
    max_confs: of each molecule, the lowest in energy; None for all.
    stereo:   centres and double bonds left open: "any" makes one of the isomers, by the seed; "enumerate" each;
              "error" refuses the molecule.
    """

    method: str = "gfn2"
    pool: int | Literal["auto"] = "auto"
    prepare: bool = True
    rms: float = 0.125
    ewindow: float = 6.0
    max_confs: int | None = None
    temperature_k: float = ROOM_TEMPERATURE_K
    stereo: str = "any"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CannotStart(f"there are no references by '{self.method}'; choose one of {', '.join(METHODS)}")
        if not (self.pool == "auto" or (isinstance(self.pool, int) and self.pool >= 1)):
            raise CannotStart(f"the pool is {self.pool!r}; give 1 or more conformers, or 'auto'")
        if not self.rms >= 0:
            raise CannotStart(f"rms is {self.rms} A; give 0 or more")
        if not self.ewindow > 0:
            raise CannotStart(f"the energy window is {self.ewindow} kcal/mol; give one above 0")
        if self.max_confs is not None and self.max_confs < 1:
            raise CannotStart(f"max_confs is {self.max_confs}; give at least 1, or leave it out")
        if not 0 < self.temperature_k < math.inf:
            raise CannotStart(f"the temperature is {self.temperature_k} K; give one above 0")
        if self.stereo not in STEREO_POLICIES:
            raise CannotStart(f"stereo is {self.stereo!r}; choose one of {', '.join(STEREO_POLICIES)}")
        check_method(self.method)


def stereoisomers(mol: Mol, settings: ReferenceSettings) -> tuple[list[Mol], list[str]]:
    """The isomers of which ensembles are made, by `settings.stereo`, and what the user should know about them.

    Raises: MoleculeError if it is none that references can be made of.
    """
    parts = len(fragments(mol))
    if parts > 1:
        raise MoleculeError(f"{label(mol)}: has {parts} parts; references are made of one, so take the others away")
    isomers, open_at, notes = by_policy(mol, settings.stereo, label(mol))
    if settings.stereo == "enumerate" or len(isomers) == 1:
        return isomers, notes
    digest = hashlib.sha256(f"{settings.seed}/{Chem.MolToSmiles(mol)}".encode()).digest()
    chosen = isomers[int.from_bytes(digest[:8], "big") % len(isomers)]
    return [chosen], [f"{label(mol)}: {open_at}; one of {len(isomers)} isomers was made"]


def reference(mol: Mol, settings: ReferenceSettings) -> tuple[Known, list[str]]:
    """The reference ensemble of one stereoisomer, lowest in energy first, and notes on conformers that were lost.

    It follows from the molecule and the settings alone. Every conformer has the bonds and the stereochemistry asked
    for, passes every check of `confgen.validity`, and is a minimum to which the relaxation has converged.
    Raises: MoleculeError if there is none.
    """
    pool = _pool(mol, settings)
    if settings.prepare and settings.method != FIRST:
        pool = _prepared(pool, settings.rms)
    relaxed = relax(pool, settings.method, max_steps=MAX_STEPS)
    failed = relaxed.checks
    sound = [k for k, outcome in enumerate(relaxed.outcomes) if outcome == CONVERGED and not failed[k]]
    lost = _lost(relaxed, failed)
    if not sound:
        raise MoleculeError(f"{label(mol)}: {lost}; try another --method, or leave it out")
    minima = with_positions(mol, relaxed.pos[sound])
    energies = relaxed.energies_kcal_mol[sound]
    count = settings.max_confs or len(sound)
    choice = choose(
        minima, count, rms=settings.rms, energies_kcal_mol=energies, ewindow_kcal_mol=settings.ewindow, by="energy"
    )
    kept = energies[choice.kept]
    made = Known(
        mol=with_positions(mol, relaxed.pos[sound][choice.kept]),
        name=title_of(mol),
        origin=origin_of(mol),
        checks=[[] for _ in choice.kept],
        sources=["etkdg"] * len(choice.kept),
        theory=THEORY[relaxed.method],
        energies=kept.tolist(),
        energy_method=relaxed.method,
        relaxations=[CONVERGED] * len(choice.kept),
        boltzmann_weights=boltzmann_weights(kept, settings.temperature_k).tolist(),
        seed=settings.seed,
    )
    instead = f"{THEORY[settings.method]} lacks parameters for it; these are minima of {made.theory}"
    notes = [instead] * (relaxed.method != settings.method) + [lost] * (len(sound) < len(failed))
    return made, [f"{label(mol)}: {note}" for note in notes]


def versions(method: str) -> dict[str, str]:
    """Of the libraries that reference ensembles by that method depend on."""
    return {name: metadata.version(name) for name in sorted({"ase", "rdkit", LIBRARIES[method]})}


def _pool(mol: Mol, settings: ReferenceSettings) -> Mol:
    """The molecule with conformers of ETKDG. Raises NoStart if there are none."""
    count = settings.pool if isinstance(settings.pool, int) else max(SMALLEST_POOL, num_confs_auto(mol))
    seeds = np.random.default_rng(settings.seed).integers(2**62, size=count).tolist()
    found = [pos for pos in embed(mol, seeds) if pos is not None]
    if not found:
        raise NoStart(f"{label(mol)}: {no_coordinates(mol)}; check it, or leave it out")
    return with_positions(mol, np.stack(found))


def _prepared(pool: Mol, rms: float) -> Mol:
    """One conformer for each minimum of MMFF94s in the pool, lowest first, and those that have no minimum there."""
    relaxed = relax(pool, FIRST, max_steps=MAX_STEPS)
    minima = with_positions(pool, relaxed.pos)
    return with_positions(pool, relaxed.pos[different(minima, relaxed.energies_kcal_mol, rms)]) if rms else minima


def different(mol: Mol, energies_kcal_mol: np.ndarray, rms: float) -> list[int]:
    """The conformers, lowest in energy first, without those as high as one before and closer to it than `rms`.

    Unlike `distinct` it keeps what differs in its hydrogens: they decide to which minimum another method goes.
    energies_kcal_mol: (K,); what has none is kept, last.
    """
    order = energies_kcal_mol.argsort(kind="stable")
    apart = np.flatnonzero(~(np.diff(energies_kcal_mol[order]) <= SAME_ENERGY_KCAL_MOL)) + 1
    return [k for alike in np.split(order, apart) for k in distinct(mol, alike.tolist(), rms)]


def _lost(relaxed: Relaxed, failed: Sequence[Sequence[str]]) -> str:
    """How many conformers are not minima of the molecule asked for, and why, in words."""
    why = [
        REFUSED + ", ".join(names) if outcome == CONVERGED else outcome
        for outcome, names in zip(relaxed.outcomes, failed, strict=True)
        if outcome != CONVERGED or names
    ]
    told = "; ".join(f"{count} {reason}" for reason, count in Counter(why).most_common(3))
    return f"{len(why)} of {len(failed)} conformers have no sound minimum of {THEORY[relaxed.method]} ({told})"
