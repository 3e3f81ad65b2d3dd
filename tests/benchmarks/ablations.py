"""Which choice of a training recipe is better at a fixed small budget: one choice changed at a time, one table.

    python tests/benchmarks/ablations.py base.toml validation.parquet --minutes 5 --seeds 2 --json ablations.jsonl \
        --variants 'model.second_axis=position,loss.quotient=false,model.width=128+model.layers=9'

The base is a config of `confgen train`. A variant is one setting, or several joined by +, that differs from it; values
are TOML, plain words also without quotes. All train from scratch for the same CPU time (that of all threads), in which
batches are made and steps are done; packing data and the evaluation are not counted, nor are compilers that
`optim.compile` starts as programs. The learning rate falls along its cosine with the share of the time that is gone,
instead of the share of `optim.steps`, so that each run ends at the end of its schedule, no matter how its speed varies.
`optim.warmup` and `optim.ema` are in steps and as the config says: choose them for the budget.

Compared are the averaged weights, by their estimates of clean molecules from noisy ones (see estimates.py). The
difference to base is paired: of every molecule, the relative difference of its RMSDs, averaged over noise levels; its
standard error is over molecules. How much of it is chance in training, only several seeds can tell.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jsonl
import numpy as np
import torch
import typer
from command import MarkdownFile, Resume, errors_told, markdown, publish
from estimates import SIGMAS, estimate_errors
from provenance import command_line, commit, processor
from tqdm import tqdm
from variants import BASE, changed, split_variants

from confgen.dataset import Pack
from confgen.errors import CannotStart
from confgen.mixture import Mixture
from confgen.packing import packed
from confgen.recipe import OptimSettings, Recipe, read_tables, recipe_of
from confgen.train import load_packs
from confgen.trainer import Diverged, Trainer

FLOOR = 1e-3  # angstrom; molecules that are right to that cannot be worse by some percent
COLUMNS = (
    "variant", "parameters", "samples / 1000", "samples / CPU s", *(f"RMSD at {sigma:g}" for sigma in SIGMAS),
    "distances", "difference to base / %", "by seed / %",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One training; errors as of `estimates.estimate_errors`, none if it diverged.

    setup: what else its figures depend on; records of different setups are not compared.
    """

    variant: str
    seed: int
    setup: str
    parameters: int = 0
    steps: int = 0
    samples: int = 0
    cpu_s: float = 0.0
    errors: list[list[float]] = field(default_factory=list)
    error: str = ""


def mixture_of(recipe: Recipe) -> Mixture:
    """The training data of a recipe, packed if they have not been."""
    packs = load_packs(recipe, torch.device("cpu"))
    return Mixture(packs, [s.weight for s in recipe.sets], recipe.batch, recipe.noise)


def trained(recipe: Recipe, mixture: Mixture, budget_s: float) -> tuple[Trainer, float]:
    """A trainer after the first step that ends past so much CPU time, and the CPU time. Raises Diverged."""
    trainer = Trainer(recipe, torch.device("cpu"))
    began, spent_s = time.process_time(), 0.0
    while spent_s < budget_s:
        optim = on_schedule(recipe.optim, trainer.step, spent_s / budget_s)
        trainer.recipe = dataclasses.replace(recipe, optim=optim)
        trainer.train_step(mixture.batch(recipe.optim.seed, trainer.step))
        spent_s = time.process_time() - began
    return trainer, spent_s


def on_schedule(optim: OptimSettings, step: int, share: float) -> OptimSettings:
    """The settings with as many steps as there will be, if this step comes when that share of the time is gone."""
    return dataclasses.replace(optim, steps=max(1, round(step / share))) if step and share else optim


def measure(blank: Record, recipe: Recipe, mixture: Mixture, budget_s: float, held: Pack, molecules: int) -> Record:
    """The blank record with what a training from that seed came to; one that diverges is told as such."""
    recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, seed=blank.seed))
    try:
        trainer, spent_s = trained(recipe, mixture, budget_s)
        errors = estimate_errors(trainer.averaged(), held, molecules).round(5).tolist()
    except Diverged as error:
        return dataclasses.replace(blank, error=str(error))
    parameters = sum(p.numel() for p in trainer.denoiser.parameters())
    return dataclasses.replace(
        blank, parameters=parameters, steps=trainer.step, samples=trainer.samples, cpu_s=spent_s, errors=errors
    )


def already_done(path: Path | None, setups: dict[str, str]) -> dict[tuple[str, int], Record]:
    """Records of an earlier run by variant and seed. Raises CannotStart if a variant was set up in another way then."""
    done = {}
    for record in jsonl.read(path, Record):
        if record.variant in setups:
            if record.setup != setups[record.variant]:
                raise CannotStart(
                    f"{path}: `{record.variant}` ran there with {record.setup}, not {setups[record.variant]}; "
                    "give another file"
                )
            done[record.variant, record.seed] = record
    return done


