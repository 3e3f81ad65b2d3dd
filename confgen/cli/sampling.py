"""Conformers for the molecules of a reference, made on the spot (`confgen evaluate --generate`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from confgen import checkpoint
from confgen.cli.processes import workers_for
from confgen.conformer_sets import ConformerSet
from confgen.device import choose_device
from confgen.errors import MoleculeError
from confgen.molecule import from_smiles
from confgen.options import settings_for
from confgen.pool import generate_parallel, generate_serial
from confgen.readers import Record
from confgen.smiles import stereo_smiles


@dataclass(frozen=True)
class Sampling:
    """Loaded weights, and how conformers are made with them."""

    weights: checkpoint.Weights
    name: str
    preset: str | None
    seed: int
    workers: int | None

    @property
    def source(self) -> str:
        preset = f", preset {self.preset}" if self.preset else ""
        weights = f"{self.weights.name} (sha256 {self.weights.sha256[:12]})"
        return f"generated with weights {weights}{preset}, seed {self.seed}"


def prepare(name: str, device: str, preset: str | None, seed: int, workers: int | None) -> Sampling:
    """The weights of that name, on that device. Raises WeightsError and DeviceError."""
    return Sampling(checkpoint.load(name, choose_device(device)), name, preset, seed, workers)


def sample(
    sampling: Sampling, reference: Sequence[ConformerSet], per_reference: int, tick: Callable[[], object]
) -> list[ConformerSet]:
    """For each molecule `per_reference` times as many conformers as it has references, or the error where it fails.

    The generator is given a SMILES with stereochemistry, so neither coordinates nor the order of the atoms.
    tick: called after each molecule.
    """
    records = [_record(asked) for asked in reference]
    counts = [per_reference * (asked.mol.GetNumConformers() if asked.mol else 0) for asked in reference]
    settings = settings_for(sampling.weights.sampling, sampling.preset, {"seed": sampling.seed})
    workers, threads = _workers(sampling, records, counts)
    if workers == 1:
        made = generate_serial(records, sampling.weights, settings, counts)
    else:
        sha256 = sampling.weights.sha256
        made = generate_parallel(records, sampling.name, settings, workers, sha256, counts, threads)
    generated = []
    with closing(made):
        for asked, (ensemble,) in zip(reference, made, strict=True):
            mol = ensemble.mol if ensemble.error is None else None
            notes = tuple(ensemble.notes)
            generated.append(ConformerSet(asked.name, asked.origin, mol, error=ensemble.error, notes=notes))
            tick()
    return generated


def _record(asked: ConformerSet) -> Record:
    error = asked.error or MoleculeError(f"{asked.origin}: has no conformers, so none are generated")
    if asked.mol is None or not asked.mol.GetNumConformers():
        return Record(None, asked.name, asked.origin, error)
    try:
        bare = from_smiles(stereo_smiles(asked.mol), asked.name, asked.origin)
        return Record(bare, asked.name, asked.origin)
    except MoleculeError as error:
        return Record(None, asked.name, asked.origin, error)


def _workers(sampling: Sampling, records: Sequence[Record], counts: Sequence[int]) -> tuple[int, int]:
    mean = max(1, sum(counts) // max(1, len(counts)))
    return workers_for(sampling.workers, iter(records), mean, sampling.weights.device)[:2]
