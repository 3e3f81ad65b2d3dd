"""One run of `confgen library`: records in, shards of ensembles out, and a word on each that failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from rdkit import rdBase
from tqdm import tqdm

from confgen.checkpoint import find, read_config
from confgen.cli.batch import Generation, Tally, begin, tell, written
from confgen.cli.console import NOTHING_DONE, SOME_FAILED, counted, say
from confgen.cli.journal import Journal
from confgen.cli.progress import molecules_bar
from confgen.cluster import refuse_no_cluster, shared_on_ray
from confgen.errors import CannotStart
from confgen.generate import Ensemble
from confgen.library import Library, Part, identity
from confgen.options import as_options, settings_for
from confgen.pool import Share
from confgen.readers import Record, read_entries
from confgen.version import confgen_version
from confgen.writer import Writer, resolve_format


@dataclass(frozen=True)
class Request(Generation):
    """What the user asked for."""

    format: str
    shard_size: int
    part: Part
    resume: bool
    ray: str | None


@dataclass
class Shard:
    """A shard that is being written; its files appear when the stack closes."""

    number: int
    writer: Writer
    journal: Journal
    stack: ExitStack
    tally: Tally = field(default_factory=Tally)
    began: float = field(default_factory=time.monotonic)


@dataclass
class _Pass:
    """One pass over the input.

    shards:    that were met so far.     needless: whether the last of them is finished, or of another part.
    under_way: the shard of each record on its way.
    """

    shards: int = 0
    needless: bool = False
    under_way: deque[int] = field(default_factory=deque)


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, or the output cannot be written."""
    began = time.monotonic()
    if "-" in request.inputs:
        raise CannotStart("-: standard input cannot be read again to go on; give a file")
    ending = f".{request.format}"
    resolve_format(f"x{ending}", None)
    library = Library(request.output, _plan(request), ending)
    entries = read_entries(request.inputs, smiles_column=request.smiles_column, name_column=request.name_column)
    tally, over = Tally(), _Pass()

    def records() -> Iterator[Record]:
        for number, entry in enumerate(entries):
            shard = number // request.shard_size + 1
            if shard > over.shards:
                over.shards = shard
                over.needless = not request.part.has(shard) or library.is_finished(shard)
            if not over.needless:
                over.under_way.append(shard)
                yield entry()

    with (
        rdBase.BlockLogs(),
        closing(begin(request, records(), _share(request))) as made,
        molecules_bar(quiet=request.quiet, wanted=request.progress) as bar,
    ):
        library.begin(go_on=request.resume or request.part.of > 1)  # now that nothing else can refuse to start
        _fill(library, over, made, request, tally, bar)
    total = library.sum_up(over.shards)
    _sum_up(tally, total, over, request, time.monotonic() - began)
    if over.shards == 0:
        return NOTHING_DONE
    known = total or library.together(number for number in range(1, over.shards + 1) if request.part.has(number))
    if known["molecules"] == known["failed"] and known["failed"]:
        return NOTHING_DONE
    return SOME_FAILED if known["failed"] else 0


def _share(request: Request) -> Share | None:
    """How molecules are shared out: to a Ray cluster, or None for processes of this machine."""
    if request.ray is None:
        return None
    refuse_no_cluster(request.ray)
    return partial(shared_on_ray, address=request.ray)


def _plan(request: Request) -> dict[str, object]:
    """All that decides what is written; not the time limit, nor what it is written with."""
    config = read_config(find(request.weights))
    settings = settings_for(config.get("sampling", {}), request.preset, request.options)
    options = {name: value for name, value in as_options(settings).items() if name not in ("timeout_s", "batch_size")}
    about = [source for source in (request.template,) if source is not None]
    return {
        "confgen_version": confgen_version(),
        "weights_sha256": config["sha256"],
        "options": options,
        "template": identity(about),
        "core": request.core,
        "inputs": identity(request.inputs),
        "smiles_column": request.smiles_column,
        "name_column": request.name_column,
        "shard_size": request.shard_size,
        "format": request.format,
    }


def _fill(
    library: Library, over: _Pass, made: Iterator[list[Ensemble]], request: Request, tally: Tally, bar: tqdm
) -> None:
    """Writes shard after shard as their ensembles come; what is not finished when this ends in an error is removed."""
    shard: Shard | None = None
    try:
        for ensembles in made:
            number = over.under_way.popleft()
            if shard is None or shard.number != number:
                if shard is not None:
                    _finish(library, shard)
                shard = None
                shard = _open(library, number)
            for ensemble in ensembles:
                done = written(ensemble, shard.writer)
                shard.journal.note(done)
                shard.tally.add(done)
                tally.add(done)
                tell(done, request, bar)
            bar.update()
        if shard is not None:
            _finish(library, shard)
    except BaseException as error:
        if shard is not None:
            shard.stack.__exit__(type(error), error, error.__traceback__)
        raise


def _open(library: Library, number: int) -> Shard:
    library.clear(number)
    with ExitStack() as stack:
        journal = Journal(library.path(number, ".failed.smi"), library.path(number, ".report.jsonl"), force=True)
        writer = Writer(library.path(number), force=True)
        stack.enter_context(journal)
        stack.enter_context(writer)
        return Shard(number, writer, journal, stack.pop_all())


def _finish(library: Library, shard: Shard) -> None:
    """Puts the files of a shard in their place, and last the one that says so."""
    shard.stack.close()
    if not shard.tally.failed:
        Path(library.path(shard.number, ".failed.smi")).unlink(missing_ok=True)
    library.finish(shard.number, asdict(shard.tally) | {"seconds": round(time.monotonic() - shard.began, 1)})


def _sum_up(tally: Tally, total: dict[str, int] | None, over: _Pass, request: Request, seconds: float) -> None:
    """The last line. An empty input is always told of."""
    if over.shards == 0:
        say(f"{', '.join(request.inputs)}: no molecules in it, so nothing was written; check the input")
    elif not request.quiet:
        if tally.molecules:
            done = counted(tally.molecules - tally.failed, "molecule")
            failed = f", {counted(tally.failed, 'molecule')} failed" if tally.failed else ""
            say(f"{request.output}: {counted(tally.conformers, 'conformer')} of {done}{failed}, {seconds:.1f} s")
        if total is not None:
            rest = f"{counted(total['conformers'], 'conformer')} of {counted(total['molecules'], 'molecule')}"
            failed = f", {total['failed']} of which failed" if total["failed"] else ""
            say(f"{request.output}: is finished, {counted(over.shards, 'shard')} with {rest}{failed}")
        else:
            say(f"{request.output}: other parts are not finished yet")
