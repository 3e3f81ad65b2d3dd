"""Variants of a training config, each one or several settings that differ from it, as written on a command line."""

from __future__ import annotations

import copy
import re
import tomllib
from typing import Any

from confgen.errors import CannotStart

BASE = "base"
OURS = {"optim.seed": "--seeds", "optim.steps": "--minutes"}
SETTING = r"\s*(?=\w+\.[\w.]+\s*=)"  # what follows a comma or plus that divides; one in a list or in 1e+3 does not


def split_variants(text: str) -> dict[str, dict[str, Any]]:
    """Settings by variant, base with none first, of `table.key=value+table.key=value,...`. Raises CannotStart."""
    variants: dict[str, dict[str, Any]] = {BASE: {}}
    for variant in re.split("," + SETTING, text.strip()) if text.strip() else []:
        settings = (part.partition("=") for part in re.split(r"\+" + SETTING, variant))
        variants[variant] = {key.strip(): _value(key.strip(), value.strip()) for key, _, value in settings}
    return variants


def _value(key: str, text: str) -> Any:
    """The TOML value that a text says; a plain word is itself."""
    if key in OURS:
        raise CannotStart(f"variant {key}={text}: this is what {OURS[key]} sets; leave it out")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if re.fullmatch(r"[A-Za-z_][\w./-]*", text):
            return text
        raise CannotStart(f"variant {key}={text}: not a TOML value ({error}); give table.key=value") from error


def changed(tables: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A copy of the tables of a config with settings, by their dotted names, put in. Raises CannotStart."""
    result = copy.deepcopy(tables)
    for key, value in settings.items():
        *path, last = key.split(".")
        table = result
        for name in path:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise CannotStart(f"variant {key}: {name} is no table in the config; give table.key=value")
        table[last] = value
    return result
