"""The chosen network as it is handed over: with the blocks trained on the dense network's."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from autoprune.pipeline.goals.search import Found
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray


def reconstructed(spec: RunSpec, found: Found, progress: Progress) -> nn.Module:
    """The chosen network, its blocks trained to answer as the dense one's where the spec asks for that."""
    return with_blocks_trained(spec, found.judge.pruner, found.pruned, found.kept, progress)


def with_blocks_trained(
    spec: RunSpec, pruner: Pruner, refitted: nn.Module, kept: Sequence[IntArray], progress: Progress
) -> nn.Module:
    """The same for a network that was `refitted` from the units `kept` of each group."""
    if not spec.reconstruction.steps:
        return refitted
    with progress.stage("reconstructing blocks"):
        return pruner.reconstruct(refitted, kept, spec.reconstruction, on_block=progress.advance)
