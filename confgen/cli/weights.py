"""`confgen weights`: the trained weights that there are, and what is known of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from confgen.cli.console import exits, say, show

weights_app = typer.Typer(help="List trained weights, or show one.")


@weights_app.callback(invoke_without_command=True)
def weights(context: typer.Context) -> None:
    """List trained weights, or show one."""
    if context.invoked_subcommand is None:
        list_weights()


@weights_app.command("list")
def list_weights() -> None:
    """List the weights that came with the package: name, network, parameters."""
    with exits("nothing was changed"):
        from confgen.checkpoint import read_config, shipped

        folders = shipped()
        if not folders:
            say("no weights came with this package; train some, and pass their folder to --weights")
        for name, folder in folders.items():
            config = read_config(folder)
            show(f"{name:<12} {config['network']:<10} {_parameters(config)}")


@weights_app.command("show")
def show_weights(
    name: Annotated[str, typer.Argument(metavar="NAME|DIR", help="Name of shipped weights, or a folder.")],
) -> None:
    """Show what is known of one set of weights."""
    with exits("nothing was changed"):
        from confgen.checkpoint import find, read_config
        from confgen.settings import default_settings

        folder = find(name)
        config = read_config(folder)
        settings = default_settings(config.get("sampling", {}))
        facts = {
            "name": folder.name, "network": config["network"], "parameters": _parameters(config),
            "sha256": config["sha256"], "torsions": config.get("torsions_sha256", "none"), "path": folder,
        }  # fmt: skip
        for title, table in {
            "": facts,
            "sampling": asdict(settings.start) | asdict(settings.sampler),
            "training": config.get("training", {}),
            "network": config["config"],
        }.items():
            if title:
                show(f"\n{title}")
            for key, value in table.items():
                show(f"{'  ' if title else ''}{key:<16} {value}")


def _parameters(config: dict[str, object]) -> str:
    count = config.get("parameters")
    return f"{count:,}" if isinstance(count, int) else "unknown"
