"""`confgen evaluate`: its options, and what of them goes where."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from confgen.cli.common import OUTPUT, RUNNING, Device, Force, PresetName, Progress, Quiet, whole_number, whole_seed
from confgen.cli.console import exits

# Panels of the help.
SCORING, GENERATING = "Scoring", "Generating"
OF_PROTOCOL = "from the protocol"


def _count_or_all(text: str | int) -> int:
    """A count; 0 stands for all."""
    return 0 if text == "all" else whole_number(text)


def _thresholds(text: str | float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 100:
        raise typer.BadParameter(f"{text!r} is not a distance in angstrom, such as 0.75")
    return value


def evaluate(
    *,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="[GENERATED...] REFERENCE",
            help="Ensembles to judge, and, last, those to judge them by: .sdf, .xyz, .jsonl (also .gz), .parquet, or "
            "pickles of GEOM (a file or a folder). LABEL=FILE names a method in the tables.",
            show_default=False,
        ),
    ],
    match: Annotated[
        Literal["auto", "name", "stereo", "flat"],
        typer.Option(rich_help_panel=SCORING,
                     help="What makes two molecules the same: their name, their SMILES with or without stereo, or, "
                     "auto, names if both sides have the same, else SMILES with stereo."),
    ] = "auto",
    protocol: Annotated[
        Literal["geomol", "confgf"],
        typer.Option(rich_help_panel=SCORING, help="geomol: closer than 0.75 A (and 0.5, 1.25). confgf: 1.25 A or "
                     "closer (and 0.5). Both: two conformers generated for each reference."),
    ] = "geomol",
    threshold: Annotated[
        list[float] | None,
        typer.Option(parser=_thresholds, metavar="A", show_default=OF_PROTOCOL, rich_help_panel=SCORING,
                     help="Distance that counts as covered; may be repeated, and the first is the main one."),
    ] = None,
    per_reference: Annotated[
        int | None,
        typer.Option(parser=_count_or_all, metavar="N|all", show_default=OF_PROTOCOL, rich_help_panel=SCORING,
                     help="Score the first N generated conformers for each reference conformer, or all."),
    ] = None,
    properties: Annotated[
        bool,
        typer.Option("--properties", rich_help_panel=SCORING,
                     help="Compare energies, dipoles and gaps of the ensembles by GFN2-xTB too (slow; needs tblite)."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="all", rich_help_panel=SCORING,
                     help="Only the first N molecules of the reference."),
    ] = None,
    generate: Annotated[
        bool,
        typer.Option("--generate", rich_help_panel=GENERATING,
                     help="Generate the conformers now, two for each reference, instead of or besides reading them."),
    ] = False,
    preset: Annotated[
        PresetName | None,
        typer.Option(show_default=False, rich_help_panel=GENERATING,
                     help="Options chosen together for a purpose, as by confgen generate."),
    ] = None,
    weights: Annotated[
        str,
        typer.Option("-w", "--weights", metavar="NAME|DIR", rich_help_panel=GENERATING,
                     help="Trained weights, by name or as a folder."),
    ] = "drugs",
    seed: Annotated[
        int, typer.Option(parser=whole_seed, metavar="N", rich_help_panel=GENERATING, help="The seed of the sampling.")
    ] = 1,
    device: Device = "auto",
    workers: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="one for each core", rich_help_panel=RUNNING,
                     help="Processes on the CPU."),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", show_default=False, rich_help_panel=OUTPUT,
                     help="Everything as JSON; - puts it on standard output, in place of the tables."),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", show_default=False, rich_help_panel=OUTPUT,
                     help="A row for each molecule and method."),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", show_default=False, rich_help_panel=OUTPUT,
                     help="A page with curves and the worst molecules in 3D; one file, needs no network."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Judge conformers by reference ensembles: coverage, distance, stereo, validity.

    confgen evaluate mine.sdf theirs.sdf reference.parquet --html report.html
    """
    with exits("no output was written"):
        from confgen.cli.scoring import Request, run

        code = run(
            Request(
                paths=paths, generate=generate, match=match, protocol=protocol, thresholds=tuple(threshold or ()),
                per_reference=per_reference, properties=properties, limit=limit, preset=preset, weights=weights,
                seed=seed, device=device, workers=workers, outputs={"--json": json, "--csv": csv, "--html": html},
                force=force, quiet=quiet, progress=progress,
            )
        )  # fmt: skip
    raise typer.Exit(code)
