"""`confgen train`: a training run from its TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from confgen.cli.console import exits, say


def train(
    *,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file that says what to train, and on what.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds.")] = False,
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="NAME|DIR", show_default=False, help="Trained weights to begin a new run with."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, or cuda:1 and so on.")] = "auto",
    max_minutes: Annotated[
        float | None,
        typer.Option(metavar="M", show_default=False, help="Stop after that time, with everything saved."),
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", show_default="on a terminal", help="Progress bar."),
    ] = None,
) -> None:
    """Train a network; the folder RUN gets its log, checkpoints and weights."""
    with exits(f"go on with: confgen train {config} -o {output} --resume"):
        from confgen.device import choose_device
        from confgen.recipe import read_recipe
        from confgen.train import train as run
        from confgen.validation import validator

        trainer = run(
            config,
            output,
            resume=resume,
            init=init,
            device=choose_device(device),
            max_minutes=max_minutes,
            validate=validator(read_recipe(config)),
            progress=progress,
        )
        say(f"{trainer.step} steps; generate with --weights {output / 'weights'}")
