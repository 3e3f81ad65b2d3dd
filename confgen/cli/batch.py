"""One run of `confgen generate`: records in, ensembles out, and a word on each that failed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from rdkit import rdBase
from tqdm import tqdm

from confgen import checkpoint
from confgen.cli.console import NOTHING_DONE, SOME_FAILED, counted, say
from confgen.cli.journal import Journal, refuse_shared_files
from confgen.cli.processes import workers_for
from confgen.cli.progress import molecules_bar
from confgen.conformers import label
from confgen.device import choose_device
from confgen.errors import MoleculeError
from confgen.generate import Ensemble
from confgen.options import settings_for
from confgen.pool import Share, generate_parallel, generate_serial
from confgen.readers import Record, read_records
from confgen.template import read_template
from confgen.writer import Writer


@dataclass(frozen=True)
class Generation:
    """Of what and how the user asked for conformers to be made; `options` by the names of `confgen.options`."""

    inputs: Sequence[str]
    smiles_column: str | None
    name_column: str | None
    output: str
    weights: str
    device: str
    workers: int | None
    preset: str | None
    options: dict[str, object]
    template: str | None
    core: str | None
    quiet: bool
    verbose: bool
    progress: bool | None


@dataclass(frozen=True)
class Request(Generation):
    """What the user asked for."""

    format: str | None
    force: bool
    failed: str | None
    report: str | None


@dataclass
class Tally:
    """Counts of a run so far; molecules counts what was in the input, or its stereoisomers."""

    molecules: int = 0
    failed: int = 0
    conformers: int = 0
    etkdg: int = 0
    invalid: int = 0

    def add(self, ensemble: Ensemble) -> None:
        self.molecules += 1
        if ensemble.error is not None:
            self.failed += 1
            return
        self.conformers += len(ensemble.sources)
        self.etkdg += ensemble.sources.count("etkdg")
        self.invalid += sum(bool(names) for names in ensemble.checks)


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, or the output cannot be written."""
    began = time.monotonic()
    tally = Tally()
    read = [*request.inputs, *([request.template] if request.template else [])]
    refuse_shared_files(read, {"-o": request.output, "--failed": request.failed, "--report": request.report})
    with (
        rdBase.BlockLogs(),  # what RDKit has to say about a molecule is in the error of the molecule
        Journal(request.failed, request.report, force=request.force) as journal,
        Writer(request.output, format=request.format, force=request.force) as writer,
    ):
        made = begin(
            request, read_records(request.inputs, smiles_column=request.smiles_column, name_column=request.name_column)
        )
        with closing(made), molecules_bar(quiet=request.quiet, wanted=request.progress) as bar:
            for ensembles in made:
                for ensemble in ensembles:
                    finished = written(ensemble, writer)
                    journal.note(finished)
                    tally.add(finished)
                    tell(finished, request, bar)
                bar.update()
    _sum_up(tally, request, time.monotonic() - began)
    if tally.conformers == 0:
        return NOTHING_DONE
    return SOME_FAILED if tally.failed else 0


def begin(
    request: Generation, records: Iterator[Record], share: Share | None = None
) -> Generator[list[Ensemble], None, None]:
    """The ensembles to come, with weights loaded and nothing computed.

    share: among which workers, in the place of processes of this machine.
    They alone hold on to the records, whose files are closed with them.
    """
    weights = checkpoint.load(request.weights, choose_device(request.device))
    settings = settings_for(weights.sampling, request.preset, request.options | _template(request))
    if share is not None:
        sha256, workers = weights.sha256, request.workers or 0
        return generate_parallel(records, request.weights, settings, workers, sha256, share=share)
    workers, threads, records = workers_for(request.workers, records, settings.num_confs, weights.device)
    if request.verbose:
        sampler, start = settings.sampler, settings.start
        say(
            f"weights {weights.name} (sha256 {weights.sha256[:12]}), "
            f"{sampler.sampler} with {counted(sampler.num_steps, 'step')} from {start.start}, "
            f"seed {settings.seed}, {weights.device}, {counted(workers, 'process', 'es')}"
        )
    if workers == 1:
        return generate_serial(records, weights, settings)
    return generate_parallel(records, request.weights, settings, workers, weights.sha256, threads=threads)


def _template(request: Generation) -> dict[str, object]:
    """The option that the template is, if there is one. Raises CannotStart."""
    if request.template is None:
        return {}
    template = read_template(request.template, request.core)
    for note in () if request.quiet else template.notes:
        say(f"note: {note}")
    return {"template": template}


def written(ensemble: Ensemble, writer: Writer) -> Ensemble:
    """The ensemble, written; with the error instead if the format cannot hold it."""
    try:
        writer.write(ensemble)
    except MoleculeError as error:
        return replace(ensemble, error=error)
    return ensemble


def tell(ensemble: Ensemble, request: Generation, bar: tqdm) -> None:
    """The lines on one molecule, above the bar."""
    lines = []
    if ensemble.error is not None:
        lines.append(str(ensemble.error))
    elif not request.quiet:
        lines += [f"note: {note}" for note in ensemble.notes]
        if request.verbose and ensemble.mol is not None:
            lines.append(
                f"{label(ensemble.mol)}: {counted(len(ensemble.sources), 'conformer')}, {ensemble.seconds:.1f} s"
            )
    if lines:
        with bar.external_write_mode():
            for line in lines:
                say(line)


def _sum_up(tally: Tally, request: Request, seconds: float) -> None:
    """The last line. An empty input is always told of; a single molecule that failed has been."""
    if tally.molecules == 0:
        say(f"{', '.join(request.inputs)}: no molecules in it, so nothing was written; check the input")
    elif not request.quiet and (tally.conformers or tally.molecules > 1):
        parts = [f"{counted(tally.conformers, 'conformer')} of {counted(tally.molecules - tally.failed, 'molecule')}"]
        parts += [f"{tally.etkdg} of them by ETKDG"] if tally.etkdg else []
        parts += [f"{tally.invalid} of them not valid"] if tally.invalid else []
        parts += [f"{counted(tally.failed, 'molecule')} failed"] if tally.failed else []
        place = "standard output" if request.output == "-" else request.output
        say(f"{place if tally.conformers else 'nothing written'}: {', '.join(parts)}, {seconds:.1f} s")
