"""`confgen check`: its options, and what of them goes where."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from confgen.cli.common import OUTPUT, Force, Progress, Quiet
from confgen.cli.console import exits

CHECKS = "Checks"  # a panel of the help


def check(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Conformers: .sdf, .mol, .mol2, .xyz, .jsonl (also .gz), .parquet, pickles of GEOM, - for SDF on "
            "standard input.",
            show_default=False,
        ),
    ],
    smiles: Annotated[
        str | None,
        typer.Option(metavar="SMILES", show_default="from the file", rich_help_panel=CHECKS,
                     help="What every molecule should be, stereochemistry included."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="FILE", show_default="from the file", rich_help_panel=CHECKS,
                     help="What the molecules should be: SMILES or conformers, by name."),
    ] = None,
    energy: Annotated[
        bool,
        typer.Option("--energy/--no-energy", rich_help_panel=CHECKS,
                     help="Compare force-field energies with those of an ensemble: a fraction of a second for each "
                     "molecule, far more than all the other checks."),
    ] = True,
    outfmt: Annotated[
        Literal["short", "long", "csv", "json"],
        typer.Option(rich_help_panel=OUTPUT,
                     help="A line for each molecule; one for each conformer, with every check; tables for programs."),
    ] = "short",
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE|-", rich_help_panel=OUTPUT, help="Where the verdicts go.")
    ] = "-",
    force: Force = False,
    quiet: Quiet = False,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Check conformers: bonds, angles, clashes, flat rings, stereochemistry, strain.

    confgen check alanine.sdf --outfmt long
    """
    with exits("no output was written"):
        from confgen.cli.checking import Request, run

        code = run(
            Request(
                inputs=inputs, smiles=smiles, reference=reference, energy=energy, outfmt=outfmt, output=output,
                force=force, quiet=quiet, progress=progress,
            )
        )  # fmt: skip
    raise typer.Exit(code)