def relative(errors: np.ndarray, base: np.ndarray) -> np.ndarray:
    """By how many per cent the RMSDs of every molecule differ from base, averaged over noise levels, (molecules,)."""
    difference: np.ndarray = 100 * ((errors - base) / np.maximum(base, FLOOR))[:, : len(SIGMAS)].mean(axis=1)
    return difference


def row(own: Sequence[Record], base: Sequence[Record]) -> list[str]:
    """A row of the table: means over the seeds of a variant that did not diverge, beside those of the base."""
    name, own = own[0].variant, [record for record in own if record.errors]
    if not own:
        return [f"`{name}`", "diverged", *[""] * (len(COLUMNS) - 2)]
    samples, cpu_s = (float(np.mean([getattr(record, of) for record in own])) for of in ("samples", "cpu_s"))
    errors = np.mean([record.errors for record in own], axis=0)
    cells = [f"`{name}`", f"{own[0].parameters:,}", f"{samples / 1000:.1f}", f"{samples / cpu_s:.0f}"]
    cells += [f"{mean:.4f}" for mean in errors.mean(axis=0)]
    kept = [record.errors for record in base if record.errors]
    if not kept:
        return [*cells, "", ""]
    against = np.mean(kept, axis=0)
    by_molecule = relative(errors, against)
    margin = f" ± {by_molecule.std(ddof=1) / len(by_molecule) ** 0.5:.2f}" if len(by_molecule) > 1 else ""
    cells.append("" if name == BASE else f"{by_molecule.mean():+.2f}{margin}")
    return [*cells, ", ".join(f"{relative(np.array(r.errors), against).mean():+.2f}" for r in own)]


def report(records: Sequence[Record], about: str) -> str:
    """The table, the trainings that diverged, and what made the figures."""
    by_variant = {name: [r for r in records if r.variant == name] for name in dict.fromkeys(r.variant for r in records)}
    rows = [row(own, by_variant[BASE]) for own in by_variant.values()]
    failures = [f"- `{r.variant}`, seed {r.seed}: {r.error}" for r in records if r.error]
    made_by = f"{about}, {processor()}, torch {torch.__version__}, commit {commit()}: `{command_line()}`"
    return "\n".join([*markdown(COLUMNS, rows), "", *failures, *[""] * bool(failures), made_by]) + "\n"


def main(
    config: Annotated[Path, typer.Argument(help="TOML file of `confgen train`.", exists=True, dir_okay=False)],
    validation: Annotated[Path, typer.Argument(help="Parquet file of ensembles.", exists=True, dir_okay=False)],
    variants: Annotated[str, typer.Option(help="Comma-separated, each settings joined by +; see the text above.")] = "",
    minutes: Annotated[float, typer.Option(min=0.001, help="CPU time of each training.")] = 5.0,
    molecules: Annotated[int, typer.Option(min=1, help="The first so many of the validation file.")] = 200,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each variant, from seeds 1, 2 ...")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    log_file: Annotated[Path | None, typer.Option("--json", help="Write one line for each training.")] = None,
    resume: Resume = False,
    target: MarkdownFile = None,
) -> None:
    """Train variants of a recipe for the same CPU time and print a Markdown table."""
    with errors_told(), ExitStack() as stack:
        jsonl.refuse_existing(log_file, resume)
        torch.set_num_threads(threads)
        tables = read_tables(config)
        texts = {name: changed(tables, settings) for name, settings in split_variants(variants).items()}
        recipes = {name: recipe_of(config, text) for name, text in texts.items()}
        about = f"{minutes:g} CPU min on {threads} thread(s), {molecules} molecules of `{validation.name}`"
        setups = {name: f"recipe {_digest(text)}, {about}" for name, text in texts.items()}
        done = already_done(log_file, setups)
        mixtures = {name: mixture_of(recipe) for name, recipe in recipes.items()}
        held = Pack.load(packed(validation, recipes[BASE].cache, recipes[BASE].workers))
        log = stack.enter_context(jsonl.opened(log_file))
        runs = [(name, seed) for seed in range(1, seeds + 1) for name in recipes]
        records = []
        for name, seed in tqdm(runs, unit="run", disable=None):
            record = done.get((name, seed))
            if record is None:
                blank = Record(name, seed, setups[name])
                record = measure(blank, recipes[name], mixtures[name], 60 * minutes, held, molecules)
                jsonl.add(log, record)
            records.append(record)
    publish(report(records, about), target)


def _digest(tables: dict[str, Any]) -> str:
    """What tells one config from another, whatever the order and the comments of the file."""
    return hashlib.sha256(json.dumps(tables, sort_keys=True, default=str).encode()).hexdigest()[:12]


if __name__ == "__main__":
    typer.run(main)
