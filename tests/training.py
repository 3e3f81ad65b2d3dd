"""Runs of training as tests make and read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MakeConfig = Callable[..., Path]
OPTIM = {"steps": 6, "lr": 0.003, "warmup": 2, "ema": 0.9, "bf16": "false", "log_every": 2, "save_every": 3}


def write_config(folder: Path, pack: Path, model: dict[str, Any], **optim: Any) -> Path:
    """A TOML file, recipe.toml in the folder, that trains a network on a pack; optim: settings of that table."""
    tables = {
        "model": model,
        "batch": {"pairs": 2000, "draws": 2},
        "optim": OPTIM | optim,
        "sampling": {"num_steps": 5},
    }
    text = f'[[data.sets]]\npath = "{pack}"\n'
    for name, table in tables.items():
        text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def state(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run / "last.pt", weights_only=True)
    return loaded


def tensors(tree: Any) -> list[torch.Tensor]:
    """All tensors of nested dicts and lists, in order."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [tensor for value in values for tensor in tensors(value)]
