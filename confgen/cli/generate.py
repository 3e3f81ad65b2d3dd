"""`confgen generate`: its options, and what of them goes where."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

import typer

from confgen.cli.common import (
    INPUT_HELP,
    OUTPUT,
    RUNNING,
    Device,
    FailedFile,
    Force,
    NameColumn,
    PresetName,
    Progress,
    Quiet,
    SmilesColumn,
    Timeout,
    count_or_auto,
    whole_number,
    whole_seed,
)
from confgen.cli.console import exits
from confgen.errors import CannotStart

# Panels of the help. Defaults of settings are repeated here, because torch comes with them; a test compares them.
ENSEMBLE, SAMPLING, AFTER = "Ensemble", "Sampling", "After sampling"
AROUND = "Around given coordinates"
OF_WEIGHTS = "from the weights"


def _batch_size(text: str) -> int | None:
    return None if text == "auto" else whole_number(text)


def generate(
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help=INPUT_HELP, show_default=False),
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(show_default=False, rich_help_panel=ENSEMBLE,
                     help="Options chosen together for a purpose, which `confgen generate --show` prints; others given "
                     "here come before them."),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", rich_help_panel=ENSEMBLE, help="Print the options as they would be used, and stop."),
    ] = False,
    num_confs: Annotated[
        Any,
        typer.Option("-n", "--num-confs", parser=count_or_auto, metavar="N|auto", show_default="10",
                     rich_help_panel=ENSEMBLE,
                     help="Conformers of each molecule; auto: as many as its flexibility asks for."),
    ] = None,
    rms: Annotated[
        float | None,
        typer.Option(metavar="A", show_default="0.2", rich_help_panel=ENSEMBLE,
                     help="Of two conformers closer than this (heavy atoms), one is dropped, and another made; 0 keeps "
                     "all."),
    ] = None,
    ewindow: Annotated[
        float | None,
        typer.Option(metavar="KCAL", show_default=False, rich_help_panel=ENSEMBLE,
                     help="Drop conformers more than so many kcal/mol above the lowest."),
    ] = None,
    select: Annotated[
        Literal["diverse", "energy"] | None,
        typer.Option(show_default="diverse", rich_help_panel=ENSEMBLE,
                     help="Which to keep of more: those that stand for all best, or the lowest in energy."),
    ] = None,
    oversample: Annotated[
        float | None,
        typer.Option(metavar="X", show_default="1", rich_help_panel=ENSEMBLE,
                     help="Conformers made for each that is kept."),
    ] = None,
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
        Literal["harmonic", "etkdg", "mmff94s", "input"] | None,
        typer.Option(show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="What to start from: noise, RDKit's coordinates, these after MMFF94s, or the input's."),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="How often the sampler is run, each time from its last outcome."),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(metavar="A", show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="Noise level at which sampling from coordinates begins; more moves them farther."),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="RDKit conformers made for each one that is started from; 1 is fastest, more cover more."),
    ] = None,
    torsions: Annotated[
        Literal["learned", "crystal"] | None,
        typer.Option(show_default=OF_WEIGHTS, rich_help_panel=SAMPLING,
                     help="What --start mmff94s turns bonds after: what the weights' training data show, or as RDKit "
                     "does what crystals show."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(parser=whole_seed, metavar="N", rich_help_panel=SAMPLING,
                     help="The same seed gives the same conformers, whatever else is in the run."),
    ] = 1,
    template: Annotated[
        str | None,
        typer.Option(metavar="FILE", show_default=False, rich_help_panel=AROUND,
                     help="A 3D structure (.sdf, .mol, .mol2); what molecules have in common with it stays in place."),
    ] = None,
    core: Annotated[
        str | None,
        typer.Option(metavar="SMARTS", show_default="all that is common", rich_help_panel=AROUND,
                     help="The part of the template that is held."),
    ] = None,
    from_conformer: Annotated[
        bool,
        typer.Option("--from-conformer", rich_help_panel=AROUND,
                     help="Explore around the 3D coordinates of the input, as far as --sigma allows."),
    ] = False,
    relax: Annotated[
        Literal["none", "mmff94s", "uff", "gfnff", "gfn1", "gfn2"] | None,
        typer.Option(show_default="none", rich_help_panel=AFTER,
                     help="Relax each conformer with this force field or xTB method, and report energies."),
    ] = None,
    dielectric: Annotated[
        float | None,
        typer.Option(metavar="EPS", show_default="vacuum", rich_help_panel=AFTER,
                     help="Dielectric constant of the medium for --relax and --start mmff94s; 80 for water."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(metavar="K", show_default="298.15", rich_help_panel=AFTER,
                     help="Temperature of the Boltzmann weights."),
    ] = None,
    keep_invalid: Annotated[
        bool,
        typer.Option("--keep-invalid", rich_help_panel=AFTER,
                     help="Write conformers that fail a check, tagged so, instead of replacing them."),
    ] = False,
    smiles_column: SmilesColumn = None,
    name_column: NameColumn = None,
    device: Device = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(parser=_batch_size, metavar="auto|N", show_default="auto", rich_help_panel=RUNNING,
                     help="Conformers in one call of the network."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", show_default="one for each core", rich_help_panel=RUNNING,
                     help="Processes on the CPU, one thread each; by default one with all cores for one molecule."),
    ] = None,
    timeout: Timeout = None,
    failed: FailedFile = None,
    report: Annotated[
        str | None,
        typer.Option(metavar="FILE.jsonl", show_default=False, rich_help_panel=RUNNING,
                     help="One line of JSON on every molecule."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE|-", show_default=False, rich_help_panel=OUTPUT,
                     help="Where the conformers go; - is standard output."),
    ] = None,
    format: Annotated[
        Literal["sdf", "xyz", "jsonl", "parquet"] | None,
        typer.Option(show_default="from the name of the output", rich_help_panel=OUTPUT, help="Format of the output."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", rich_help_panel=OUTPUT, help="Say what is used, and each molecule done.")
    ] = False,
    progress: Progress = None,
) -> None:  # fmt: skip
    """Make conformers of molecules.

    confgen generate 'C[C@H](N)C(=O)O' -n 20 -o alanine.sdf
    """
    with exits("no output was written"):
        options = settings_of(
            num_confs=num_confs, rms=rms, ewindow=ewindow, select=select, oversample=oversample, stereo=stereo,
            steps=steps, sampler=sampler, start=start, rounds=rounds, sigma=sigma, pool=pool, torsions=torsions,
            seed=seed, relax=relax, dielectric=dielectric, temperature=temperature, keep_invalid=keep_invalid,
            batch_size=batch_size, timeout=timeout, template=template, core=core, from_conformer=from_conformer,
        )  # fmt: skip
        if show:
            from confgen.cli.showing import show_options

            show_options(weights, preset, options, inspect.signature(generate).parameters)
            raise typer.Exit
        if not inputs or output is None:
            missing = "argument 'INPUT'" if not inputs else "option '-o' / '--output'"
            raise CannotStart(f"Missing {missing}; see confgen generate --help")
        from confgen.cli.batch import Request, run

        code = run(
            Request(
                inputs=inputs, smiles_column=smiles_column, name_column=name_column, output=output, format=format,
                force=force, failed=failed, report=report, weights=weights, device=device, workers=workers,
                preset=preset, options=options, template=template, core=core,
                quiet=quiet, verbose=verbose, progress=progress,
            )
        )  # fmt: skip
    raise typer.Exit(code)


def settings_of(
    *, template: str | None, core: str | None, from_conformer: bool, keep_invalid: bool, **options: object
) -> dict[str, object]:
    """The options that the user gave, by the names of `confgen.options`; the others keep the defaults of the settings.

    Raises: CannotStart for options that contradict each other.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if keep_invalid:
        given["keep_invalid"] = True
    if from_conformer:
        if given.get("start", "input") != "input":
            raise CannotStart(
                f"--from-conformer starts from the input's coordinates, --start {given['start']} does not"
            )
        given["start"] = "input"
    if core is not None and template is None:
        raise CannotStart("--core is a part of a --template; give that too")
    return given
