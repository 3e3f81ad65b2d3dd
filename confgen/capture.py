"""Parts of a training step as CUDA graphs: launched at once, where single operations would keep the GPU waiting.

On an H200, 563 samples of a network of ten layers take 56 ms of the GPU and 190 ms of the Python that launches the
operations one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from confgen.mixture import Batch

Results = dict[str, Tensor]


@dataclass(frozen=True)
class _Recorded:
    """A graph, the batch that it reads, and the results that it writes."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    results: Results


class Captured:
    """What `run` does to a batch, recorded once for every shape of batch and played back after that.

    run: must leave everything that it changes in the same memory each time, and never look at a value on the host.
    It is run as it is the first time that a shape comes up, so that libraries find their ways outside of a recording;
    on a stream that is not the default one, as everything that a graph of autograd has a part in.
    """

    def __init__(self, run: Callable[[Batch], Results]) -> None:
        self.run = run
        self.recorded: dict[tuple[torch.Size, ...], _Recorded | None] = {}
        self.pool = torch.cuda.graph_pool_handle()  # one for all: they never play at the same time

    def __call__(self, batch: Batch) -> Results:
        shapes = tuple(tensor.shape for tensor in batch.tensors())
        if shapes not in self.recorded:
            self.recorded[shapes] = None
            return self.run(batch)
        known = self.recorded[shapes] or self._record(batch)
        self.recorded[shapes] = known
        for own, given in zip(known.batch.tensors(), batch.tensors(), strict=True):
            own.copy_(given)
        known.graph.replay()
        return {name: value.clone() for name, value in known.results.items()}

    def _record(self, batch: Batch) -> _Recorded:
        own = batch.map(torch.clone)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=torch.cuda.current_stream()):
            results = self.run(own)
        return _Recorded(graph, own, results)
