"""Conformer ensembles to one file, whole or not at all: SDF, extended XYZ, JSON lines, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from rdkit import Chem

from confgen.complaints import short
from confgen.conformer_sets import ConformerSet
from confgen.errors import CannotStart, MoleculeError, OutputError
from confgen.formats import jsonl_text, parquet_row, parquet_schema, sdf_text, xyz_text
from confgen.outfile import OutputFile
from confgen.parquet import ParquetRows
from confgen.record_tags import EnsembleLike
from confgen.rewriting import reread

FORMATS = ("sdf", "xyz", "jsonl", "parquet")
EXTENSIONS = {".sdf": "sdf", ".sd": "sdf", ".xyz": "xyz", ".extxyz": "xyz", ".jsonl": "jsonl", ".parquet": "parquet"}

T = TypeVar("T")
Written = EnsembleLike | ConformerSet
TEXT_OF: dict[str, Callable[[EnsembleLike, Chem.Mol], str]] = {"sdf": sdf_text, "xyz": xyz_text, "jsonl": jsonl_text}


def write_ensembles(
    ensembles: Iterable[Written],
    path: str | Path,
    *,
    format: str | None = None,
    force: bool = False,
) -> int:
    """Number of conformers written to `path`; see `Writer` for formats and errors.

    ensembles: of `generate`, or molecules as `read_ensembles` gives them, of which less is known.
    """
    with Writer(path, format=format, force=force) as writer:
        for ensemble in ensembles:
            writer.write(ensemble)
    return writer.num_conformers


class Writer:
    """Ensembles to one file, one after the other; the file appears, whole, when the `with` block ends.

    Enter it before the computation: an output that exists, or cannot be written, is refused there.
    Failed ensembles (with an error, or without conformers) are passed over. If nothing was written no file is
    made; if the block ends in an exception, Ctrl-C included, what was begun is removed.

    path:    `-` is standard output (not for Parquet); a name ending in `.gz` is compressed (not for Parquet).
    format:  one of FORMATS; by default what the name's ending says, SDF on standard output.
    Raises:  OutputError for the file as a whole; MoleculeError from `write` for one molecule that the format
             cannot hold, of which nothing is written then.
    """

    def __init__(self, path: str | Path, *, format: str | None = None, force: bool = False) -> None:
        self.format, compress = resolve_format(str(path), format)
        self.num_conformers = 0
        self.num_molecules = 0
        self._file = OutputFile(str(path), compress=compress, force=force)
        self._parquet = ParquetRows(self._file, parquet_schema()) if self.format == "parquet" else None

    def __enter__(self) -> Writer:
        self._file.open()
        return self

    def write(self, made: Written) -> None:
        ensemble = reread(made) if isinstance(made, ConformerSet) else made
        if not hasattr(ensemble, "mol") or not hasattr(ensemble, "error"):
            raise CannotStart(
                f"what is to be written is {short(repr(made))}; give ensembles of generate or read_ensembles"
            )
        mol = ensemble.mol
        if ensemble.error is not None or mol is None or mol.GetNumConformers() == 0:
            return
        if self._parquet is not None:
            self._parquet.add(self._rendered(parquet_row, ensemble, mol))
        else:
            self._file.write(self._rendered(TEXT_OF[self.format], ensemble, mol).encode(errors="replace"))
        self.num_molecules += 1
        self.num_conformers += mol.GetNumConformers()

    def _rendered(self, render: Callable[[EnsembleLike, Chem.Mol], T], ensemble: EnsembleLike, mol: Chem.Mol) -> T:
        try:
            return render(ensemble, mol)
        except (ValueError, RuntimeError) as error:  # how RDKit says that a format cannot hold a molecule
            where, reason = f"{ensemble.origin} '{ensemble.name}'", " ".join(str(error).split())
            raise MoleculeError(
                f"{where}: cannot be written as {self.format} ({reason}); try another --format"
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.num_molecules > 0:
                if self._parquet is not None:
                    self._parquet.close()
                self._file.commit()
        finally:
            if self._parquet is not None:
                self._parquet.abandon()
            self._file.discard()


def resolve_format(path: str, format: str | None) -> tuple[str, bool]:
    """The format to write and whether to compress it.

    Raises:  OutputError if neither `format` nor the ending of `path` names one, or if the two cannot go together.
    """
    compress = path.lower().endswith(".gz")
    if not isinstance(format, str | None):
        raise OutputError(f"{path}: format is {format!r}; choose one of {', '.join(FORMATS)}")
    if format is None:
        ending = Path(path.lower().removesuffix(".gz")).suffix
        found = "sdf" if path == "-" else EXTENSIONS.get(ending)
        if found is None:
            raise OutputError(
                f"{path}: cannot tell the format from the name; end it in .sdf, .xyz, .jsonl (also .gz) or .parquet, "
                "or pass --format"
            )
    else:
        compress = compress or format.endswith(".gz")
        found = format.removesuffix(".gz")
        if found not in FORMATS:
            raise OutputError(f"format '{format}' is unknown; choose one of {', '.join(FORMATS)}")
    if found == "parquet" and (path == "-" or compress):
        raise OutputError(f"{path}: parquet goes to a plain file; name one that ends in .parquet")
    return found, compress
