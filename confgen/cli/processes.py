"""How many processes sample, by --workers or by what there is to do."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from confgen.cli.console import say
from confgen.pool import choose_workers
from confgen.readers import Record


def workers_for(
    asked: int | None, records: Iterator[Record], num_confs: int | str, device: torch.device
) -> tuple[int, int, Iterator[Record]]:
    """The number asked for with one thread each, or what `choose_workers` finds best; on a GPU one, with a note."""
    if asked is None:
        return choose_workers(records, num_confs, device)
    if device.type != "cpu" and asked > 1:
        say(f"note: one process feeds {device}; --workers is for the CPU")
        return 1, 1, records
    return asked, 1, records
