"""The skeleton of a model card: what the run knows of itself, and the headings that a person has to fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from confgen.checkpoint import read_config
from confgen.recipe import Recipe

HEADINGS = ("What it is for", "Figures, each with its command", "Limits", "Licence and attribution of the data")


def write_card(folder: Path, recipe: Recipe) -> None:
    """Writes `README.md` into a weights folder, unless there is one: what a person wrote is never overwritten."""
    card = folder / "README.md"
    if card.exists():
        return
    config = read_config(folder)
    total = sum(entry.weight for entry in recipe.sets)
    sets = [f"- {entry.path.name}: {entry.weight / total:.0%} of the samples" for entry in recipe.sets]
    lines = [
        f"# Weights from {folder.resolve().parent.name}",
        f"Network {config['network']}, {config['parameters']:,} parameters.",
        "## Training data",
        "\n".join(sets),
        "## Training",
        _table(config["training"]),
        "## Sampling",
        _table(config["sampling"]),
        *[f"## {heading}\n\nTo be written." for heading in HEADINGS],
    ]
    card.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _table(values: dict[str, Any]) -> str:
    rows = [f"| {key} | {value} |" for key, value in values.items()]
    return "\n".join(["| what | value |", "| --- | --- |", *rows])
