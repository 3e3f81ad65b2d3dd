"""One run of `confgen check`: files in, verdicts out, and a word on each molecule that could not be checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rdkit import rdBase
from tqdm import tqdm

from confgen.candidates import asking_for, asking_for_those_of, candidates, read_references
from confgen.cli.console import NOTHING_DONE, SOME_FAILED, counted, say
from confgen.cli.journal import refuse_shared_files
from confgen.cli.progress import molecules_bar
from confgen.cli.verdicts import FORMS, Tally
from confgen.errors import CannotStart
from confgen.inspection import Candidate, Findings, inspect
from confgen.outfile import OutputFile


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    inputs: Sequence[str]
    smiles: str | None
    reference: str | None
    energy: bool
    outfmt: str
    output: str
    force: bool
    quiet: bool
    progress: bool | None


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, or the output cannot be written."""
    began = time.monotonic()
    if request.smiles is not None and request.reference is not None:
        raise CannotStart("--smiles and --reference: both say what is asked for; give one of them")
    read = [*request.inputs, *([request.reference] if request.reference else [])]
    refuse_shared_files(read, {"-o": request.output})
    tally, form = Tally(), FORMS[request.outfmt]
    output = OutputFile(request.output, force=request.force)
    with rdBase.BlockLogs():
        ask = _asked(request)
        try:
            told = request.smiles is None and request.reference is None  # by the files, what to ask for
            found = [(source, candidates(source, _say_amid if told else None)) for source in request.inputs]
            output.open()
            output.write(form.head.encode())
            for source, findings in _judged(found, ask, request):
                text = form.body(source, findings)
                output.write(f"{form.between if tally.molecules else ''}{text}".encode(errors="replace"))
                tally.add(findings)
            output.write(form.tail(tally).encode())
            output.commit()
        finally:
            output.discard()
    _sum_up(tally, request, time.monotonic() - began)
    if tally.conformers == 0:
        return NOTHING_DONE
    return SOME_FAILED if tally.unreadable or tally.passed < tally.conformers else 0


def _asked(request: Request) -> Callable[[Candidate], Candidate]:
    """Function that gives a molecule what it should be, if the user says so."""
    if request.smiles is not None:
        return asking_for(request.smiles)
    if request.reference is not None:
        references = read_references(request.reference)
        for one in references:
            if one.error is not None:
                say(f"--reference: {one.error}")
        return asking_for_those_of(request.reference, references)
    return lambda candidate: candidate


def _say_amid(line: str) -> None:
    """A line on standard error, above the bar if there is one."""
    with tqdm.external_write_mode():
        say(line)


def _judged(
    found: list[tuple[str, Iterator[Candidate]]], ask: Callable[[Candidate], Candidate], request: Request
) -> Iterator[tuple[str, Findings]]:
    with molecules_bar(quiet=request.quiet, wanted=request.progress) as bar:
        for source, molecules in found:
            for candidate in molecules:
                findings = inspect(ask(candidate), energy=request.energy)
                if findings.error is not None:
                    with bar.external_write_mode():
                        say(str(findings.error))
                yield source, findings
                bar.update()


def _sum_up(tally: Tally, request: Request, seconds: float) -> None:
    """The last lines. An empty input is always told of."""
    files = ", ".join(request.inputs)
    if tally.molecules == 0:
        say(f"{files}: no molecules in it, so nothing was checked; check the input")
    if request.quiet or not tally.conformers:
        return
    if tally.unasked:
        which = counted(tally.unasked, "molecule")
        say(f"note: nothing says which stereochemistry {which} should have, so that was not checked; give --smiles or "
            "--reference, or see what is there with --outfmt long")  # fmt: skip
    if tally.no_energy and request.energy:
        say(f"note: the energy of {counted(tally.no_energy, 'molecule')} is not known to the force field")
    parts = [f"{tally.passed} of {counted(tally.conformers, 'conformer')} passed"]
    parts += [f"{name} {number}" for name, number in tally.failed.most_common()]
    parts += [f"{counted(tally.unreadable, 'molecule')} could not be checked"] if tally.unreadable else []
    say(f"{files}: {counted(tally.molecules, 'molecule')}, {', '.join(parts)}, {seconds:.1f} s")
