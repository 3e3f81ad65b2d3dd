"""The options that a run would use, printed instead of run (`confgen generate --show`)."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

from confgen.checkpoint import find, read_config
from confgen.cli.console import show
from confgen.options import PRESETS, as_options, settings_for

OF_COMMAND = {"temperature_k": "temperature", "timeout_s": "timeout"}  # where options and settings are named otherwise


def show_options(weights: str, preset: str | None, options: Mapping[str, Any], offered: Container[str]) -> None:
    """Prints, as TOML, the options that `confgen generate` would use, of those that it offers.

    Raises WeightsError, and CannotStart for options that make no sense.
    """
    settings = settings_for(read_config(find(weights)).get("sampling", {}), preset, options)
    if preset is not None:
        show(f"# preset {preset}: {PRESETS[preset].purpose}")
    show(f"weights = {json.dumps(weights)}")
    for name, value in as_options(settings).items():
        option = OF_COMMAND.get(name, name)
        if option in offered and name != "template":
            show(f"{option.replace('_', '-')} = {json.dumps(value)}")
