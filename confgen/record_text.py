"""Names and tags as text that each format can hold."""

from __future__ import annotations

import json


def unicode_text(text: str) -> str:
    """The text with what no file can hold (stray bytes of a file name, say, or NUL) as question marks."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def one_line(text: str) -> str:
    """The text with every run of white space, line breaks among it, made one space."""
    return " ".join(unicode_text(text).split())


def sdf_title(name: str) -> str:
    """A first line for a record; four dollars there would end the record before it begins."""
    title = one_line(name)
    return f"_{title}" if title.startswith("$$$$") else title


def sdf_tag(tag: str) -> str:
    """The name of a tag without what ends it."""
    return one_line(tag).translate({ord("<"): "(", ord(">"): ")"}) or "unnamed"


def sdf_value(value: str) -> str:
    """The text without what ends a value (an empty line) or a record (four dollars)."""
    lines = (line.rstrip() for line in value.replace("\0", "?").splitlines())
    return "\n".join(f" {line}" if line.startswith(("$$$$", ">")) else line for line in lines if line)


def ase_json(content: object) -> str:
    """JSON as ASE reads it in a comment line, where it takes single backslashes for its own."""
    text = json.dumps(content).replace('\\"', "\\u0022").replace("\\", "\\\\")
    return f"_JSON {text}"


def ase_text(text: str) -> str:
    """Text as ASE reads it in a comment line, where a backslash is doubled if the text stands in quotes."""
    import ase.io.extxyz

    quoted = ase.io.extxyz.escape(text).startswith('"')
    return text.replace("\\", "\\\\") if quoted else text
