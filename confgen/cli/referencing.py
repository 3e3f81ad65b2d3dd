"""One run of `confgen data references`: molecules in, reference ensembles out, and a word on each that failed."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rdkit import rdBase
from tqdm import tqdm

from confgen.cli.console import NOTHING_DONE, SOME_FAILED, counted, say
from confgen.cli.journal import FAILED_HEADER, failed_line, refuse_other_lists, refuse_shared_files
from confgen.cli.progress import molecules_bar
from confgen.conformers import to_binary
from confgen.cores import available_cores
from confgen.crew import shared_out
from confgen.errors import CannotStart, OutputError
from confgen.library import identity
from confgen.outfile import OutputFile
from confgen.readers import Entry as InputEntry
from confgen.readers import Record, read_entries
from confgen.reference_entries import Entry, begin, entry_of
from confgen.references import ReferenceSettings, versions
from confgen.rows import read_about, refuse_other_formats, write_rows
from confgen.subset import Excluded, subset
from confgen.unfinished import Unfinished, difference
from confgen.version import confgen_version


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    inputs: Sequence[str]
    smiles_column: str | None
    name_column: str | None
    limit: int | None
    shuffle: int | None
    exclude: Sequence[str]
    settings: ReferenceSettings
    output: str
    failed: str | None
    resume: bool
    force: bool
    workers: int | None
    timeout_s: float | None
    quiet: bool
    verbose: bool
    progress: bool | None


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, or the output cannot be written."""
    began = time.monotonic()
    if request.timeout_s is not None and not request.timeout_s > 0:
        raise CannotStart(f"timeout is {request.timeout_s} s; give a positive time, or leave it out")
    refuse_other_formats(request.output)
    read = [*request.inputs, *request.exclude]
    refuse_shared_files(read, {"-o": request.output, "--failed": request.failed})
    refuse_other_lists(request.failed)
    plan = _plan(request)
    unfinished = Unfinished(request.output, plan, resume=request.resume, force=request.force)
    if request.resume and not request.force and not unfinished.path.exists():
        failed = _finished(request.output, plan)
        if failed is not None:
            if request.failed is None or not Path(request.failed).exists():  # else it has them since then
                _write_failed(request, failed)
            say(f"{request.output}: is finished; nothing is left to do")
            return SOME_FAILED if failed else 0
    for path in (request.output, request.failed):
        _refuse_unwritable(path, force=request.force)
    with rdBase.BlockLogs():  # what cannot be read is refused before there is an unfinished file
        excluded = Excluded(request.exclude)
        entries = read_entries(request.inputs, smiles_column=request.smiles_column, name_column=request.name_column)
    with rdBase.BlockLogs(), unfinished:
        _make(request, unfinished, excluded, entries)
        counts = _finish(request, plan, unfinished)
        unfinished.remove()
    _sum_up(counts, excluded.met, request, time.monotonic() - began)
    return NOTHING_DONE if counts["rows"] == 0 else SOME_FAILED if counts["failed"] else 0


def _plan(request: Request) -> dict[str, Any]:
    """All that decides what is written; it goes into the file's metadata too.

    Not the time limit, so that a run which hangs can be gone on with by one.
    """
    own = {
        "limit": request.limit, "shuffle": request.shuffle, "smiles_column": request.smiles_column,
        "name_column": request.name_column,
    }  # fmt: skip
    settings = asdict(request.settings)
    options = own | {key.removesuffix("_k"): value for key, value in settings.items() if key != "prepare"}
    words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items() if value is not None]
    words += [f"--exclude={path}" for path in request.exclude]
    words += [] if request.settings.prepare else ["--no-prepare"]
    return {
        **settings,
        "confgen_version": confgen_version(),
        "versions": versions(request.settings.method),
        "inputs": identity([*request.inputs, *request.exclude]),
        "command": shlex.join(["confgen", "data", "references", *request.inputs, *words]),
    }


def _finished(output: str, plan: dict[str, Any]) -> list[list[str]] | None:
    """The molecules that failed of an output that is there; None if there is none.

    Raises: OutputError if it was made by another plan.
    """
    about = read_about(Path(output))
    if about is None:
        return None
    failed: list[list[str]] = about.pop("failed", [])
    changed = difference(about, json.loads(json.dumps(plan)))
    if changed is not None:
        reason = f"is there already and was made otherwise ({changed})"
        raise OutputError(f"{output}: {reason}; give the same command, another name, or --force to make it anew")
    return failed


def _refuse_unwritable(path: str | None, *, force: bool) -> None:
    """Raises OutputError, before anything is computed, for an output that cannot be written in the end."""
    if path is not None:
        output = OutputFile(path, force=force)
        try:
            output.open()
        finally:
            output.discard()


