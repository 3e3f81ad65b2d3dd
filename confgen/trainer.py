"""The state of a training run: what a step of the optimiser changes, written down and read again."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from confgen import checkpoint
from confgen.capture import Captured
from confgen.card import write_card
from confgen.denoiser import Denoiser
from confgen.errors import ConfgenError, InputError, WeightsError
from confgen.mixture import Batch
from confgen.recipe import Recipe
from confgen.torsions import TorsionLibrary

MAX_BAD_STEPS = 20


class Diverged(ConfgenError):
    """Training produced numbers that are not finite, again and again; the last good checkpoint is on disk."""


class Trainer:
    """The state of a run: denoiser, averaged weights, optimiser, step and samples seen.

    torsions: the library that goes with the weights, None for none.
    """

    def __init__(self, recipe: Recipe, device: torch.device, torsions: TorsionLibrary | None = None) -> None:
        self.recipe, self.device, self.torsions = recipe, device, torsions
        torch.manual_seed(recipe.optim.seed)
        self.denoiser = Denoiser(recipe.network, **recipe.config).to(device)
        self.denoiser.network.passed_on = recipe.optim.passed_on
        self.average = {name: value.detach().clone().float() for name, value in self.denoiser.named_parameters()}
        matrices = [p for p in self.denoiser.parameters() if p.dim() > 1]
        others = [p for p in self.denoiser.parameters() if p.dim() <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": recipe.optim.weight_decay},
            {"params": others},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.optim.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
        if recipe.optim.compile:  # one layer stands for all of them: they are the same code
            for layer in self.denoiser.network.layers:
                layer.compile(dynamic=True)
        for parameter in self.denoiser.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._kept = [parameter.grad for parameter in self.denoiser.parameters() if parameter.grad is not None]
        graphs = recipe.optim.graphs and device.type == "cuda"
        self.gradients = Captured(self._gradients) if graphs else self._gradients
        self.move = Captured(self._move) if graphs else self._move
        self.step = self.samples = 0
        self.bad_steps = torch.zeros((), device=device)
        self.seconds = 0.0
        self.begun_with: dict[str, Any] = {}

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimiser; what comes back stays on the device until it is logged."""
        optim = self.recipe.optim
        for group in self.optimizer.param_groups:
            group["lr"] = optim.lr * optim.factor(self.step, self.seconds)
        losses = self.gradients(self._stepped(batch))
        norm = clip_grad_norm_(self.denoiser.parameters(), optim.clip)
        bad = ~torch.isfinite(norm)  # the clip has turned every gradient into NaN: leave the weights alone
        self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined] # what torch's own scaler sets, too
        self.optimizer.step()
        self._average()
        self.bad_steps = (self.bad_steps + 1) * bad
        self.step += 1
        self.samples += len(batch.clean)
        return losses | {"norm": norm.detach()}

    def _stepped(self, batch: Batch) -> Batch:
        """The batch with its starts moved by the network as it is now."""
        for _ in range(batch.stepped):
            batch = replace(batch, shift=self.move(batch)["shift"])
        return batch

    def _move(self, batch: Batch) -> dict[str, Tensor]:
        """The shifts of a batch after a step of the network."""
        assert batch.shift is not None
        with self._precision():
            return {"shift": self.denoiser.step(batch.graph, batch.clean, batch.sigma, batch.shift)}

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.recipe.optim.bf16 else nullcontext()

    def _gradients(self, batch: Batch) -> dict[str, Tensor]:
        """The mean losses of a batch; leaves their gradients in the parameters, in the memory that these have."""
        torch._foreach_zero_(self._kept)
        with self._precision():
            losses, parts = self.denoiser.loss(
                batch.graph, batch.clean, batch.root, batch.sigma, batch.eps, self.recipe.loss, batch.shift
            )
        loss = losses.mean()
        loss.backward()
        return {"loss": loss.detach()} | {name: part.mean().detach() for name, part in parts.items()}

    def check(self) -> None:
        """Raises Diverged if the last steps were not finite. Waits for the device, so not to be asked every step."""
        if self.bad_steps > MAX_BAD_STEPS:
            raise Diverged(f"step {self.step}: {int(self.bad_steps)} steps in a row were not finite; lower optim.lr")

    def _average(self) -> None:
        """Moves the averaged weights on; the average is short at the start of a run, when weights change fast."""
        decay = min(self.recipe.optim.ema, (1 + self.step) / (10 + self.step))
        live = [p.detach() for p in self.denoiser.parameters()]
        torch._foreach_lerp_(list(self.average.values()), live, 1 - decay)

    def averaged(self) -> Denoiser:
        """A denoiser with the averaged weights, in evaluation mode."""
        copy = Denoiser(self.recipe.network, **self.recipe.config).to(self.device)
        copy.load_state_dict(self.average)
        return copy.eval().requires_grad_(False)

    def begin_with(self, weights: str) -> None:
        """Takes over trained weights, a name or a folder, both as they are and as the average.

        They may have fewer layers: new ones follow the old and change nothing at first, since the steps that a layer
        adds are zero to begin with.
        """
        given = checkpoint.load(weights, self.device)
        own, others = vars(self.denoiser.network.config), vars(given.denoiser.network.config)
        if given.denoiser.name != self.denoiser.name or own | {"layers": 0} != others | {"layers": 0}:
            raise WeightsError(f"{weights}: made for another network or size; give the same [model] in the config")
        if own["layers"] < others["layers"]:
            raise WeightsError(f"{weights}: has {others['layers']} layers; give as many in [model], or more")
        self.denoiser.load_state_dict(self.denoiser.state_dict() | given.denoiser.state_dict())
        self.begun_with = {"sha256": given.sha256, "samples": given.samples}
        self.average = {name: value.detach().clone() for name, value in self.denoiser.named_parameters()}

    def save(self, run: Path) -> None:
        """Writes `last.pt`, whole or not at all, and then `weights/`."""
        state = {
            "model": self.denoiser.state_dict(), "average": self.average, "optimizer": self.optimizer.state_dict(),
            "step": self.step, "samples": self.samples, "seconds": self.seconds,
            "begun_with": self.begun_with,
        }  # fmt: skip
        torch.save(state, run / "last.tmp")
        (run / "last.tmp").replace(run / "last.pt")
        story = {
            "steps": self.step,
            "samples": self.samples + self.begun_with.get("samples", 0),
            "seconds": round(self.seconds),
            "torch": torch.__version__,
        }
        if self.begun_with:
            story["begun_with"] = self.begun_with["sha256"]
        checkpoint.save(run / "weights", self.denoiser, self.average, self.recipe.sampling, story, self.torsions)
        write_card(run / "weights", self.recipe)

    def restore(self, run: Path) -> None:
        """Goes back to where `last.pt` was written. InputError if that is damaged, or of another network."""
        last = run / "last.pt"
        try:
            state = torch.load(last, map_location=self.device, weights_only=True)
            model = state["model"]
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, UnpicklingError) as error:
            reason = " ".join(str(error).split())[:80]
            raise InputError(
                f"{last}: cannot be read ({reason}); begin anew in another folder, with --init {run / 'weights'}"
            ) from error
        try:
            self.denoiser.load_state_dict(model)
        except RuntimeError as error:
            raise InputError(f"{run}: was trained with another [model]; give it the config that began it") from error
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.samples, self.seconds = state["step"], state["samples"], state["seconds"]
        self.begun_with = state.get("begun_with", {})
