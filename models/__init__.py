"""Networks by name. All share one contract: `forward(graph, pos, noise) -> (N, 3)`; see `clofnet`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .clofnet import ClofNet

REGISTRY: dict[str, Callable[..., ClofNet]] = {"clofnet": ClofNet}


def build(name: str, **config: Any) -> ClofNet:
    """The network of that name with the given settings; KeyError for an unknown name, TypeError for a setting."""
    return REGISTRY[name](**config)
