"""The tags of an input on its molecule: SD tags, and the columns of a table.

They keep their names, save those that RDKit takes for its own: one that begins with `_` (`_Name` would be the title),
or is what RDKit computes, becomes `input__Name`; one without a name becomes `input_unnamed`. Of several of one name
the later ones are numbered: `mw`, `mw_2`. (`record_tags` does the same with the names of what confgen writes.)
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from rdkit.Chem import Mol

COMPUTED = "numArom"  # RDKit overwrites it; all else that it computes begins with "_"


def sd_tags(block: str) -> list[tuple[str, str]]:
    """Names and values of the SD tags after the structure; a value is all the lines up to the next tag.

    A tag begins after the structure, an empty line or another tag: a line amid a value may look like one.
    """
    block = block.replace("\r\n", "\n")
    after = "\n" + block.partition("M  END")[2].lstrip("\n")
    parts = re.split(r"(?:(?<=\A\n)|(?<=\n\n)|(?<=>\n))>[^\n<]*<([^\n]*)>[^\n>]*\n", after)
    return [(key, value.split("\n$$$$")[0].strip("\n")) for key, value in zip(parts[1::2], parts[2::2], strict=True)]


def set_tags(mol: Mol, tags: Iterable[tuple[str, str]]) -> None:
    """Gives the molecule, in place, the tags of its input under names that mean nothing to RDKit."""
    taken: set[str] = set()
    for tag, value in tags:
        name = tag.strip()
        if not name or name.startswith("_") or name == COMPUTED:
            name = renamed(name)
        name = free_name(name, taken)
        taken.add(name)
        mol.SetProp(name, value)


def renamed(tag: str) -> str:
    """The name of a tag of the input whose own name is somebody else's."""
    return f"input_{tag or 'unnamed'}"


def free_name(name: str, taken: Container[str]) -> str:
    """The name, numbered from 2 if it is taken."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
