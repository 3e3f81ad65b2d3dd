"""From a molecule to a finished ensemble: the whole line, once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from confgen import checkpoint
from confgen.boltzmann import boltzmann_weights
from confgen.checkpoint import Weights
from confgen.complaints import short
from confgen.conformers import label, origin_of, positions, reduced, title_of, with_positions
from confgen.device import choose_device
from confgen.errors import CannotStart, MoleculeError
from confgen.flexibility import num_confs_auto
from confgen.isomers import by_policy
from confgen.molecule import prepared
from confgen.options import settings_for, with_options
from confgen.rounds import Account, Task, make
from confgen.settings import GenerateSettings
from confgen.starts import with_input_stereo
from confgen.stereo import mismatches_at
from confgen.template import core_notes, match_isomers


@dataclass(frozen=True)
class Ensemble:
    """Conformers of one molecule, or why there are none.

    mol:      with all hydrogens and K conformers, ids 0..K-1; None only if the molecule could not be read.
    asked:    how many conformers were asked for.
    checks:   names of the failed checks of each conformer, [] for a valid one.
    sources:  "network", or "etkdg" for a conformer that RDKit had to supply after the last attempt.
    energies: kcal/mol, by `energy_method`, nan where there is none; None without relaxation or choice by energy.
    relaxations: "converged", "not converged", "refused: " with the checks that would have failed, or "failed".
    boltzmann_weights: of these conformers among each other.
    error:    why there are no conformers.    notes: lines a user should see (fewer conformers than asked, ...).
    stages:   seconds spent on sampling, relaxation and selection; `seconds` is the time of all.
    """

    mol: Chem.Mol | None
    name: str
    origin: str
    seed: int
    weights: str
    asked: int = 0
    checks: list[list[str]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    energies: list[float] | None = None
    energy_method: str = ""
    relaxations: list[str] = field(default_factory=list)
    boltzmann_weights: list[float] | None = None
    error: MoleculeError | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)


class Generator:
    """A trained denoiser with default settings; make one with `load`.

    A process that is forked from one that has generated may hang, for torch's OpenMP threads are not forked along:
    start processes with multiprocessing's "spawn", and load a generator in each.
    Raises CannotStart for what are no weights or no settings.
    """

    def __init__(self, weights: Weights, settings: GenerateSettings | None = None) -> None:
        if not isinstance(weights, Weights):
            raise CannotStart(f"weights are {short(repr(weights))}; make a generator with confgen.load")
        if not isinstance(settings, GenerateSettings | None):
            raise CannotStart(f"settings are {short(repr(settings))}; give GenerateSettings, or leave them out")
        self.weights = weights
        self.settings = settings if settings is not None else settings_for(weights.sampling, None, {})

    def generate(self, mol: Chem.Mol, **changes: Any) -> Ensemble:
        """The ensemble of one molecule, an RDKit molecule as from `read_molecule`; hydrogens that it lacks are added.

        changes: options for this call, by the names in `options.OPTIONS`: those of the command line, with `_` for `-`.
        Raises MoleculeError if the molecule cannot be done, or if stereo="enumerate" finds several stereoisomers (use
        `generate_many`), and CannotStart for options that do not exist or make no sense.
        """
        ensembles = list(self.generate_many([mol], **changes))
        if len(ensembles) > 1:
            raise MoleculeError(f"{label(mol)}: has {len(ensembles)} stereoisomers; use generate_many to get them all")
        if ensembles[0].error is not None:
            raise ensembles[0].error
        return ensembles[0]

    def generate_many(self, mols: Iterable[Chem.Mol], **changes: Any) -> Iterator[Ensemble]:
        """Ensembles in the order of the molecules; one that fails is an Ensemble with `error`, and the rest go on.

        mols: taken one by one, as their ensembles are asked for.     changes: as for `generate`.
        Raises CannotStart, at once, for options that do not exist or make no sense.
        """
        return self._made(mols, with_options(self.settings, changes))

    def _made(self, mols: Iterable[Chem.Mol], settings: GenerateSettings) -> Iterator[Ensemble]:
        for number, mol in enumerate(mols, start=1):
            try:
                ready = prepared(mol, f"molecule {number}")
            except MoleculeError as error:
                yield Ensemble(None, "", f"molecule {number}", settings.seed, self.weights.name, error=error)
                continue
            yield from ensembles_of(ready, self.weights, settings)


def load(
    weights: str | Path = checkpoint.DEFAULT, device: str | torch.device = "auto", preset: str | None = None
) -> Generator:
    """A generator with the weights of that name or folder, on the device ("auto", "cpu", "cuda" or "cuda:1").

    preset: a name of `options.PRESETS`. Raises WeightsError, DeviceError, and CannotStart for another preset.
    """
    loaded = checkpoint.load(weights, choose_device(device))
    return Generator(loaded, settings_for(loaded.sampling, preset, {}))


def ensembles_of(mol: Chem.Mol, weights: Weights, settings: GenerateSettings) -> list[Ensemble]:
    """The ensembles of one molecule: one, or one per stereoisomer with stereo="enumerate"."""
    began = time.monotonic()
    blank = Ensemble(mol=mol, name=title_of(mol), origin=origin_of(mol), seed=settings.seed, weights=weights.name)
    try:
        if settings.start.start == "input":
            mol = with_input_stereo(mol)
            blank = replace(blank, mol=mol)
        isomers, open_at, notes = by_policy(mol, settings.stereo, label(mol))
        if settings.stereo != "enumerate":
            made = _generate(blank, isomers, weights, settings)
            spread = [f"{label(mol)}: {open_at}; {_spread(isomers, made.mol)}"] * (len(isomers) > 1)
            return [replace(made, notes=spread + made.notes, seconds=time.monotonic() - began)]
        made_all = [_attempt(replace(blank, mol=isomer), weights, settings) for isomer in isomers]
        each = (time.monotonic() - began) / len(isomers)
        first = next((number for number, made in enumerate(made_all) if made.error is None), 0)  # whose notes are told
        made_all[first] = replace(made_all[first], notes=notes + made_all[first].notes)
        return [replace(made, seconds=each) for made in made_all]
    except MoleculeError as error:
        return [replace(blank, error=error, seconds=time.monotonic() - began)]


def _attempt(blank: Ensemble, weights: Weights, settings: GenerateSettings) -> Ensemble:
    """The ensemble of one isomer, or its error: it must not take the others with it."""
    assert blank.mol is not None
    try:
        return _generate(blank, [blank.mol], weights, settings)
    except MoleculeError as error:
        return replace(blank, error=error)


def _spread(isomers: Sequence[Chem.Mol], made: Chem.Mol | None) -> str:
    """How many of the isomers the conformers are of: a template, or a small number of them, leaves some out."""
    assert made is not None
    pos = positions(made)
    shown = sum(any(not wrong for wrong in mismatches_at(isomer, pos)) for isomer in isomers)
    few = f"of {shown} of {len(isomers)} isomers"
    return "conformers are " + (few if shown < len(isomers) else f"spread over {shown} isomers")


def _generate(blank: Ensemble, isomers: Sequence[Chem.Mol], weights: Weights, settings: GenerateSettings) -> Ensemble:
    """The blank with conformers of its molecule, and a note if they are fewer than asked for."""
    mol = blank.mol
    assert mol is not None
    count = settings.num_confs if isinstance(settings.num_confs, int) else num_confs_auto(mol)
    isomers, cores = (isomers, []) if settings.template is None else match_isomers(isomers, settings.template)
    ready, account = make(Task(mol, isomers, cores, weights, settings), count)
    if not len(ready.pos):
        reasons = ", ".join(sorted(account.reasons))
        ended = ", and --timeout ended the search" if account.out_of_time else ""
        raise MoleculeError(
            f"{label(mol)}: no valid conformer in {account.made} ({reasons} failed){ended}; --keep-invalid writes them"
        )
    energies = np.array(ready.energies_kcal_mol)
    known = bool(np.isfinite(energies).any())
    return replace(
        blank,
        mol=with_positions(mol, ready.pos),
        asked=count,
        checks=ready.checks,
        sources=ready.sources,
        energies=energies.tolist() if known else None,
        energy_method=", ".join(sorted(ready.methods)) if known else "",
        relaxations=ready.relaxations if settings.relax != "none" else [],
        boltzmann_weights=boltzmann_weights(energies, settings.temperature_k).tolist() if known else None,
        notes=[
            *core_notes(mol, [core for own in cores for core in own]),
            *ready.notes,
            *_fewer(mol, count, len(ready.pos), account, settings),
        ],
        stages=ready.seconds,
    )


def _fewer(mol: Chem.Mol, asked: int, found: int, account: Account, settings: GenerateSettings) -> list[str]:
    """A line that says why there are fewer conformers than asked for, if there are."""
    if found >= asked:
        return []
    why = []
    if account.choice.duplicates:
        why.append(f"{account.choice.duplicates} more lie within {settings.rms:g} A of these (--rms)")
    if account.choice.beyond_window:
        why.append(f"{account.choice.beyond_window} lie more than {settings.ewindow:g} kcal/mol above the lowest")
    if account.invalid:
        why.append(f"{account.invalid} failed {', '.join(sorted(account.reasons))}")
    if account.out_of_time:
        why.append("--timeout ended the search")
    return [f"{label(mol)}: {found} of {asked} conformers; {', '.join(why)}"]
