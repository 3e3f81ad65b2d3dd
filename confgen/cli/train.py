"""`confgen train`: a training run from its TOML file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from confgen.cli.common import OUTPUT, RUNNING, Device, Progress
from confgen.cli.console import counted, exits, say


def train(
    *,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file that says what to train, and on what.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="RUN", rich_help_panel=OUTPUT, help="Folder of the run.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", rich_help_panel=RUNNING, help="Go on with the run that the folder holds.")
    ] = False,
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="NAME|DIR", show_default=False, rich_help_panel=RUNNING,
                     help="Trained weights to begin a new run with."),
    ] = None,
    device: Device = "auto",
    max_minutes: Annotated[
        float | None,
        typer.Option(metavar="M", show_default=False, rich_help_panel=RUNNING,
                     help="Stop after that time, with everything saved."),
    ] = None,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Train a network; the folder RUN gets its log, checkpoints and weights."""
    words = ["confgen", "train", str(config), "-o", str(output), "--resume", *(["--init", init] if init else [])]
    with exits(f"go on with: {shlex.join(words)}"):
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
            validate=validator(read_recipe(config), say),
            progress=progress,
            tell=say,
        )
        say(f"{counted(trainer.step, 'step')}; generate with --weights {output / 'weights'}")
