"""Why RDKit could not read a molecule, in words for one line of a message; atoms are counted from 1.

RDKit's logs are one for all threads, and each way it has to block or capture them restores what it found. So here
they are blocked once for all who want that at a time, and nobody captures or stops blocking while another captures.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rdkit import Chem, rdBase

LIMIT = 80  # characters of a text that stands in a message


@dataclass
class _Logs:
    """Who holds RDKit's logs: `lock` for as long as they are captured, and how many want them blocked."""

    lock: threading.RLock
    blocked: int = 0
    block: rdBase.BlockLogs | None = None


_LOGS = _Logs(threading.RLock())


@contextmanager
def quiet() -> Iterator[None]:
    """RDKit logs nothing inside, in any thread."""
    with _LOGS.lock:
        _LOGS.blocked += 1
        _LOGS.block = _LOGS.block or rdBase.BlockLogs()
    try:
        yield
    finally:
        with _LOGS.lock:
            _LOGS.blocked -= 1
            if not _LOGS.blocked:
                _LOGS.block = None  # which restores the logs


@contextmanager
def captured() -> Iterator[Any]:
    """What RDKit complains of inside, as `messages`; only this thread may complain meanwhile."""
    with _LOGS.lock, rdBase.CaptureErrorLog() as log:
        yield log


def smiles_reason(smiles: str, log: str) -> str:
    """Why RDKit could not read a SMILES, from what it logged."""
    if not log and "|" in smiles:
        return "the extension between the bars cannot be read"
    if "unclosed ring" in log:
        unpaired: set[str] = set()
        for closure in re.findall(r"%\(\d+\)|%\d\d|\d", re.sub(r"\[[^\]]*\]", "", smiles.split()[0])):
            unpaired ^= {closure.strip("%()")}
        return f"ring {', '.join(sorted(unpaired))} is not closed"
    position = re.search(r"mistakes around position (\d+)", log)
    if position is None:
        return reason_in(log)
    if "extra open parentheses" in log:
        return f'the "(" at character {position[1]} is not closed'
    if "extra close parentheses" in log:
        return f'the ")" at character {position[1]} was not opened'
    at = int(position[1])
    return f'character {at}, "{short(smiles[at - 1 : at])}", cannot be understood'


def block_reason(block: str, log: str) -> str:
    """Why RDKit could not read a MOL block; the SDF reader tells more than the block reader does."""
    if not block.strip():
        return "the record is empty"
    if "M  END" not in block:
        return "the record is cut short, it has no M  END line"
    if not log:
        with captured() as supplier_log:
            supplier = Chem.SDMolSupplier()
            supplier.SetData(block + "\n$$$$\n")
            _ = supplier[0]
            log = supplier_log.messages
    return reason_in(log) or "the record cannot be read"


def reason_in(log: str) -> str:
    """What RDKit complained of, in words, with atoms counted from 1."""
    if found := re.search(r"valence for atom # (\d+) (\w+), (\d+)", log):
        return f"atom {int(found[1]) + 1} ({found[2]}) has valence {found[3]}, more than it can have"
    if found := re.search(r"Unkekulized atoms: ([\d ]+)", log):
        atoms = " ".join(str(int(index) + 1) for index in found[1].split())
        return f"aromatic atoms {atoms} cannot have alternating double bonds (is a hydrogen missing, as in [nH]?)"
    if found := re.search(r"non-ring atom (\d+) marked aromatic", log):
        return f"atom {int(found[1]) + 1} is aromatic but in no ring"
    if found := re.search(r"ring closure (\d+) duplicates bond between atom (\d+) and atom (\d+)", log):
        return (
            f"ring closure {found[1]} joins atoms {int(found[2]) + 1} and {int(found[3]) + 1}, which are bonded already"
        )
    if found := re.search(r"Element '(.*?)' not found", log):
        return f"'{found[1]}' is no element"
    if "Atomic number not found" in log:
        return "an element beyond oganesson (118)"
    if "bond_pin" in log and "Range Error" in log:
        return "a bond names an atom that is not there"
    chatter = r"^\[[\d:]+\]|SMILES Parse Error:|ERROR:|Problems encountered parsing Mol data,| for input:.*"
    for line in log.splitlines():
        text = re.sub(chatter, "", line).strip()
        if text and not text.startswith("****") and not text.endswith(("Violation", "Error")):
            return text[0].lower() + text[1:]
    return ""


def short(text: str) -> str:
    """`text` fit for one line of a message."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."
