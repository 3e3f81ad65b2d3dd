"""How quality grows with training: ensembles of weights trained on ever more samples, with straight lines through them.

    python tests/benchmarks/curve.py openff_val.parquet --weights run1/weights,run2/weights,weights/drugs \
        --starts harmonic,etkdg --molecules 30 --json curve.jsonl --markdown curve.md --png curve.png

The samples a set of weights has seen stand in its config.json. Lines are fitted to the mean over molecules against the
logarithm of the samples; the last column follows the line to ten times the most samples, no more than a guess.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import jsonl
import matplotlib as mpl
import numpy as np
import quality
import typer
from command import MarkdownFile, errors_told, markdown, publish
from scoring import MAIN_THRESHOLD, THRESHOLDS, Record, by_method

from confgen.checkpoint import find, read_config
from confgen.errors import CannotStart

mpl.use("Agg")

from matplotlib import pyplot as plt

MEASURES = ("COV-R", "AMR-R", "COV-P", "AMR-P")
MAIN = THRESHOLDS.index(MAIN_THRESHOLD)
FEWEST = 3  # weights through which a line says anything


@dataclass(frozen=True)
class Point:
    """Means over molecules of one start and one set of weights; COV in %, AMR in angstrom."""

    start: str
    samples: int
    means: tuple[float, ...]


def point(start: str, samples: int, records: Sequence[Record]) -> Point:
    """The point that the records of one method make; a failure has COV 0 and no AMR."""
    amr = [(record.amr_r, record.amr_p) for record in records if record.amr_r is not None]
    amr_r, amr_p = np.array(amr, dtype=float).mean(axis=0) if amr else (math.nan, math.nan)
    cov_r = 100.0 * np.mean([record.cov_r[MAIN] for record in records])
    cov_p = 100.0 * np.mean([record.cov_p[MAIN] for record in records])
    return Point(start, samples, (float(cov_r), float(amr_r), float(cov_p), float(amr_p)))


def line(samples: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Slope per ten-fold samples, and the value at ten times the most of them, of the least-squares line."""
    decades = np.log10(samples)
    slope, offset = np.polyfit(decades, values, 1)
    return float(slope), float(offset + slope * (decades.max() + 1.0))


def table(points: Sequence[Point]) -> list[str]:
    """Lines of a Markdown table: every point, and below those of a start the slope and what ten-fold would bring."""
    rows = []
    for start in dict.fromkeys(point.start for point in points):
        own = sorted((each for each in points if each.start == start), key=lambda each: each.samples)
        rows += [[start, f"{each.samples:,}", *_cells(each.means)] for each in own]
        if len(own) >= FEWEST:
            fits = [
                line([each.samples for each in own], column) for column in zip(*(p.means for p in own), strict=True)
            ]
            rows.append([start, "slope per ten-fold", *_cells([slope for slope, _ in fits], "+")])
            rows.append([start, f"{10 * own[-1].samples:,} by the line", *_cells([there for _, there in fits])])
    return markdown(("start", "samples", *MEASURES), rows)


def _cells(values: Sequence[float], sign: str = "") -> list[str]:
    return [
        f"{value:{sign}.{1 if name.startswith('COV') else 3}f}" for name, value in zip(MEASURES, values, strict=True)
    ]


def draw(points: Sequence[Point], path: Path) -> None:
    """The points and their lines, a panel for each measure, as PNG."""
    figure, axes = plt.subplots(1, len(MEASURES), figsize=(4.0 * len(MEASURES), 3.2), layout="constrained")
    for k, (name, panel) in enumerate(zip(MEASURES, axes, strict=True)):
        for number, start in enumerate(dict.fromkeys(point.start for point in points)):
            own = sorted((each.samples, each.means[k]) for each in points if each.start == start)
            samples, values = zip(*own, strict=True)
            panel.plot(samples, values, "o", color=f"C{number}", label=start)
            if len(own) >= FEWEST:
                slope, there = line(samples, values)
                first = there - slope * (math.log10(samples[-1] / samples[0]) + 1.0)
                panel.plot(
                    (samples[0], 10 * samples[-1]), (first, there), "--", color=panel.lines[-1].get_color(), lw=1
                )
        panel.set(xscale="log", xlabel="training samples", title=name)
    axes[0].legend()
    figure.savefig(path, dpi=110)


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of reference ensembles.", exists=True, dir_okay=False)],
    weights: Annotated[str, typer.Option(help="Comma-separated folders or names.")],
    starts: Annotated[str, typer.Option(help="Comma-separated.")] = "harmonic,etkdg",
    molecules: Annotated[int, typer.Option(min=1, help="The first so many that have enough references.")] = 30,
    min_confs: Annotated[int, typer.Option(min=1, help="References a molecule must have.")] = 5,
    seed: Annotated[int, typer.Option(min=1)] = 42,
    log_file: Annotated[Path, typer.Option("--json", help="One line for each run; gone on with.")] = Path(
        "curve.jsonl"
    ),
    target: MarkdownFile = None,
    png: Annotated[Path | None, typer.Option(help="Write the plot here.")] = None,
) -> None:
    """Measure weights of several stages of training at equal settings."""
    with errors_told(), ExitStack() as stack:
        seen = {name: read_config(find(name)).get("training", {}).get("samples") for name in weights.split(",")}
        if None in seen.values():
            raise CannotStart("a config.json does not say how many samples its weights have seen; leave it out")
        sampling = "sampler=dpmpp,attempts=1,rms=0.0"
        specs = {
            f"confgen:weights={name},start={start},{sampling}": (start, int(samples))
            for start in starts.split(",")
            for name, samples in seen.items()
        }
        methods = quality.available(list(specs), stack, weights="drugs", seed=seed, device="cpu", limit_s=600.0)
        done = quality.already_done(log_file, file.name, methods)
        log = stack.enter_context(jsonl.opened(log_file))
        records = quality.compare(quality.Task(file, molecules, min_confs), methods, log, done)
        points = [point(*specs[name], own) for name, own in by_method(records).items()]
        made_by = quality.made_by(f"{molecules} molecules of `{file.name}`", methods)
    text = "\n".join([*table(points), "", *made_by]) + "\n"
    publish(text, target)
    if png is not None:
        draw(points, png)


if __name__ == "__main__":
    typer.run(main)
