"""One run of `confgen evaluate`: ensembles in, tables and files out, and a word on what has no scores."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rdkit import rdBase
from rdkit.Chem import Mol
from tqdm import tqdm

from confgen.cli import results
from confgen.cli.arguments import GENERATED, methods_of, protocol_of
from confgen.cli.console import SOME_FAILED, counted, say
from confgen.cli.journal import refuse_shared_files
from confgen.cli.progress import molecules_bar
from confgen.cli.remarks import refuse_empty, refuse_nothing, remark, say_some
from confgen.cli.tables import tables, text_of
from confgen.conformer_sets import ConformerSet
from confgen.cores import available_cores
from confgen.ensembles import read_ensembles
from confgen.errors import CannotStart, OutputError
from confgen.evaluation import evaluate
from confgen.omissions import finite_only
from confgen.outfile import OutputFile
from confgen.scores import Evaluation, Protocol

if TYPE_CHECKING:  # it brings torch, which only --generate needs
    from confgen.cli.sampling import Sampling

PER_REFERENCE = 2  # made for each reference, if the protocol has no limit
FEW = 2_000  # conformers that are scored before other processes have started


@dataclass(frozen=True)
class Request:
    """What the user asked for; outputs: files by option. No thresholds and no per_reference leave the protocol's."""

    paths: Sequence[str]
    generate: bool
    match: str
    protocol: str
    thresholds: tuple[float, ...]
    per_reference: int | None
    properties: bool
    limit: int | None
    preset: str | None
    weights: str
    seed: int
    device: str
    workers: int | None
    outputs: dict[str, str | None]
    force: bool
    quiet: bool
    progress: bool | None


