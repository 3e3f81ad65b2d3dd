"""`confgen library`: the options of `generate`, for input of any length."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

import typer

from confgen.cli.common import OUTPUT, RUNNING, whole_number
from confgen.cli.console import exits
from confgen.cli.generate import generate, settings_of
from confgen.errors import ConfgenError

# Of generate, what is about its one output.
OF_GENERATE_ALONE = ("inputs", "show", "output", "format", "force", "failed", "report")
# What says how conformers are made is for `settings_of`, all other options for the request.
OF_REQUEST = ("preset", "weights", "smiles_column", "name_column", "device", "workers", "quiet", "verbose", "progress")


def _part(text: str) -> Any:
    from confgen.library import Part

    number, slash, of = str(text).partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not of the form 2/8")
    try:
        return Part(int(number), int(of))
    except ConfgenError as error:
        raise typer.BadParameter(str(error)) from error


def library(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="SMILES in quotes, .smi, .csv, .tsv, .sdf, .mol and .mol2 files (also "
                       ".gz).", show_default=False),
    ],
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="DIR", show_default=False, rich_help_panel=OUTPUT,
                     help="The folder of the library."),
    ],
    format: Annotated[
        Literal["sdf.gz", "sdf", "xyz.gz", "xyz", "jsonl.gz", "jsonl", "parquet"],
        typer.Option(rich_help_panel=OUTPUT, help="Format of the shards."),
    ] = "sdf.gz",
    shard_size: Annotated[
        int,
        typer.Option(parser=whole_number, metavar="N", rich_help_panel=OUTPUT,
                     help="Molecules of the input in each shard; what is lost when a run is killed."),
    ] = 1000,
    resume: Annotated[
        bool, typer.Option("--resume", rich_help_panel=OUTPUT, help="Go on with what is there of the same command.")
    ] = False,
    part: Annotated[
        Any,
        typer.Option(parser=_part, metavar="I/N", show_default=False, rich_help_panel=RUNNING,
                     help="Make every N-th shard from the I-th on: one of N runs on one folder, on any machines."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|auto|local", show_default=False, rich_help_panel=RUNNING,
                     help="Share the molecules out to the cores of a Ray cluster."),
    ] = None,
    **options: Any,
) -> None:  # fmt: skip
    """Make conformers of a library of any length, in shards; a run that ends early can be gone on with.

    confgen library catalogue.smi -n 10 -o conformers
    """
    with exits("pass --resume to go on; finished shards stay"):
        from confgen.cli.sharding import Request, run
        from confgen.library import Part

        of_request = {name: options.pop(name) for name in OF_REQUEST}
        around = {name: options[name] for name in ("template", "core")}
        code = run(
            Request(
                inputs=inputs, output=output, format=format, shard_size=shard_size, part=part or Part(), resume=resume,
                ray=ray,
                options=settings_of(**options), **around, **of_request,
            )
        )  # fmt: skip
    raise typer.Exit(code)


def _take_options() -> None:
    """Gives `library` the options of `generate`, by which typer tells what a command takes."""
    of_generate = inspect.signature(generate, eval_str=True).parameters
    taken = [option for name, option in of_generate.items() if name not in OF_GENERATE_ALONE]
    own = [option for name, option in inspect.signature(library, eval_str=True).parameters.items() if name != "options"]
    library.__signature__ = inspect.Signature([*own, *taken])  # type: ignore[attr-defined]
    library.__annotations__ = {option.name: option.annotation for option in (*own, *taken)}


_take_options()
