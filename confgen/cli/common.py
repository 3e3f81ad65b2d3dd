"""Options that several commands take, and how they parse them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

# Panels of the help.
RUNNING, OUTPUT, INPUT = "Running", "Output", "Input tables"

INPUT_HELP = "SMILES in quotes, .smi, .csv, .tsv, .sdf, .mol and .mol2 files (also .gz), - for standard input."

Force = Annotated[bool, typer.Option("--force", rich_help_panel=OUTPUT, help="Replace files that exist.")]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", rich_help_panel=OUTPUT, help="On standard error, say only what failed.")
]
Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress", show_default="on a terminal", rich_help_panel=OUTPUT, help="Progress bar."
    ),
]
Device = Annotated[
    str, typer.Option(metavar="NAME", rich_help_panel=RUNNING, help="auto, cpu, cuda, or cuda:1 and so on.")
]
SmilesColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", show_default="found by its name", rich_help_panel=INPUT,
        help="Column of .csv and .tsv files that holds the SMILES.",
    ),
]  # fmt: skip
NameColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", show_default="found by its name", rich_help_panel=INPUT,
        help="Column of .csv and .tsv files that holds the names.",
    ),
]  # fmt: skip
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="S", show_default=False, rich_help_panel=RUNNING, help="Seconds after which a molecule is given up."
    ),
]
FailedFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.smi", show_default=False, rich_help_panel=RUNNING,
        help="List the molecules that failed, in a form that can be the next input.",
    ),
]  # fmt: skip
# Repeated from confgen.options, which brings torch; a test compares them.
PresetName = Literal["fast", "ensemble", "docking", "macrocycle", "spectroscopy"]


def whole_number(text: str | int) -> int:
    """A whole number from 1 on."""
    if not str(text).isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is not a whole number from 1 on")
    return int(text)


def count_or_auto(text: str | int) -> int | str:
    """A whole number from 1 on, or auto."""
    return "auto" if text == "auto" else whole_number(text)


def whole_seed(text: str | int) -> int:
    """A whole number from 0 to 2^63 - 1."""
    if not str(text).isdecimal() or int(text) >= 2**63:
        raise typer.BadParameter(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)
