"""Generation for a stream of records, in this process or by worker processes; the results are the same.

Small molecules do not fill several threads: processes with one thread each do more on a CPU. They are started afresh
("spawn"), because torch is not safe to fork. Molecules travel as RDKit binaries with all properties.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Literal, cast

import torch
from rdkit import Chem, rdBase

from confgen.checkpoint import Weights, load
from confgen.cores import available_cores
from confgen.errors import MoleculeError, WeightsError
from confgen.generate import Ensemble, ensembles_of
from confgen.molecule import label
from confgen.readers import Record
from confgen.settings import GenerateSettings

FEW_CONFORMERS = 80  # up to here workers, who take 2.5 s to start (measured), cost more time than they save
WINDOW_PER_WORKER = 8  # molecules read ahead, and results that wait for a slow molecule before them
ALL_PROPERTIES = int(Chem.PropertyPickleOptions.AllProps) | int(Chem.PropertyPickleOptions.CoordsAsDouble)


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
) -> Generator[list[Ensemble], None, None]:
    """What `generate_serial` gives, in the same order, by worker processes with one CPU thread each.

    A molecule on which a worker dies gives an ensemble with an error, and the rest goes on. Records are read a few
    ahead, never all. Close the iterator to end the workers early.
    sha256: of the weights, if they have to be the same as the caller's.     counts: as in `generate_serial`.
    Raises: WeightsError if the workers cannot load them; RuntimeError if one ends in an
            exception, which it has printed.
    """
    source = _counted(records, counts, settings)
    crew: list[_Worker] = []
    pending: deque[_Task] = deque()
    try:
        more = True
        while more or pending:
            more = _hand_out(source, pending, crew, workers, (weights_name, sha256, settings))
            while pending and pending[0].ensembles is not None:
                yield pending.popleft().ensembles or []
            busy = {worker.pipe: worker for worker in crew if worker.task is not None}
            for pipe in wait(list(busy)) if busy else []:
                _receive(busy[cast(Connection, pipe)], crew, settings)
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def choose_workers(
    records: Iterator[Record], num_confs: int | str, device: torch.device
) -> tuple[int, Iterator[Record]]:
    """How many workers serve these records best, and the records, of which the first few have been read for that.

    num_confs: conformers of each; a second molecule of many, or many of few, keep a second worker busy.
    """
    if device.type != "cpu":
        return 1, records
    enough = 1 + math.ceil(FEW_CONFORMERS / (num_confs if isinstance(num_confs, int) else FEW_CONFORMERS))
    first = list(itertools.islice(records, enough))
    return available_cores() if len(first) == enough else 1, itertools.chain(first, records)


@dataclass
class _Task:
    """One record on its way, how many conformers it shall have, and its ensembles once they are there."""

    record: Record
    count: Count
    ensembles: list[Ensemble] | None = None


@dataclass
class _Worker:
    """A process, the pipe to it, and what it works on."""

    process: SpawnProcess
    pipe: Connection
    task: _Task | None = None


Count = int | Literal["auto"]
_Common = tuple[str, str | None, GenerateSettings]  # weights and their sha256, settings: the same for every worker


def _counted(
    records: Iterable[Record], counts: Iterable[int] | None, settings: GenerateSettings
) -> Iterator[tuple[Record, Count]]:
    """The records, each with the number of its conformers."""
    return zip(records, itertools.repeat(settings.num_confs) if counts is None else counts, strict=False)


def _hand_out(
    records: Iterator[tuple[Record, Count]], pending: deque[_Task], crew: list[_Worker], most: int, common: _Common
) -> bool:
    """Reads records for all who are idle, and says whether there may be more; workers start as there is work."""
    idle = [worker for worker in crew if worker.task is None]
    while len(pending) < WINDOW_PER_WORKER * most and (idle or len(crew) < most):
        record, count = next(records, (None, 0))
        if record is None:
            return False
        pending.append(_Task(record, count))
        if record.mol is None:
            pending[-1].ensembles = [_failure(record, record.error, common[2])]
            continue
        worker = idle.pop() if idle else _start(crew, common)
        worker.task = pending[-1]
        with suppress(ConnectionError):  # it has died meanwhile, as will be noticed when its answer is due
            worker.pipe.send((count, record.mol.ToBinary(ALL_PROPERTIES)))
    return True


def _start(crew: list[_Worker], common: _Common) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, *common), daemon=True)
    with _interrupts_ignored():
        process.start()
    theirs.close()  # or the end of the process would not close the pipe
    crew.append(_Worker(process, ours))
    return crew[-1]


def _receive(worker: _Worker, crew: list[_Worker], settings: GenerateSettings) -> None:
    """Takes over the answer of a worker: ensembles, an error that ends the run, or nothing, if it died."""
    task, worker.task = worker.task, None
    assert task is not None
    try:
        answer = pickle.loads(worker.pipe.recv_bytes())
    except (EOFError, ConnectionError):
        crew.remove(worker)
        worker.pipe.close()
        worker.process.join()
        task.ensembles = [_failure(task.record, _death(task.record, worker.process.exitcode), settings)]
        return
    if isinstance(answer, WeightsError):
        raise answer
    task.ensembles = [replace(ensemble, mol=Chem.Mol(binary)) for ensemble, binary in answer]


def _death(record: Record, exitcode: int | None) -> MoleculeError:
    """The error of a molecule whose worker ended; not one if it ended in an exception: that is a bug."""
    where = label(record.mol) if record.mol is not None else record.origin
    if exitcode is None or exitcode >= 0:
        raise RuntimeError(f"{where}: its worker process ended with exit code {exitcode}, see above")
    cause = f"signal {-exitcode}" + (", out of memory?" if -exitcode == signal.SIGKILL else "")
    return MoleculeError(f"{where}: its worker process was killed ({cause}); try fewer --workers or conformers")


def _failure(record: Record, error: MoleculeError | None, settings: GenerateSettings) -> Ensemble:
    return Ensemble(record.mol, record.name, record.origin, settings.seed, "", error=error)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process started here ignores Ctrl-C, from its first moment on: ending the workers is up to the parent."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(pipe: Connection, weights_name: str, sha256: str | None, settings: GenerateSettings) -> None:
    """The life of a worker: molecules in, ensembles out, until the parent has no more or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    with rdBase.BlockLogs(), suppress(EOFError, ConnectionError):
        try:
            weights = load(weights_name)
            if sha256 not in (None, weights.sha256):
                raise WeightsError(f"{weights_name}: the weights were exchanged meanwhile; start again")
        except WeightsError as error:
            pipe.recv_bytes()
            pipe.send_bytes(pickle.dumps(error))
            return
        while True:
            count, binary = pipe.recv()
            pipe.send_bytes(_packed(ensembles_of(Chem.Mol(binary), weights, replace(settings, num_confs=count))))


def _packed(ensembles: Sequence[Ensemble]) -> bytes:
    """Ensembles with their molecules apart: a plain pickle of a molecule leaves out private properties."""
    pairs = [(replace(made, mol=None), made.mol.ToBinary(ALL_PROPERTIES)) for made in ensembles if made.mol is not None]
    return pickle.dumps(pairs)
