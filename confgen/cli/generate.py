"""`confgen generate`: its options, and what of them goes where."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from confgen.cli.console import exits
from confgen.cli.parsers import whole_number, whole_seed

# Panels of the help. Defaults of settings are repeated here, because torch comes with them; a test compares them.
ENSEMBLE, SAMPLING, AFTER, INPUT = "Ensemble", "Sampling", "After sampling", "Input tables"
RUNNING, OUTPUT = "Running", "Output"
OF_WEIGHTS = "from the weights"


def _count_or_auto(text: str) -> int | None:
    return None if text == "auto" else whole_number(text)


def generate(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="SMILES in quotes, .smi, .csv, .tsv, .sdf, .mol and .mol2 files (also .gz), - for standard input.",
            show_default=False,
        ),
    ],
    num_confs: Annotated[
        int,
        typer.Option("-n", "--num-confs", parser=whole_number, metavar="N", rich_help_panel=ENSEMBLE,
                     help="Conformers of each molecule."),
    ] = 10,
    stereo: Annotated[
        Literal["error", "enumerate", "any"],
        typer.Option(rich_help_panel=ENSEMBLE,
                     help="Centres and double bonds left open: refuse them, make each isomer a molecule of its own, "
                     "or spread the conformers over the isomers."),
    ] = "any",
    weights: Annotated[
        str,
        typer.Option("-w", "--weights", metavar="NAME|DIR", rich_help_panel=SAMPLING,
                     help="Trained weights, by name or as a folder."),
    ] = "drugs",
    steps: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="Noise levels from the start to the finished conformer."),
    ] = None,
    sampler: Annotated[
        Literal["heun", "dpmpp", "sde", "langevin"] | None,
        typer.Option(show_default=OF_WEIGHTS, rich_help_panel=SAMPLING, help="How the noise is removed."),
    ] = None,
    start: Annotated[
        Literal["harmonic", "etkdg"] | None,
        typer.Option(show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="What to start from: noise, or RDKit's coordinates with less noise."),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="RDKit conformers made for each one that is started from; 1 is fastest, more cover more."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(parser=whole_seed, metavar="N", rich_help_panel=SAMPLING,
                     help="The same seed gives the same conformers, whatever else is in the run."),
    ] = 1,
    keep_invalid: Annotated[
        bool,
        typer.Option("--keep-invalid", rich_help_panel=AFTER,
                     help="Write conformers that fail a check, tagged so, instead of replacing them."),
    ] = False,
    smiles_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="found by its name", rich_help_panel=INPUT,
                     help="Column of .csv and .tsv files that holds the SMILES."),
    ] = None,
    name_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="found by its name", rich_help_panel=INPUT,
                     help="Column of .csv and .tsv files that holds the names."),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", rich_help_panel=RUNNING, help="auto, cpu, cuda, or cuda:1 and so on.")
    ] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(parser=_count_or_auto, metavar="auto|N", show_default="auto", rich_help_panel=RUNNING,
                     help="Conformers in one call of the network."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="one for each core", rich_help_panel=RUNNING,
                     help="Processes on the CPU; a few molecules, and a GPU, are served by one."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", show_default=False, rich_help_panel=RUNNING,
                     help="Seconds after which a molecule is given up."),
    ] = None,
    failed: Annotated[
        str | None,
        typer.Option(metavar="FILE", show_default=False, rich_help_panel=RUNNING,
                     help="List the molecules that failed, in a form that can be the next input."),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(metavar="FILE.jsonl", show_default=False, rich_help_panel=RUNNING,
                     help="One line of JSON on every molecule."),
    ] = None,
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FILE|-", show_default=False, rich_help_panel=OUTPUT,
                     help="Where the conformers go; - is standard output."),
    ],
    format: Annotated[
        Literal["sdf", "xyz", "jsonl", "parquet"] | None,
        typer.Option(show_default="from the name of the output", rich_help_panel=OUTPUT, help="Format of the output."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", rich_help_panel=OUTPUT, help="Replace files that exist.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=OUTPUT, help="Say only what failed.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", rich_help_panel=OUTPUT, help="Say what is used, and each molecule done.")
    ] = False,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", show_default="on a terminal", rich_help_panel=OUTPUT,
                     help="Progress bar."),
    ] = None,
) -> None:  # fmt: skip
    """Make conformers of molecules.

    confgen generate 'C[C@H](N)C(=O)O' -n 20 -o alanine.sdf
    """
    with exits("no output was written"):
        from confgen.cli.batch import Request, run

        code = run(
            Request(
                inputs=inputs, smiles_column=smiles_column, name_column=name_column, output=output, format=format,
                force=force, failed=failed, report=report, weights=weights, device=device, workers=workers,
                generate=_given(num_confs=num_confs, seed=seed, stereo=stereo, keep_invalid=keep_invalid or None,
                                batch_size=batch_size, timeout_s=timeout),
                sampler=_given(sampler=sampler, num_steps=steps), start=start, pool=pool,
                quiet=quiet, verbose=verbose, progress=progress,
            )
        )  # fmt: skip
    raise typer.Exit(code)


def _given(**options: object) -> dict[str, object]:
    """The options that the user gave; the others keep the default of the settings they belong to."""
    return {name: value for name, value in options.items() if value is not None}
