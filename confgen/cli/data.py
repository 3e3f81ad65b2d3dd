"""`confgen data`: its sub-commands and their options, and what of them goes where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from confgen.cli.common import (
    INPUT_HELP,
    OUTPUT,
    RUNNING,
    FailedFile,
    Force,
    NameColumn,
    Progress,
    Quiet,
    SmilesColumn,
    Timeout,
    count_or_auto,
    whole_number,
    whole_seed,
)
from confgen.cli.console import exits

# Panels of the help. Defaults of settings are repeated here, because RDKit comes with them; a test compares them.
MOLECULES, ENSEMBLE = "Which molecules", "Ensemble"

data_app = typer.Typer(help="Make reference ensembles, or bring those of others into one form.", no_args_is_help=True)

Parquet = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="FILE.parquet", rich_help_panel=OUTPUT,
        help="Where the ensembles go, in the form that confgen train and confgen evaluate read.",
    ),
]  # fmt: skip


@data_app.command("references")
def make_references(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help=INPUT_HELP, show_default=False),
    ],
    output: Parquet,
    method: Annotated[
        Literal["gfn2", "gfn1", "gfnff", "mmff94s"],
        typer.Option(rich_help_panel=ENSEMBLE, help="Of which method the conformers shall be minima."),
    ] = "gfn2",
    pool: Annotated[
        Any,
        typer.Option(parser=count_or_auto, metavar="N|auto", rich_help_panel=ENSEMBLE,
                     help="RDKit conformers of each molecule to begin with; auto: as many as its flexibility asks "
                     "for."),
    ] = "auto",
    prepare: Annotated[
        bool,
        typer.Option("--prepare/--no-prepare", rich_help_panel=ENSEMBLE,
                     help="Relax them by MMFF94s first, and go on with one for each minimum."),
    ] = True,
    rms: Annotated[
        float,
        typer.Option(metavar="A", rich_help_panel=ENSEMBLE,
                     help="Of two conformers closer than this (heavy atoms), the lower in energy stays; 0 keeps all."),
    ] = 0.125,
    ewindow: Annotated[
        float,
        typer.Option(metavar="KCAL", rich_help_panel=ENSEMBLE,
                     help="Drop conformers more than so many kcal/mol above the lowest."),
    ] = 6.0,
    max_confs: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="all", rich_help_panel=ENSEMBLE,
                     help="Keep the N lowest of each molecule."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(metavar="K", rich_help_panel=ENSEMBLE, help="Temperature of the Boltzmann weights.")
    ] = 298.15,
    stereo: Annotated[
        Literal["error", "enumerate", "any"],
        typer.Option(rich_help_panel=ENSEMBLE,
                     help="Centres and double bonds left open: refuse them, make each isomer a molecule of its own, "
                     "or make one of the isomers, by the seed."),
    ] = "any",
    seed: Annotated[
        int,
        typer.Option(parser=whole_seed, metavar="N", rich_help_panel=ENSEMBLE,
                     help="The same seed gives the same file, however many workers there are."),
    ] = 1,
    limit: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="all", rich_help_panel=MOLECULES,
                     help="Only N molecules of the input: the first, or with --shuffle random ones."),
    ] = None,
    shuffle: Annotated[
        int | None,
        typer.Option(parser=whole_seed, metavar="SEED", show_default=False, rich_help_panel=MOLECULES,
                     help="Take the molecules in random order."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", show_default=False, rich_help_panel=MOLECULES,
                     help="Leave out the molecules of this file, of ensembles or SMILES, whatever their "
                     "stereochemistry; may be repeated."),
    ] = None,
    smiles_column: SmilesColumn = None,
    name_column: NameColumn = None,
    workers: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="one for each core", rich_help_panel=RUNNING,
                     help="Processes."),
    ] = None,
    timeout: Timeout = None,
    failed: FailedFile = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", rich_help_panel=RUNNING,
                     help="Go on with a run of the same command that was stopped."),
    ] = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", rich_help_panel=OUTPUT, help="Say what is used, and each molecule done.")
    ] = False,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Make reference ensembles of molecules: minima of GFN2-xTB, GFN1-xTB, GFN-FF or MMFF94s from ETKDG.

    confgen data references mols.smi --method gfn2 -o references.parquet
    """
    with exits("what is done is kept; go on with the same command and --resume"):
        from confgen.cli.referencing import Request, run
        from confgen.references import ReferenceSettings

        code = run(
            Request(
                inputs=inputs, smiles_column=smiles_column, name_column=name_column, limit=limit, shuffle=shuffle,
                exclude=tuple(exclude or ()), output=output, failed=failed, resume=resume, force=force,
                workers=workers, timeout_s=timeout, quiet=quiet, verbose=verbose, progress=progress,
                settings=ReferenceSettings(
                    method=method, pool=pool, prepare=prepare, rms=rms, ewindow=ewindow, max_confs=max_confs,
                    temperature_k=temperature, stereo=stereo, seed=seed,
                ),
            )
        )  # fmt: skip
    raise typer.Exit(code)


@data_app.command("convert")
def convert(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Ensembles: .sdf, .xyz, .jsonl (also .gz), .parquet, or pickles of GEOM (a file or a folder).",
            show_default=False,
        ),
    ],
    output: Parquet,
    min_confs: Annotated[
        int,
        typer.Option(parser=whole_number, metavar="N", rich_help_panel=ENSEMBLE,
                     help="Leave out molecules with fewer conformers."),
    ] = 1,
    max_confs: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="all", rich_help_panel=ENSEMBLE,
                     help="Keep N conformers of each molecule: the lowest if there are energies, else the first."),
    ] = None,
    theory: Annotated[
        str,
        typer.Option(metavar="TEXT", show_default=False, rich_help_panel=ENSEMBLE,
                     help="Level of the geometries, for the column of that name."),
    ] = "",
    force: Force = False,
    quiet: Quiet = False,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Bring ensembles into the Parquet form that confgen train and confgen evaluate read.

    confgen data convert rdkit_folder/drugs --theory GFN2-xTB -o drugs.parquet
    """
    with exits("no output was written"):
        from confgen.cli.converting import Request, run

        code = run(
            Request(
                inputs=inputs, output=output, min_confs=min_confs, max_confs=max_confs, theory=theory, force=force,
                quiet=quiet, progress=progress,
            )
        )  # fmt: skip
    raise typer.Exit(code)
