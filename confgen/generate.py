"""From a molecule to a finished ensemble: the whole line, once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rdkit import Chem

from confgen import checkpoint
from confgen.checkpoint import Weights
from confgen.device import choose_device
from confgen.drafts import Drafts, repair, sample_wrong
from confgen.errors import MoleculeError
from confgen.isomers import enumerate_stereo, unspecified
from confgen.molecule import label, with_positions
from confgen.settings import GenerateSettings, default_settings


@dataclass(frozen=True)
class Ensemble:
    """Conformers of one molecule, or why there are none.

    mol:      with all hydrogens and K conformers, ids 0..K-1; None only if the molecule could not be read.
    checks:   names of the failed checks of each conformer, [] for a valid one.
    sources:  "network", or "etkdg" for a conformer that RDKit had to supply after the last attempt.
    error:    why there are no conformers.    notes: lines a user should see (fewer conformers than asked, ...).
    """

    mol: Chem.Mol | None
    name: str
    origin: str
    seed: int
    weights: str
    checks: list[list[str]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    energies: list[float] | None = None
    error: MoleculeError | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Generator:
    """A trained denoiser with default settings; make one with `load`."""

    def __init__(self, weights: Weights, settings: GenerateSettings | None = None) -> None:
        self.weights = weights
        self.settings = settings if settings is not None else default_settings(weights.sampling)

    def generate(self, mol: Chem.Mol, **changes: Any) -> Ensemble:
        """The ensemble of one molecule (all hydrogens explicit, as from `read_molecule`).

        changes: fields of GenerateSettings, for this call. Raises MoleculeError if the molecule cannot be done, or if
        stereo="enumerate" finds several stereoisomers (use `generate_many`).
        """
        ensembles = list(self.generate_many([mol], **changes))
        if len(ensembles) > 1:
            raise MoleculeError(f"{label(mol)}: has {len(ensembles)} stereoisomers; use generate_many to get them all")
        if ensembles[0].error is not None:
            raise ensembles[0].error
        return ensembles[0]

    def generate_many(self, mols: Iterable[Chem.Mol], **changes: Any) -> Iterator[Ensemble]:
        """Ensembles in the order of the molecules; one that fails is an Ensemble with `error`, and the rest go on."""
        settings = replace(self.settings, **changes)
        for mol in mols:
            yield from ensembles_of(mol, self.weights, settings)


def load(weights: str = checkpoint.DEFAULT, device: str = "auto") -> Generator:
    """A generator with the weights of that name or folder, on the device ("auto", "cpu", "cuda" or "cuda:1").

    Raises WeightsError and DeviceError.
    """
    return Generator(checkpoint.load(weights, choose_device(device)))


def ensembles_of(mol: Chem.Mol, weights: Weights, settings: GenerateSettings) -> list[Ensemble]:
    """The ensembles of one molecule: one, or one per stereoisomer with stereo="enumerate"."""
    began = time.monotonic()
    blank = Ensemble(mol=mol, name=_name(mol), origin=_origin(mol), seed=settings.seed, weights=weights.name)
    try:
        isomers, notes = _isomers(mol, settings)
        if settings.stereo != "enumerate":
            made = _generate(blank, isomers, weights, settings)
            return [replace(made, notes=notes + made.notes, seconds=time.monotonic() - began)]
        made_all = [_attempt(replace(blank, mol=isomer), weights, settings) for isomer in isomers]
        each = (time.monotonic() - began) / len(isomers)
        return [replace(made, notes=notes + made.notes, seconds=each) for made in made_all]
    except MoleculeError as error:
        return [replace(blank, error=error, seconds=time.monotonic() - began)]


def _attempt(blank: Ensemble, weights: Weights, settings: GenerateSettings) -> Ensemble:
    """The ensemble of one isomer, or its error: it must not take the others with it."""
    assert blank.mol is not None
    try:
        return _generate(blank, [blank.mol], weights, settings)
    except MoleculeError as error:
        return replace(blank, error=error)


def _isomers(mol: Chem.Mol, settings: GenerateSettings) -> tuple[list[Chem.Mol], list[str]]:
    """The stereoisomers that conformers are made of, and what the user should know about them."""
    left_open = unspecified(mol)
    if not left_open:
        return [mol], []
    if settings.stereo == "error":
        raise MoleculeError(
            f"{label(mol)}: stereochemistry is open at {', '.join(left_open)}; "
            "write it out, or pass --stereo any|enumerate"
        )
    isomers = enumerate_stereo(mol)
    if settings.stereo == "enumerate":
        capped = "more exist" in isomers[0].GetProp("stereoisomer") if len(isomers) > 1 else False
        limit = [f"{label(mol)}: has more than {len(isomers)} stereoisomers, of which {len(isomers)} were made"]
        return isomers, limit if capped else []
    open_at = f"{label(mol)}: stereochemistry is open at {', '.join(left_open)}"
    note = f"{open_at}; conformers are spread over {len(isomers)} isomers"
    return isomers, [note] if len(isomers) > 1 else []


def _generate(blank: Ensemble, isomers: Sequence[Chem.Mol], weights: Weights, settings: GenerateSettings) -> Ensemble:
    """The blank with conformers of its molecule: sample, check, sample the wrong ones again, then ETKDG."""
    mol = blank.mol
    assert mol is not None
    count = settings.num_confs
    deadline = None if settings.timeout_s is None else time.monotonic() + settings.timeout_s
    drafts = Drafts(np.zeros((count, mol.GetNumAtoms(), 3)), [["missing"] for _ in range(count)], ["network"] * count)
    for attempt in range(settings.attempts + 1):
        try:
            sample_wrong(drafts, isomers, weights, settings, attempt, deadline)
        except MoleculeError:  # out of time: what earlier attempts made stays
            if all(names == ["missing"] for names in drafts.failed):
                raise
            break
        if settings.keep_invalid or not drafts.wrong():
            break
    if not settings.keep_invalid:
        repair(drafts, isomers, settings, deadline)
    return _finished(blank, drafts, settings)


def _finished(blank: Ensemble, drafts: Drafts, settings: GenerateSettings) -> Ensemble:
    """The blank with the drafts that are valid, or all of them with keep_invalid, and a note if that is not all."""
    assert blank.mol is not None
    wrong = drafts.wrong()
    kept = [k for k in range(settings.num_confs) if settings.keep_invalid or k not in wrong]
    reasons = ", ".join(sorted({name for names in drafts.failed for name in names}))
    if not kept:
        raise MoleculeError(
            f"{label(blank.mol)}: no valid conformer in {settings.num_confs} ({reasons} failed); "
            "--keep-invalid writes them"
        )
    note = f"{label(blank.mol)}: {len(kept)} of {settings.num_confs} conformers; the others failed {reasons}"
    return replace(
        blank,
        mol=with_positions(blank.mol, drafts.pos[kept]),
        checks=[drafts.failed[k] for k in kept],
        sources=[drafts.sources[k] for k in kept],
        notes=[note] if len(kept) < settings.num_confs else [],
    )


def _name(mol: Chem.Mol) -> str:
    return str(mol.GetProp("_Name")) if mol.HasProp("_Name") else ""


def _origin(mol: Chem.Mol) -> str:
    return str(mol.GetProp("_confgen_origin")) if mol.HasProp("_confgen_origin") else ""