def _make(request: Request, unfinished: Unfinished, excluded: Excluded, inputs: Iterator[InputEntry]) -> None:
    """Adds an entry for every record that has none yet."""
    done = {entry["record"]: (entry["origin"], entry["name"]) for entry in unfinished.entries()}
    chosen = enumerate(subset(inputs, excluded, request.limit, request.shuffle), start=1)
    workers = available_cores() if request.workers is None else request.workers
    if request.verbose:
        say(f"{request.settings.method}, seed {request.settings.seed}, {workers} workers, {len(done)} molecules done")
    jobs = _jobs(chosen, done, request)
    work = partial(begin, request.settings)
    bar = molecules_bar(quiet=request.quiet, wanted=request.progress, total=request.limit, done=len(done))
    with closing(shared_out(jobs, work, workers, request.timeout_s)) as answers, bar:
        for (number, record), answer in answers:
            entry = entry_of(record, answer, request.timeout_s)
            unfinished.add({"record": number, "origin": record.origin, "name": record.name, **entry})
            _tell(record, entry, request, bar)
            bar.update()
    if excluded.unread:
        say(f"note: {counted(excluded.unread, 'molecule')} of --exclude could not be read and excluded nothing")
    if not request.quiet and excluded.met:
        say(f"note: --exclude left out {counted(excluded.met, 'molecule')}")


def _jobs(
    chosen: Iterator[tuple[int, Record]], done: dict[int, tuple[str, str]], request: Request
) -> Iterator[tuple[tuple[int, Record], bytes | None]]:
    """What is left to do. Raises CannotStart if the input is not what it was."""
    for number, record in chosen:
        if number not in done:
            yield (number, record), None if record.mol is None else to_binary(record.mol)
        elif done[number] != (record.origin, record.name):
            before = " ".join(done[number])
            raise CannotStart(
                f"{request.output}.part: its molecule {number} was {before}, now it is {record.origin} {record.name}; "
                "give it the same input, or begin anew with --force and without --resume"
            )


def _finish(request: Request, plan: dict[str, Any], unfinished: Unfinished) -> dict[str, int]:
    """Writes the output and the list of failures; counts of rows, conformers and failures."""
    failed = [failure for entry in unfinished.entries() for failure in entry["failed"]]
    counts = {"rows": 0, "conformers": 0, "failed": len(failed)}

    def rows() -> Iterator[Entry]:
        for entry in unfinished.entries():
            for row in entry["rows"]:
                counts["conformers"] += row["num_confs"]
                yield row

    counts["rows"] = write_rows(request.output, rows(), plan | {"failed": failed}, force=request.force)
    _write_failed(request, failed)
    return counts


def _write_failed(request: Request, failed: Sequence[Sequence[str]]) -> None:
    """The list of failed molecules, if one was asked for."""
    if request.failed is None:
        return
    output = OutputFile(request.failed, force=request.force)
    try:
        output.open()
        output.write(FAILED_HEADER.encode())
        for failure in failed:
            output.write(failed_line(*failure))
        output.commit()
    finally:
        output.discard()


def _tell(record: Record, entry: Entry, request: Request, bar: tqdm) -> None:
    """The lines on one molecule, above the bar."""
    lines = [reason for _, _, _, reason, *_ in entry["failed"]]
    if not request.quiet:
        lines += [f"note: {note}" for note in entry["notes"]]
        if request.verbose and entry["rows"]:
            conformers = counted(sum(row["num_confs"] for row in entry["rows"]), "conformer")
            lines.append(f"{record.origin} '{record.name}': {conformers}, {entry['cpu_s']:.1f} s of CPU time")
    if lines:
        with bar.external_write_mode():
            for line in lines:
                say(line)


def _sum_up(counts: dict[str, int], left_out: int, request: Request, seconds: float) -> None:
    """The last line. An empty input is always told of.    left_out: how many molecules --exclude did."""
    if counts["rows"] == counts["failed"] == 0:
        inputs = ", ".join(request.inputs)
        if left_out:
            say(f"{inputs}: --exclude left out all of it, so nothing was written; give other molecules")
        else:
            say(f"{inputs}: no molecules in it, so nothing was written; check the input")
    elif not request.quiet:
        parts = [f"{counted(counts['conformers'], 'conformer')} of {counted(counts['rows'], 'molecule')}"]
        parts += [f"{counted(counts['failed'], 'molecule')} failed"] if counts["failed"] else []
        say(f"{request.output if counts['rows'] else 'nothing written'}: {', '.join(parts)}, {seconds:.1f} s")
