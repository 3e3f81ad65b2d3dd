"""Generation for a stream of records, in this process or by worker processes; the results are the same.

Molecules travel as RDKit binaries with all properties.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from rdkit import Chem

from confgen.checkpoint import Weights, load
from confgen.complaints import quiet
from confgen.conformers import from_binary, label, to_binary
from confgen.cores import available_cores
from confgen.crew import Begin, Lost, shared_out
from confgen.errors import MoleculeError, WeightsError
from confgen.generate import Ensemble, ensembles_of
from confgen.readers import Record
from confgen.settings import GenerateSettings

Share = Callable[[Iterable[tuple[Any, Any]], Begin, int], Generator[tuple[Any, Any], None, None]]
FEW_CONFORMERS = 80  # up to here workers, who take 2.5 s to start (measured), cost more time than they save


def generate_serial(
    records: Iterable[Record], weights: Weights, settings: GenerateSettings, counts: Iterable[int] | None = None
) -> Generator[list[Ensemble], None, None]:
    """The ensembles of each record (several with stereo="enumerate"); one with its error if it could not be read.

    counts: conformers of each record, where they are not those of the settings.
    """
    for record, count in _counted(records, counts, settings):
        if record.mol is None:
            yield [_failure(record, record.error, settings)]
        else:
            yield ensembles_of(record.mol, weights, replace(settings, num_confs=count))


def generate_parallel(
    records: Iterable[Record],
    weights_name: str,
    settings: GenerateSettings,
    workers: int,
    sha256: str | None = None,
    counts: Iterable[int] | None = None,
    threads: int = 1,
    share: Share = shared_out,
) -> Generator[list[Ensemble], None, None]:
    """What `generate_serial` gives, in the same order, by worker processes.

    A molecule on which a worker dies gives an ensemble with an error, and the rest goes on. Records are read a few
    ahead, never all. Close the iterator to end the workers early.
    sha256: of the weights, if they have to be the same as the caller's.     counts: as in `generate_serial`.
    threads: of each worker.     share: how jobs reach the workers.
    Raises: WeightsError if the workers cannot load them; RuntimeError if one ends in an exception, which it has
            printed.
    """
    jobs = (
        (record, None if record.mol is None else (count, to_binary(record.mol)))
        for record, count in _counted(records, counts, settings)
    )
    with closing(share(jobs, partial(_begin, weights_name, sha256, settings, threads), workers)) as answers:
        for record, answer in answers:
            if record.mol is None:
                yield [_failure(record, record.error, settings)]
            elif isinstance(answer, Lost):
                yield [_failure(record, _death(record.mol, answer), settings)]
            else:
                yield answer


def choose_workers(
    records: Iterator[Record], num_confs: int | str, device: torch.device
) -> tuple[int, int, Iterator[Record]]:
    """How many workers serve these records best, threads of each, and the records, the first of which have been read.

    num_confs: conformers of each; a second molecule of many, or many of few, keep a second worker busy.
    Fewer molecules than cores have a worker each, and the cores between them.
    """
    if device.type != "cpu":
        return 1, 1, records
    cores = available_cores()
    enough = 1 + math.ceil(FEW_CONFORMERS / (num_confs if isinstance(num_confs, int) else FEW_CONFORMERS))
    first = list(itertools.islice(records, max(enough, cores)))
    workers = min(cores, len(first)) if len(first) >= enough else 1
    return workers, cores // workers, itertools.chain(first, records)


Count = int | Literal["auto"]


def _counted(
    records: Iterable[Record], counts: Iterable[int] | None, settings: GenerateSettings
) -> Iterator[tuple[Record, Count]]:
    """The records, each with the number of its conformers."""
    return zip(records, itertools.repeat(settings.num_confs) if counts is None else counts, strict=False)


def _death(mol: Chem.Mol, lost: Lost) -> MoleculeError:
    """The error of a molecule whose worker ended; not one if it ended in an exception: that is a bug."""
    if lost.exitcode is None or lost.exitcode >= 0:
        raise RuntimeError(f"{label(mol)}: its worker process {lost.cause}")
    return MoleculeError(f"{label(mol)}: its worker process {lost.cause}; try fewer --workers or conformers")


def _failure(record: Record, error: MoleculeError | None, settings: GenerateSettings) -> Ensemble:
    return Ensemble(record.mol, record.name, record.origin, settings.seed, "", error=error)


def _begin(
    weights_name: str, sha256: str | None, settings: GenerateSettings, threads: int
) -> Callable[[tuple[Count, bytes]], list[Ensemble]]:
    """What makes the ensembles of one molecule in a worker. Raises WeightsError."""
    torch.set_num_threads(threads)
    weights = load(weights_name)
    if sha256 not in (None, weights.sha256):
        raise WeightsError(f"{weights_name}: the weights were exchanged meanwhile; start again")

    def work(payload: tuple[Count, bytes]) -> list[Ensemble]:
        count, binary = payload
        with quiet():
            return ensembles_of(from_binary(binary), weights, replace(settings, num_confs=count))

    return work
