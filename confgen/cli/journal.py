"""What a run leaves besides conformers: the list of failed molecules (--failed) and the report (--report)."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from confgen.columns import FAILED_COLUMNS, quoted
from confgen.errors import OutputError
from confgen.outfile import OutputFile, descriptor
from confgen.readers import KINDS, LINES
from confgen.smiles import without_hydrogens

if TYPE_CHECKING:  # it brings torch, which not every command needs
    from confgen.generate import Ensemble

FAILED_HEADER = "\t".join(FAILED_COLUMNS) + "\n"  # which the readers of .smi and of .tsv files know
FAILED_KINDS = (*(suffix for suffix, kind in KINDS.items() if kind == LINES), ".tsv")


class Journal:
    """One or both files, line by line; they appear, whole, when the `with` block ends, and not if it ends in an error.

    failed:  tab-separated, readable as .smi and as .tsv; what begins with a quote is in quotes. A line on what was not
             understood is a comment: `#`, and the SMILES or row as it was given. See `refuse_other_lists`.
    report:  JSON lines, one on every molecule, good or bad, in the order of the input.
    """

    def __init__(self, failed: str | None, report: str | None, *, force: bool = False) -> None:
        refuse_other_lists(failed)
        self._failed = OutputFile(failed, force=force) if failed else None
        self._report = OutputFile(report, force=force) if report else None
        self._files = [file for file in (self._failed, self._report) if file is not None]

    def __enter__(self) -> Journal:
        try:
            for file in self._files:
                file.open()
            if self._failed is not None:
                self._failed.write(FAILED_HEADER.encode())
        except OutputError:
            self._discard()
            raise
        return self

    def note(self, ensemble: Ensemble) -> None:
        """Writes down what became of a molecule."""
        smiles = None if ensemble.mol is None else without_hydrogens(ensemble.mol)
        if self._failed is not None and ensemble.error is not None:
            given = getattr(ensemble.error, "__notes__", [""])[0]
            self._failed.write(failed_line(smiles, ensemble.name, ensemble.origin, str(ensemble.error), given))
        if self._report is not None:
            written = 0 if ensemble.mol is None or ensemble.error else ensemble.mol.GetNumConformers()
            row = json.dumps({
                "origin": ensemble.origin,
                "name": ensemble.name,
                "smiles": smiles,
                "num_confs": ensemble.asked,
                "written": written,
                "valid": sum(not names for names in ensemble.checks),
                "sources": Counter(ensemble.sources),
                "relaxations": Counter(ensemble.relaxations),
                "seconds": round(ensemble.seconds, 3),
                "stages": {stage: round(seconds, 3) for stage, seconds in ensemble.stages.items()},
                "notes": ensemble.notes,
                "error": str(ensemble.error) if ensemble.error else None,
            }, ensure_ascii=False) + "\n"  # fmt: skip
            self._report.write(row.encode(errors="replace"))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for file in self._files if kind is None else []:
                file.commit()
        finally:
            self._discard()

    def _discard(self) -> None:
        for file in self._files:
            file.discard()


def failed_line(smiles: str | None, name: str, origin: str, reason: str, given: str = "") -> bytes:
    """A line of the list of failed molecules; one without a name has its SMILES as name, as readers do it.

    given:  text of one that has no SMILES because it was not understood.
    """
    comment = given if given.startswith("#") else f"#{given}"
    first, *last = (" ".join(cell.split()) for cell in (smiles or comment, origin, reason))
    own = re.sub(r"[\t\r\n]+", " ", name).strip() or smiles or ""  # otherwise as it is, with all its blanks
    row = "\t".join(quoted(cell) for cell in (first, own, *last)) + "\n"
    return row.encode(errors="replace")


def refuse_other_lists(path: str | None) -> None:
    """Raises OutputError if a list of failed molecules would not be read back from a file of that name.

    A device or pipe may have any name.
    """
    if path is None or path == "-" or descriptor(path) is not None or (Path(path).exists() and not _is_file(path)):
        return
    if not path.lower().removesuffix(".gz").endswith(FAILED_KINDS):
        what = "the list of --failed has SMILES between tabs"
        raise OutputError(f"{path}: {what}, which its name does not say; name a file that ends in .smi or .tsv")


def refuse_shared_files(inputs: Sequence[str], outputs: dict[str, str | None]) -> None:
    """Raises OutputError if one file is to be written twice, or written and read.

    outputs: what follows each option.
    """
    read = {_identity(source) for source in inputs if _is_file(source)}
    written: dict[object, str] = {}
    for option, path in outputs.items():
        if path is None or (path == "-" and option == "-o"):
            continue
        if path == "-":
            raise OutputError(f"{option} -: standard output is for conformers; name a file")
        identity = _identity(path)
        if identity is None:
            continue
        if identity in read:
            raise OutputError(f"{path}: is an input, which {option} would overwrite; choose another name")
        if identity in written:
            raise OutputError(f"{path}: is given to {written[identity]} and to {option}; choose two names")
        written[identity] = option


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # a SMILES too long for a name, or with characters no name can have
        return False


def _identity(path: str) -> object:
    """What two names of the same file have in common; None for a device or pipe, which may be written by several."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino) if _is_file(path) else None
