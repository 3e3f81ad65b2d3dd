"""Text of many molecules, cut into that of one each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_RECORD_LINES = 200_000  # of one SDF or MOL2 record: a file of another kind must not end up in memory
# What stands between bars behind a SMILES and is no CXSMILES extension, whose fields have one of these signs.
NO_EXTENSION = re.compile(r"\|(?!r\|)[^|:$()^]*[^\W\d][^|:$()^]*\|")


def head_of(lines: Iterator[str]) -> list[str]:
    """The lines up to the fourth that is neither blank nor a comment: they tell one kind of file from another."""
    head: list[str] = []
    telling = 0
    while telling < 4 and len(head) < MAX_RECORD_LINES and (line := next(lines, "")):
        head.append(line)
        telling += bool(line.strip()) and not line.startswith("#")
    return head


def split_line(text: str) -> tuple[str, str]:
    """SMILES, with its CXSMILES extension if there is one, and the name, which is the SMILES if there is none.

    A name between bars is not taken for an extension.
    """
    smiles, *rest = text.split(None, 1) or [""]
    after = rest[0] if rest else ""
    extension = ""
    if after.startswith("|") and not NO_EXTENSION.match(after) and (end := after.find("|", 1)) > 0:
        extension, after = f" {after[: end + 1]}", after[end + 1 :].strip()
    return smiles + extension, after.split("\t")[0].strip() or smiles


def sdf_blocks(lines: Iterable[str]) -> Iterator[str]:
    """The records of an SDF, without the lines of dollars that end them."""
    block: list[str] = []
    for line in lines:
        if line.startswith("$$$$"):
            yield "".join(block)
            block = []
        elif len(block) < MAX_RECORD_LINES:
            block.append(line)
    if any(line.strip() for line in block):
        yield "".join(block)


def mol2_blocks(lines: Iterable[str]) -> Iterator[str]:
    """The records of a MOL2 file."""
    block: list[str] = []
    for line in lines:
        if line.startswith("@<TRIPOS>MOLECULE"):
            if block:
                yield "".join(block)
            block = [line]
        elif block and len(block) < MAX_RECORD_LINES:  # what stands before the first record is comment
            block.append(line)
    if block:
        yield "".join(block)
