"""Tables of a TOML file as settings: unknown keys, missing ones and values of another type are InputErrors.

All take the path of the file, for messages and as the folder that paths are taken from, and the name of the table.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from confgen.errors import InputError

Section = TypeVar("Section")


def table(path: Path, text: dict[str, Any], name: str) -> dict[str, Any]:
    """The table of that name, empty if there is none."""
    found = text.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {name} must be a table, [{name}]")
    return found


def section(path: Path, name: str, kind: type[Section], values: dict[str, Any]) -> Section:
    """A settings dataclass filled from a table; numbers may be written as integers."""
    fitting = fitted(path, name, types_of(kind), values)
    try:
        return kind(**fitting)
    except TypeError as error:
        missing = str(error).split("'")[-2] if "'" in str(error) else "?"
        raise InputError(f"{path}: {name}.{missing} is missing") from error


def types_of(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, by their names."""
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def fitted(path: Path, name: str, known: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values of a table as the types that are known of its keys."""
    for key in values:
        if key not in known:
            raise InputError(f"{path}: {name}.{key} is not a setting; there is {', '.join(known)}")
    return {key: fit(path, f"{name}.{key}", known[key], value) for key, value in values.items()}


def fit(path: Path, name: str, kind: Any, value: Any) -> Any:
    """The value as the type that the setting has."""
    if kind is Path and isinstance(value, str):
        return path.parent / value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    choices = get_args(kind)  # of a Literal
    if value in choices or type(value) is kind:
        return value
    wanted = " or ".join(map(repr, choices)) or ("text" if kind is Path else kind.__name__)
    raise InputError(f"{path}: {name} is {value!r}, but must be {wanted}")
