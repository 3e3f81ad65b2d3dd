"""What the scripts have in common as commands: options, errors in one line, tables in Markdown, printed and kept.

It imports nothing of weight: speed.py measures programs, and would count it as theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from confgen.errors import ConfgenError

LogFile = Annotated[Path, typer.Option("--json", help="Write one line for each molecule and method.")]
MarkdownFile = Annotated[Path | None, typer.Option("--markdown", help="Write the tables here as well.")]
Methods = Annotated[str, typer.Option(help="Comma-separated; see peers.py.")]
Weights = Annotated[str, typer.Option(help="Name or folder.")]
Seed = Annotated[int, typer.Option(min=1, help="Of every method that has one.")]
Limit = Annotated[float, typer.Option("--limit", min=1, help="CPU seconds a method has for a molecule.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what --json has of an earlier run.")]


@contextmanager
def errors_told() -> Iterator[None]:
    """Ends the command as an error of confgen says: one line on standard error and its exit code."""
    try:
        yield
    except ConfgenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    cells = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]


def publish(text: str, target: Path | None) -> None:
    """Prints the text, and writes it to a file too if there is one."""
    typer.echo(text)
    if target is not None:
        target.write_text(text, encoding="utf-8")
