"""What becomes of a molecule of which references are asked for, as one entry of the unfinished file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdkit import Chem

from confgen.complaints import quiet
from confgen.conformers import from_binary, label
from confgen.crew import Lost
from confgen.errors import MoleculeError
from confgen.readers import Record
from confgen.references import ReferenceSettings, reference, stereoisomers
from confgen.rows import row_of
from confgen.smiles import without_hydrogens

# Plain data: rows, failed (SMILES, name, origin, reason and text of each, as `journal.failed_line`), notes, cpu_s.
Entry = dict[str, Any]


def begin(settings: ReferenceSettings) -> Callable[[bytes], Entry]:
    """What makes the entry of one molecule, a binary with all its properties, in a worker."""

    def work(binary: bytes) -> Entry:
        with quiet():
            return made_of(from_binary(binary), settings)

    return work


def made_of(mol: Chem.Mol, settings: ReferenceSettings) -> Entry:
    """The entry of a molecule: a row for each of its isomers that could be done."""
    began = time.process_time()
    rows: list[Entry] = []
    failed: list[list[str]] = []
    notes: list[str] = []
    try:
        isomers, notes = stereoisomers(mol, settings)
    except (MoleculeError, RuntimeError, ValueError) as error:
        isomers, failed = [], [_failure(mol, error)]
    for isomer in isomers:
        try:
            made, remarks = reference(isomer, settings)
            row = row_of(made)
        except (MoleculeError, RuntimeError, ValueError) as error:  # the latter two are how RDKit gives up
            failed.append(_failure(isomer, error))
            continue
        notes += remarks
        rows.append(row | {"positions": row["positions"].astype(float).round(4).tolist()})
    return {"rows": rows, "failed": failed, "notes": notes, "cpu_s": round(time.process_time() - began, 2)}


def _failure(mol: Chem.Mol, error: Exception) -> list[str]:
    reason = " ".join(str(error).split())
    told = reason if isinstance(error, MoleculeError) else f"{label(mol)}: {reason[:120]}; leave it out"
    name, origin = (mol.GetProp(key) if mol.HasProp(key) else "" for key in ("_Name", "_confgen_origin"))
    return [without_hydrogens(mol), name, origin, told, ""]


def entry_of(record: Record, answer: Entry | Lost, timeout_s: float | None) -> Entry:
    """The answer of a worker, or an entry that says why there is none."""
    smiles = given = ""
    if record.mol is None:
        reason, given = str(record.error), getattr(record.error, "__notes__", [""])[0]
    elif not isinstance(answer, Lost):
        return answer
    else:
        smiles = without_hydrogens(record.mol)
        ended = f"its worker process {answer.cause}; try fewer --workers or another --method"
        late = f"took longer than --timeout {timeout_s}; raise it, or make the --pool smaller"
        reason = f"{label(record.mol)}: {late if answer.exitcode is None else ended}"
    return {"rows": [], "failed": [[smiles, record.name, record.origin, reason, given]], "notes": [], "cpu_s": 0.0}
