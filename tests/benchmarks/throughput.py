"""Training samples per second of networks of several sizes, beside the floating-point operations that these take.

    python tests/benchmarks/throughput.py train.toml --sizes 128x6,192x6,256x8 --threads 1,2 --markdown throughput.md
    python tests/benchmarks/throughput.py train.toml --device cuda --compile

The config is one of `confgen train`: its data, batches, noise and loss are used, its network in the sizes asked for,
each as width x layers. Steps are timed one by one, after some to warm up; the table gives medians.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from command import MarkdownFile, errors_told, markdown, publish
from provenance import command_line, commit, processor
from torch.utils.flop_counter import FlopCounterMode

from confgen.device import choose_device
from confgen.errors import CannotStart
from confgen.mixture import Mixture
from confgen.recipe import Recipe, read_recipe
from confgen.train import load_packs
from confgen.trainer import Trainer

COLUMNS = (
    "width x layers", "parameters", "precision", "threads", "samples / s", "quartiles", "ms / step", "GFLOP / sample",
    "GFLOP / s",
)  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """Of the steps of one network; samples_per_s are their quartiles."""

    parameters: int
    samples_per_s: tuple[float, float, float]
    step_s: float
    flop_per_sample: float


def measure(recipe: Recipe, mixture: Mixture, device: torch.device, warm_up: int, steps: int) -> Speed:
    """Trains for some steps, whose time is taken with the device's work done; FLOPs are those of one step before."""
    trainer = Trainer(recipe, device)
    with FlopCounterMode(display=False) as counter:
        plain = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, compile=False))
        counted = Trainer(plain, device)
        counted.train_step(mixture.batch(recipe.optim.seed, 0))
    flop_per_sample = counter.get_total_flops() / counted.samples
    rates, seconds = [], []
    for step in range(warm_up + steps):
        before = trainer.samples
        _wait(device)
        began = time.perf_counter()
        trainer.train_step(mixture.batch(recipe.optim.seed, step))
        _wait(device)
        if step >= warm_up:
            seconds.append(time.perf_counter() - began)
            rates.append((trainer.samples - before) / seconds[-1])
    low, middle, high = statistics.quantiles(rates, n=4)
    parameters = sum(p.numel() for p in trainer.denoiser.parameters())
    return Speed(parameters, (low, middle, high), statistics.median(seconds), flop_per_sample)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def sized(recipe: Recipe, size: str) -> Recipe:
    """The recipe with a network of `192x6`, width 192 and 6 layers. Raises CannotStart."""
    width, times, layers = size.partition("x")
    if not (times and width.isdecimal() and layers.isdecimal()):
        raise CannotStart(f"size {size!r} is none; give width and layers, such as 192x6")
    return dataclasses.replace(recipe, config=recipe.config | {"width": int(width), "layers": int(layers)})


def row(size: str, recipe: Recipe, threads: int, speed: Speed) -> list[str]:
    """A row of the table."""
    low, middle, high = speed.samples_per_s
    return [
        size, f"{speed.parameters:,}", "bf16" if recipe.optim.bf16 else "fp32", str(threads), f"{middle:.0f}",
        f"{low:.0f}-{high:.0f}", f"{1e3 * speed.step_s:.0f}", f"{speed.flop_per_sample / 1e9:.2f}",
        f"{speed.flop_per_sample * middle / 1e9:.0f}",
    ]  # fmt: skip


def main(
    config: Annotated[Path, typer.Argument(help="TOML file of `confgen train`.", exists=True, dir_okay=False)],
    sizes: Annotated[str, typer.Option(help="Comma-separated, each width x layers.")] = "128x6,192x6,256x8",
    threads: Annotated[str, typer.Option(help="Comma-separated numbers of CPU threads.")] = "1,2",
    precisions: Annotated[str, typer.Option(help="bf16, fp32 or both.")] = "bf16",
    steps: Annotated[int, typer.Option(min=2, help="Timed.")] = 30,
    warm_up: Annotated[int, typer.Option(min=0)] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda ...")] = "cpu",
    compiled: Annotated[bool, typer.Option("--compile", help="By torch.compile.")] = False,
    target: MarkdownFile = None,
) -> None:
    """Time training steps and print a Markdown table."""
    with errors_told():
        recipe, on = read_recipe(config), torch.device(choose_device(device))
        packs = load_packs(recipe, on)
        mixture = Mixture(packs, [s.weight for s in recipe.sets], recipe.batch, recipe.noise)
        rows = []
        for size in sizes.split(","):
            for precision in precisions.split(","):
                optim = dataclasses.replace(recipe.optim, bf16=precision == "bf16", compile=compiled)
                own = dataclasses.replace(sized(recipe, size), optim=optim)
                for count in (int(text) for text in threads.split(",")):
                    torch.set_num_threads(count)
                    rows.append(row(size, own, count, measure(own, mixture, on, warm_up, steps)))
    name = torch.cuda.get_device_name(on) if on.type == "cuda" else processor()
    made_by = f"{name}, torch {torch.__version__}, commit {commit()}: `{command_line()}`"
    text = "\n".join([*markdown(COLUMNS, rows), "", made_by]) + "\n"
    publish(text, target)


if __name__ == "__main__":
    typer.run(main)
