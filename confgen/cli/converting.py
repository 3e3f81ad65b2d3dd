"""One run of `confgen data convert`: ensembles in, rows out, and a word on each that could not be read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from tqdm import tqdm

from confgen.cli.console import NOTHING_DONE, SOME_FAILED, counted, say
from confgen.cli.journal import refuse_shared_files
from confgen.cli.progress import molecules_bar
from confgen.conformer_sets import ConformerSet, Making
from confgen.conformers import positions, with_positions
from confgen.ensembles import read_ensembles
from confgen.errors import CannotStart, MoleculeError
from confgen.omissions import finite_only, right_stereo_only
from confgen.rows import Known, refuse_other_formats, row_of, write_rows
from confgen.version import confgen_version


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    inputs: Sequence[str]
    output: str
    min_confs: int
    max_confs: int | None
    theory: str
    force: bool
    quiet: bool
    progress: bool | None


@dataclass
class Tally:
    """Counts of a run so far."""

    conformers: int = 0
    failed: int = 0
    few: int = 0


def run(request: Request) -> int:
    """The exit code of a run that could start; CannotStart if it could not, or the output cannot be written."""
    began = time.monotonic()
    if request.max_confs is not None and request.max_confs < request.min_confs:
        raise CannotStart(f"--max-confs {request.max_confs} is below --min-confs {request.min_confs}; raise it")
    refuse_other_formats(request.output)
    refuse_shared_files(request.inputs, {"-o": request.output})
    tally = Tally()
    with rdBase.BlockLogs(), molecules_bar(quiet=request.quiet, wanted=request.progress) as bar:
        found = [read_ensembles(source) for source in request.inputs]
        about = {"inputs": list(request.inputs), "theory": request.theory, "confgen_version": confgen_version()}
        count = write_rows(request.output, _rows(found, request, tally, bar), about, force=request.force)
    _sum_up(count, tally, request, time.monotonic() - began)
    if count == 0:
        return NOTHING_DONE
    return SOME_FAILED if tally.failed else 0


def known(found: ConformerSet, max_confs: int | None, theory: str) -> Known:
    """An ensemble that was read, lowest energy first, as it is written; at most `max_confs` conformers.

    theory: of the user; "" for that of the file, if it says so.
    Raises: MoleculeError if it could not be read, or lacks hydrogens: what is learned from it would be wrong.
    """
    if found.mol is None:
        assert found.error is not None
        raise found.error
    if any(atom.GetTotalNumHs() for atom in found.mol.GetAtoms()):
        raise MoleculeError(f"{found.origin} '{found.name}': has hydrogens without coordinates; leave it out")
    count = found.mol.GetNumConformers()
    order = np.arange(count) if found.energies is None else found.energies.argsort(kind="stable")
    order = order[:max_confs]
    weights = None if found.weights is None else found.weights[order]
    mol = Chem.Mol(found.mol)
    for tag in mol.GetPropNames() if found.making is None else ():  # of the first record only, so not of the molecule
        mol.ClearProp(tag)
    making = found.making or Making()
    return Known(
        mol=with_positions(mol, positions(found.mol)[order]),
        name=found.name,
        origin=found.origin,
        checks=[[] for _ in order],
        sources=[""] * len(order),
        theory=theory or making.theory,
        energies=None if found.energies is None else found.energies[order].tolist(),
        boltzmann_weights=None if weights is None or not weights.sum() else (weights / weights.sum()).tolist(),
        energy_method=making.energy_method,
        seed=making.seed,
        weights=making.weights,
    )


def _rows(
    found: Sequence[Iterator[ConformerSet]], request: Request, tally: Tally, bar: tqdm
) -> Iterator[dict[str, Any]]:
    for read in (ensemble for ensembles in found for ensemble in ensembles):
        bar.update()
        ensemble = right_stereo_only(finite_only(read))
        lines = [] if request.quiet else [f"note: {note}" for note in ensemble.notes]
        row = None
        try:
            row = row_of(known(ensemble, request.max_confs, request.theory))
        except MoleculeError as error:
            tally.failed += 1
            lines.append(str(error))
        if lines:
            with bar.external_write_mode():
                for line in lines:
                    say(line)
        if row is not None and ensemble.mol is not None and ensemble.mol.GetNumConformers() < request.min_confs:
            tally.few += 1
        elif row is not None:
            tally.conformers += row["num_confs"]
            yield row | {"energy_kcal_mol": None}  # energies are not absolute


def _sum_up(count: int, tally: Tally, request: Request, seconds: float) -> None:
    if request.quiet:
        return
    parts = [f"{counted(tally.conformers, 'conformer')} of {counted(count, 'molecule')}"]
    parts += [f"{tally.few} had fewer than {request.min_confs}"] if tally.few else []
    parts += [f"{tally.failed} could not be read"] if tally.failed else []
    say(f"{request.output if count else 'nothing written'}: {', '.join(parts)}, {seconds:.1f} s")
