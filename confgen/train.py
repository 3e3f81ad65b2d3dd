"""Training of the denoiser: one loop for a laptop's CPU and a GPU, resumable at any step.

The folder of a run holds `config.toml` (as given), `log.jsonl`, `last.pt` (everything needed to go on) and `weights/`
(the averaged weights with the skeleton of a model card, ready for `confgen generate --weights RUN/weights`).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from confgen import checkpoint
from confgen.dataset import Pack
from confgen.denoiser import Denoiser
from confgen.errors import CannotStart, InputError, OutputError
from confgen.mixture import Mixture
from confgen.packing import packed
from confgen.recipe import Recipe, read_recipe
from confgen.torsions import together
from confgen.trainer import Trainer

TOLD = 3  # molecules of a set that are left out, of which it is told why


def load_packs(recipe: Recipe, device: torch.device) -> list[Pack]:
    """The packs of the sets, made if they are not there yet. InputError for one without the starts asked for."""
    packs = [Pack.load(packed(s.path, recipe.cache, recipe.workers, starts=s.starts), device) for s in recipe.sets]
    for pack, entry in zip(packs, recipe.sets, strict=True):
        if entry.starts and not len(pack.ends):
            raise InputError(f"{entry.path}: has no starts; pack its Parquet file anew, or take starts = true away")
    return packs


Validate = Callable[[Denoiser], dict[str, float | None]]


def train(
    config: Path,
    run: Path,
    *,
    resume: bool = False,
    init: str | None = None,
    device: torch.device | str = "cpu",
    max_minutes: float | None = None,
    validate: Validate | None = None,
    progress: bool | None = None,
    tell: Callable[[str], None] | None = None,
) -> Trainer:
    """Trains as the TOML file says, into the folder `run`; returns the trainer at its last step.

    resume:       go on from `run/last.pt` if it is there; the data come in the order they would have had.
    init:         weights (a name or a folder) to start a new run from, with a fresh optimiser. A run that is gone on
                  with must have begun with the same.
    max_minutes:  stop, with everything saved, after that time in this call.
    validate:     figures of the averaged weights, logged every `optim.validate_every` steps.
    tell:         called with each line that a user should see.
    Raises InputError for a bad config or data, WeightsError if `init` is not of this network, OutputError if the run
    exists and `resume` is off or it cannot be written, CannotStart for less than no time, Diverged.
    """
    recipe = read_recipe(config)
    if max_minutes is not None and not max_minutes >= 0:
        raise CannotStart(f"max_minutes is {max_minutes}; give 0 or more, or leave it out")
    known = (run / "last.pt").exists()
    if known and not resume:
        raise OutputError(f"{run}: holds a run already; pass --resume to go on with it, or choose another folder")
    _refuse_unwritable(run)
    say = tell or (lambda _: None)
    if resume and not known:
        say(f"{run}: holds no run to go on with, so one is begun there")
    device = torch.device(device)
    packs = load_packs(recipe, device)
    for pack, entry in zip(packs, recipe.sets, strict=True):
        if pack.left_out:
            say(f"note: {entry.path}: {len(pack.left_out)} of its rows are left out: {'; '.join(pack.left_out[:TOLD])}"
                f"{' ...' if len(pack.left_out) > TOLD else ''}")  # fmt: skip
    mixture = Mixture(packs, [s.weight for s in recipe.sets], recipe.batch, recipe.noise)
    counted = [pack.torsions for pack, s in zip(packs, recipe.sets, strict=True) if s.torsions]
    trainer = Trainer(recipe, device, together(counted) if counted else None)
    if known:
        trainer.restore(run)
        _refuse_other_beginning(trainer, run, init)
        _forget_later(run / "log.jsonl", trainer.step)
    elif init is not None:
        trainer.begin_with(init)
    (run / "config.toml").write_bytes(config.read_bytes())
    if not known:
        trainer.save(run)  # or a run that is stopped early would forget what it began with
    with _own_stream(device):
        _loop(trainer, mixture, run, max_minutes, validate, progress)
    return trainer


def _refuse_unwritable(run: Path) -> None:
    """Makes the folder of a run. OutputError, before anything is computed, if nothing can be written there."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        writable = os.access(run, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise OutputError(f"{run}: no folder that can be written to; choose another")


def _refuse_other_beginning(trainer: Trainer, run: Path, init: str | None) -> None:
    """InputError if a run that is gone on with began with other weights than it is told to."""
    began = trainer.begun_with.get("sha256")
    if init is not None and checkpoint.read_config(checkpoint.find(init))["sha256"] != began:
        what = f"weights of sha256 {began[:12]}" if began else "none"
        raise InputError(f"{run}: began with {what}, not with {init}; leave --init out, or choose another folder")


def _forget_later(log: Path, step: int) -> None:
    """Takes lines out of a log of steps that a run which was killed has done since it was last saved."""
    if log.exists():
        lines = log.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if len(kept) < len(lines):
            temporary = log.with_suffix(".tmp")
            temporary.write_text("".join(kept))
            temporary.replace(log)


def _own_stream(device: torch.device) -> AbstractContextManager[Any]:
    """A stream of its own on a GPU: what is launched on the default one cannot be recorded."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return torch.cuda.stream(stream)


def _loop(
    trainer: Trainer, mixture: Mixture, run: Path, minutes: float | None, validate: Validate | None, bar: bool | None
) -> None:
    optim = trainer.recipe.optim
    began = time.monotonic()
    before = trainer.seconds
    window: list[dict[str, Tensor]] = []
    samples, since = trainer.samples, began
    disable = None if bar is None else not bar
    with (
        tqdm(total=optim.steps, initial=trainer.step, unit="step", disable=disable) as progress,
        (run / "log.jsonl").open("a") as log,
    ):
        while optim.done(trainer.step, trainer.seconds) < 1:
            window.append(trainer.train_step(mixture.batch(optim.seed, trainer.step)))
            trainer.seconds = before + time.monotonic() - began
            progress.update()
            out_of_time = minutes is not None and time.monotonic() - began > 60 * minutes
            last = out_of_time or optim.done(trainer.step, trainer.seconds) == 1
            if trainer.step % optim.log_every == 0 or last:
                trainer.check()
                entry = _summary(window) | {"step": trainer.step, "samples": trainer.samples}
                now = time.monotonic()
                entry["samples_per_second"] = round((trainer.samples - samples) / (now - since), 1)
                _write(log, entry)
                progress.set_postfix(loss=entry["loss"], per_s=entry["samples_per_second"])
                window, samples, since = [], trainer.samples, now
            if trainer.step % optim.save_every == 0 or last:
                trainer.save(run)
            if validate is not None and (trainer.step % optim.validate_every == 0 or last):
                paused = time.monotonic()
                figures = validate(trainer.averaged())
                _write(log, {"step": trainer.step, "samples": trainer.samples} | figures)
                since += time.monotonic() - paused
            if last:
                return


def _summary(window: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Means over the steps since the last log line, without those that were not finite."""
    summary: dict[str, Any] = {}
    for name in window[0]:
        values = torch.stack([entry[name] for entry in window]).float()
        mean = float(values[values.isfinite()].mean())
        summary[name] = round(mean, 5) if math.isfinite(mean) else None
    return summary


def _write(log: Any, entry: dict[str, Any]) -> None:
    log.write(json.dumps(entry) + "\n")
    log.flush()
