"""From a molecule to a finished ensemble: the whole line, once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rdkit import Chem

from confgen import checkpoint
from confgen.assemble import assemble
from confgen.checkpoint import Weights
from confgen.device import choose_device
from confgen.embed import embed
from confgen.errors import CannotStart, MoleculeError, WeightsError
from confgen.hydrogens import complete
from confgen.isomers import enumerate_stereo, unspecified
from confgen.molecule import fragments, label, positions, with_positions
from confgen.propose import STARTS, StartSettings, propose
from confgen.sampler import SamplerSettings
from confgen.validity import check

STEREO_POLICIES = ("any", "enumerate", "error")


@dataclass(frozen=True)
class GenerateSettings:
    """What to generate.

    num_confs:     conformers per molecule (per stereoisomer with stereo="enumerate").
    seed:          the same seed, molecule and weights give the same conformers.
    stereo:        centres and double bonds left open: "any" spreads the conformers over the stereoisomers,
                   "enumerate" makes each a molecule of its own, "error" refuses the molecule.
    keep_invalid:  write conformers that fail a check, tagged, instead of replacing them.
    attempts:      how often a conformer that fails a check is sampled again before ETKDG has to step in.
    batch_size:    conformers per network call, None for what fits.     timeout_s: limit per molecule.
    """

    num_confs: int = 10
    seed: int = 1
    stereo: str = "any"
    keep_invalid: bool = False
    attempts: int = 3
    batch_size: int | None = None
    timeout_s: float | None = None
    sampler: SamplerSettings = SamplerSettings()
    start: StartSettings = StartSettings()

    def __post_init__(self) -> None:
        if self.num_confs < 1:
            raise CannotStart(f"num_confs is {self.num_confs}; ask for at least 1 conformer")
        if self.stereo not in STEREO_POLICIES:
            raise CannotStart(f"stereo is {self.stereo!r}; choose one of {', '.join(STEREO_POLICIES)}")
        if self.attempts < 0:
            raise CannotStart(f"attempts is {self.attempts}; give 0 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise CannotStart(f"batch_size is {self.batch_size}; give at least 1, or leave it out")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise CannotStart(f"timeout is {self.timeout_s} s; give a positive time, or leave it out")


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


def default_settings(sampling: dict[str, Any], start: str | None = None) -> GenerateSettings:
    """The settings that the weights' config recommends for a start ("harmonic" or "etkdg"; its own choice if None).

    sampling: `start`, `start_sigma` and fields of SamplerSettings; a table `harmonic` or `etkdg` holds what differs for
    that start. Raises WeightsError if they are not such settings.
    """
    chosen = start or sampling.get("start", StartSettings.start)
    values = {key: value for key, value in sampling.items() if key not in ("start", *STARTS)} | sampling.get(chosen, {})
    sigma = values.pop("start_sigma", StartSettings.sigma)
    try:
        return GenerateSettings(sampler=SamplerSettings(**values), start=StartSettings(start=chosen, sigma=sigma))
    except TypeError as error:
        raise WeightsError(f"the weights' config.json: {error} in its sampling settings; use other weights") from error


def raw_settings(sampling: dict[str, Any]) -> GenerateSettings:
    """`default_settings` for looking at the network alone: one attempt, and what fails a check is kept."""
    return replace(default_settings(sampling), attempts=0, keep_invalid=True)


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
    pos = np.zeros((count, mol.GetNumAtoms(), 3))
    failed = [["missing"] for _ in range(count)]
    sources = ["network"] * count
    for attempt in range(settings.attempts + 1):
        pending = [k for k in range(count) if failed[k]]
        for first, isomer in enumerate(isomers):
            own = [k for k in pending if k % len(isomers) == first]
            if own:
                seeds = [conformer_seed(settings.seed, k, attempt) for k in own]
                try:
                    proposed = _propose_whole(isomer, seeds, weights, settings, deadline)
                except MoleculeError:  # out of time: what earlier attempts made stays
                    if all(names == ["missing"] for names in failed):
                        raise
                    continue
                _keep_better(own, proposed, check(with_positions(isomer, proposed)), pos, failed)
        if settings.keep_invalid or not any(failed):
            break
    else:
        _repair(isomers, settings, pos, failed, sources, deadline)
    kept = [k for k in range(count) if settings.keep_invalid or not failed[k]]
    if not kept:
        reasons = ", ".join(sorted({name for names in failed for name in names}))
        raise MoleculeError(
            f"{label(mol)}: no valid conformer in {count} ({reasons} failed); --keep-invalid writes them"
        )
    notes = []
    if len(kept) < count:
        reasons = ", ".join(sorted({name for names in failed for name in names}))
        notes = [f"{label(mol)}: {len(kept)} of {count} conformers; the others failed {reasons}"]
    return replace(
        blank,
        mol=with_positions(mol, pos[kept]),
        checks=[failed[k] for k in kept],
        sources=[sources[k] for k in kept],
        notes=notes,
    )


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


def _repair(
    isomers: Sequence[Chem.Mol],
    settings: GenerateSettings,
    pos: np.ndarray,
    failed: list[list[str]],
    sources: list[str],
    deadline: float | None,
) -> None:
    """ETKDG coordinates for the conformers that are still wrong."""
    for k in [k for k in range(len(failed)) if failed[k]]:
        if deadline is not None and time.monotonic() > deadline:
            return
        isomer = isomers[k % len(isomers)]
        parts = [embed(part, [conformer_seed(settings.seed, k, -1)])[0] for part in _fragment_mols(isomer)]
        if any(part is None for part in parts):
            continue
        proposed = assemble(isomer, fragments(isomer), [part[None] for part in parts if part is not None])
        names = check(with_positions(isomer, proposed))
        if not names[0]:
            pos[k], failed[k], sources[k] = proposed[0], [], "etkdg"


def _keep_better(
    own: list[int], proposed: np.ndarray, names: list[list[str]], pos: np.ndarray, failed: list[list[str]]
) -> None:
    """Takes over proposals that pass, and for now those that fail less than what is there."""
    for k, new, wrong in zip(own, proposed, names, strict=True):
        if failed[k] == ["missing"] or len(wrong) < len(failed[k]):
            pos[k], failed[k] = new, wrong


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


def _name(mol: Chem.Mol) -> str:
    return str(mol.GetProp("_Name")) if mol.HasProp("_Name") else ""


def _origin(mol: Chem.Mol) -> str:
    return str(mol.GetProp("_confgen_origin")) if mol.HasProp("_confgen_origin") else ""
