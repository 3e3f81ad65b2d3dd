"""One run of `confgen evaluate`: ensembles in, tables and files out, and a word on what has no scores."""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rdkit import rdBase
from tqdm import tqdm

from confgen.cli import results
from confgen.cli.console import say
from confgen.cli.journal import refuse_shared_files
from confgen.cli.remarks import refuse_nothing, remark
from confgen.cli.sampling import Sampling, prepare, sample
from confgen.cli.tables import tables, text_of
from confgen.ensembles import ConformerSet, read_ensembles
from confgen.errors import CannotStart, OutputError
from confgen.evaluation import evaluate
from confgen.outfile import OutputFile
from confgen.scores import PROTOCOLS, Evaluation, Protocol

SOME_FAILED = 3
GENERATED = "confgen"  # label of what was generated here


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
    weights: str
    seed: int
    device: str
    workers: int | None
    outputs: dict[str, str | None]
    force: bool
    quiet: bool
    progress: bool | None


@dataclass(frozen=True)
class Method:
    """A label and where its conformers come from: a file, or nothing that is there yet."""

    label: str
    path: str | None
    sets: Iterable[ConformerSet] = ()


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, NothingScored if nothing was scored."""
    began = time.monotonic()
    files, reference_path = _files(request)
    protocol = _protocol(request)
    outputs = _outputs(request, [reference_path, *(path for _, path in files)])
    try:
        for output in outputs.values():
            output.open()
        sampling = prepare(request.weights, request.device, request.seed, request.workers) if request.generate else None
        methods = [Method(label, path, read_ensembles(path)) for label, path in files]
        with rdBase.BlockLogs():
            reference = list(itertools.islice(read_ensembles(reference_path), request.limit))
            evaluations = list(_evaluations(request, protocol, methods, sampling, reference))
        refuse_nothing(evaluations, reference_path)
        _write(outputs, evaluations, reference, reference_path)
    finally:
        for output in outputs.values():
            output.discard()
    if "-" not in request.outputs.values():
        heading = _heading(protocol, reference, reference_path)
        _print(text_of(heading, tables(evaluations), styled=sys.stdout.isatty()))
    remark(evaluations, request.limit, quiet=request.quiet)
    if not request.quiet:
        written = [path for path in request.outputs.values() if path not in (None, "-")]
        say(f"{time.monotonic() - began:.1f} s" + (f", written: {', '.join(map(str, written))}" if written else ""))
    return SOME_FAILED if any(m.failed or m.error for e in evaluations for m in e.molecules) else 0


def _files(request: Request) -> tuple[list[tuple[str, str]], str]:
    """Label and path of every generated file, and the path of the reference."""
    *generated, reference = request.paths
    if not generated and not request.generate:
        raise CannotStart("name the generated ensembles and, last, the reference; or pass --generate to make them now")
    given = [_labelled(text) for text in generated]
    short = Counter(label or _stem(path) for label, path in given)
    labels = [label or (_stem(path) if short[_stem(path)] == 1 else path) for label, path in given]
    for label, times in Counter([*labels, GENERATED] if request.generate else labels).items():
        if times > 1:
            raise CannotStart(f"{label}: two methods have this name; give them others with LABEL=FILE")
    return list(zip(labels, (path for _, path in given), strict=True)), reference


def _labelled(text: str) -> tuple[str, str]:
    """Label ("" if none is given) and path of LABEL=FILE; a file whose own name has a = in it is meant as it is."""
    label, sign, path = text.partition("=")
    return ("", text) if not sign or not label or "/" in label or Path(text).exists() else (label, path)


def _stem(path: str) -> str:
    name = Path(path).name.removesuffix(".gz")
    return name.rpartition(".")[0] or name or path


def _protocol(request: Request) -> Protocol:
    protocol = PROTOCOLS[request.protocol]
    if request.thresholds:
        ascending = tuple(sorted(set(request.thresholds)))
        protocol = replace(protocol, thresholds=ascending, main=request.thresholds[0])
    if request.per_reference is not None:
        protocol = replace(protocol, per_reference=request.per_reference or None)
    return protocol


def _outputs(request: Request, inputs: Sequence[str]) -> dict[str, OutputFile]:
    """The files to be written, by option, not yet opened. Raises OutputError for one that would overwrite another."""
    given = {option: path for option, path in request.outputs.items() if path is not None}
    if list(given.values()).count("-") > 1:
        raise OutputError("standard output can take one of --json, --csv and --html; name files for the others")
    refuse_shared_files(inputs, {option: path for option, path in given.items() if path != "-"})
    return {option: OutputFile(path, force=request.force) for option, path in given.items()}


def _evaluations(
    request: Request,
    protocol: Protocol,
    methods: Sequence[Method],
    sampling: Sampling | None,
    reference: Sequence[ConformerSet],
) -> Iterator[Evaluation]:
    """One method after the other, the one generated here last."""
    for method in methods:
        yield _evaluated(request, protocol, method, str(method.path), reference)
    if sampling is not None:
        with _bar(request, len(reference), "generating") as bar:
            generated = sample(sampling, reference, protocol.per_reference or 2, bar.update)
        yield _evaluated(request, protocol, Method(GENERATED, None, generated), sampling.source, reference)


def _evaluated(
    request: Request, protocol: Protocol, method: Method, source: str, reference: Sequence[ConformerSet]
) -> Evaluation:
    generated = list(method.sets) if request.properties else method.sets
    return evaluate(generated, reference, protocol, match=request.match, method=method.label, source=source)


def _bar(request: Request, total: int, doing: str) -> tqdm:
    hidden = request.quiet if request.progress is None else not request.progress
    disable = True if hidden else None if request.progress is None else False
    return tqdm(desc=doing, total=total, unit="mol", disable=disable, leave=False)


def _write(
    outputs: dict[str, OutputFile],
    evaluations: Sequence[Evaluation],
    reference: Sequence[ConformerSet],
    path: str,
) -> None:
    """Every output that was asked for, whole or not at all."""
    facts = {"file": path, "molecules": len(reference), "conformers": _conformers(reference)}
    for option, output in outputs.items():
        if option == "--json":
            text = results.json_text(evaluations, facts)
        elif option == "--csv":
            text = results.csv_text(evaluations)
        else:
            from confgen.report import report_html

            text = report_html(evaluations)
        output.write(text.encode(errors="replace"))
    for output in outputs.values():
        output.commit()


def _conformers(reference: Sequence[ConformerSet]) -> int:
    return sum(known.mol.GetNumConformers() for known in reference if known.mol is not None)


def _heading(protocol: Protocol, reference: Sequence[ConformerSet], path: str) -> list[str]:
    """What was compared, and how, in two lines."""
    covered = "at most" if protocol.inclusive else "below"
    scored = f"the first {protocol.per_reference} for each reference" if protocol.per_reference else "all"
    return [
        f"Reference {path}: {len(reference)} molecules, {_conformers(reference)} conformers",
        f"Protocol {protocol.name}: heavy atoms, covered {covered} the threshold; of the generated, {scored} scored",
    ]


def _print(text: str) -> None:
    stream = OutputFile("-")
    stream.open()
    stream.write(text.encode(sys.stdout.encoding or "utf-8", errors="replace"))
    stream.commit()