@dataclass(frozen=True)
class Scored:
    """The scores of a method and, for its properties, its molecule for each reference with conformers.

    unread: what could not be read of its file, a line for each record.
    """

    evaluation: Evaluation
    partners: Sequence[Mol | None] = ()
    unread: Sequence[str] = ()


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, NothingScored if nothing was scored."""
    began = time.monotonic()
    files, reference_path = methods_of(request.paths, generate=request.generate)
    if request.preset is not None and not request.generate:
        raise CannotStart("--preset is for conformers that are made now; pass --generate too")
    protocol = protocol_of(request.protocol, request.thresholds, request.per_reference)
    outputs = _outputs(request, [reference_path, *(path for _, path in files)])
    shown = "-" not in request.outputs.values()
    if shown and sys.stdout is None:  # how Python says that it was begun without one
        raise OutputError("standard output is closed, and the tables go there; send it to a file or to /dev/null")
    try:
        for output in outputs.values():
            output.open()
        if request.properties:
            from confgen.cli.quantum import refuse_without_xtb

            refuse_without_xtb()
        sampling = _sampling(request) if request.generate else None
        methods = [(label, path, read_ensembles(path)) for label, path in files]
        with rdBase.BlockLogs():
            reference = [finite_only(one) for one in itertools.islice(read_ensembles(reference_path), request.limit)]
            refuse_empty(reference, reference_path)
            scored = [_evaluated(request, protocol, *method, reference) for method in methods]
            if sampling is not None:
                scored.append(_generated(request, protocol, sampling, reference))
            evaluations = _with_properties(request, scored, reference)
        refuse_nothing(evaluations, reference_path)
        _write(outputs, evaluations, reference, reference_path)
    finally:
        for output in outputs.values():
            output.discard()
    if shown:
        heading = _heading(protocol, reference, reference_path)
        _print(text_of(heading, tables(evaluations), styled=sys.stdout.isatty()))
    remark(evaluations, request.limit, quiet=request.quiet)
    if request.quiet or request.limit is not None:  # otherwise they are among the remarks
        _say_unread(scored)
    if not request.quiet:
        written = [path for path in request.outputs.values() if path not in (None, "-")]
        say(f"{time.monotonic() - began:.1f} s" + (f", written: {', '.join(map(str, written))}" if written else ""))
    failed = any(m.failed or m.error for e in evaluations for m in e.molecules) or any(one.unread for one in scored)
    return SOME_FAILED if failed else 0


def _say_unread(scored: Sequence[Scored]) -> None:
    """A line for each record that could not be read and is not told of as the failure of a molecule."""
    for one in scored:
        told = {molecule.error for molecule in one.evaluation.molecules}
        method = one.evaluation.method
        say_some(
            [f"{method}: {line}" for line in one.unread if line not in told], f"that could not be read in {method}"
        )


def _outputs(request: Request, inputs: Sequence[str]) -> dict[str, OutputFile]:
    """The files to be written, by option, not yet opened. Raises OutputError for one that would overwrite another."""
    given = {option: path for option, path in request.outputs.items() if path is not None}
    if list(given.values()).count("-") > 1:
        raise OutputError("standard output can take one of --json, --csv and --html; name files for the others")
    refuse_shared_files(inputs, {option: path for option, path in given.items() if path != "-"})
    return {option: OutputFile(path, force=request.force) for option, path in given.items()}


def _evaluated(
    request: Request,
    protocol: Protocol,
    label: str,
    source: str,
    sets: Iterable[ConformerSet],
    reference: Sequence[ConformerSet],
) -> Scored:
    """The scores of one method."""
    generated = list(sets)
    with _bar(request, len(reference), f"scoring {label}") as bar:
        evaluation = evaluate(
            generated, reference, protocol, match=request.match, method=label, source=source,
            workers=_workers(request, generated, reference), progress=lambda *_: bar.update(),
        )  # fmt: skip
    unread = [str(one.error) for one in generated if one.error is not None]
    if not request.properties:
        return Scored(evaluation, unread=unread)
    from confgen.cli import quantum

    partners = quantum.partners_of(generated, reference, request.match, protocol.per_reference)
    return Scored(evaluation, partners, unread)


def _with_properties(request: Request, scored: Sequence[Scored], reference: Sequence[ConformerSet]) -> list[Evaluation]:
    """The evaluations, with ensemble properties if they are asked for; those of the references are computed once."""
    if not request.properties:
        return [one.evaluation for one in scored]
    from confgen.cli import quantum

    partners = [one.partners for one in scored]
    with _bar(request, len(partners[0]), "properties") as bar:
        known = quantum.compared(partners, reference, request.workers or available_cores(), bar.update)
    return [replace(one.evaluation, properties=values) for one, values in zip(scored, known, strict=True)]


def _sampling(request: Request) -> Sampling:
    from confgen.cli.sampling import prepare

    return prepare(request.weights, request.device, request.preset, request.seed, request.workers)


def _generated(request: Request, protocol: Protocol, sampling: Sampling, reference: Sequence[ConformerSet]) -> Scored:
    """The scores of what is generated here: who is whose partner is known, and why one failed too."""
    from confgen.cli.sampling import sample

    with _bar(request, len(reference), "generating") as bar:
        made = sample(sampling, reference, protocol.per_reference or PER_REFERENCE, bar.update)
    by_name = replace(request, match="auto")
    scored = _evaluated(by_name, protocol, GENERATED, sampling.source, made, reference)
    molecules = [
        scores if one.error is None or not scores.failed else replace(scores, error=str(one.error))
        for scores, one in zip(scored.evaluation.molecules, made, strict=True)
    ]
    evaluation = replace(scored.evaluation, molecules=molecules, unmatched=[], ambiguous=[])
    return replace(scored, evaluation=evaluation, unread=())


def _workers(request: Request, generated: Sequence[ConformerSet], reference: Sequence[ConformerSet]) -> int:
    """Processes for the scoring: those asked for, or one where starting others takes longer than they save."""
    if request.workers is not None:
        return request.workers
    return available_cores() if min(conformers(generated), conformers(reference)) > FEW else 1


def _bar(request: Request, total: int, doing: str) -> tqdm:
    return molecules_bar(quiet=request.quiet, wanted=request.progress, total=total, doing=doing)


def _write(
    outputs: dict[str, OutputFile],
    evaluations: Sequence[Evaluation],
    reference: Sequence[ConformerSet],
    path: str,
) -> None:
    """Every output that was asked for, whole or not at all."""
    facts = {"file": path, "molecules": len(reference), "conformers": conformers(reference)}
    for option, output in outputs.items():
        if option == "--json":
            text = results.json_text(evaluations, facts)
        elif option == "--csv":
            text = results.csv_text(evaluations)
        else:
            from confgen.report import report_html

            text = report_html(evaluations, command=results.command_line())
        output.write(text.encode(errors="replace"))
    for output in outputs.values():
        output.commit()


def conformers(sets: Sequence[ConformerSet]) -> int:
    """How many there are in all."""
    return sum(one.mol.GetNumConformers() for one in sets if one.mol is not None)


def _heading(protocol: Protocol, reference: Sequence[ConformerSet], path: str) -> list[str]:
    """What was compared, and how, in two lines."""
    covered = "up to" if protocol.inclusive else "below"
    most = protocol.per_reference
    scored = f"first {counted(most, 'conformer')} per reference" if most else "all conformers"
    return [
        f"Reference {path}: {counted(len(reference), 'molecule')}, {counted(conformers(reference), 'conformer')}",
        f"Protocol {protocol.name}: heavy-atom RMSD, covered {covered} the threshold; {scored} scored",
    ]


def _print(text: str) -> None:
    stream = OutputFile("-")
    stream.open()
    stream.write(text.encode(sys.stdout.encoding or "utf-8", errors="replace"))
    stream.commit()
