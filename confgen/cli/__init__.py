"""The command line: `confgen generate`, `library`, `evaluate`, `check`, `train`, `data` and `weights`.

It parses, calls, reports.

Exit codes: 0 all done; 1 a bug, with its traceback; 2 cannot start, or the output cannot be written; 3 finished, but
some molecules failed; 4 finished, nothing to write; 129, 130 and 143 ended by SIGHUP, Ctrl-C and SIGTERM.
What is slow to import (torch, RDKit) is imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from confgen.cli.check import check
from confgen.cli.console import make_forgiving
from confgen.cli.data import data_app
from confgen.cli.evaluate import evaluate
from confgen.cli.generate import generate
from confgen.cli.library import library
from confgen.cli.train import train
from confgen.cli.weights import weights_app

app = typer.Typer(
    name="confgen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate)
app.command()(library)
app.command()(evaluate)
app.command()(check)
app.command()(train)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")


def _show_version(wanted: bool) -> None:
    if wanted:
        from confgen.version import confgen_version

        typer.echo(f"confgen {confgen_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """3D conformers of molecules from a trained diffusion network."""
    del version


def main() -> None:
    """Run the command line: the entry point of the programs `confgen` and `confgen-mol`."""
    make_forgiving()
    app()
