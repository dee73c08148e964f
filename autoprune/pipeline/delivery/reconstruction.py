"""The chosen network as it is handed over: with the blocks trained on the dense network's."""

from __future__ import annotations

from torch import nn

from autoprune.pipeline.goals.search import Found
from autoprune.progress import Progress
from autoprune.spec import RunSpec


def reconstructed(spec: RunSpec, found: Found, progress: Progress) -> nn.Module:
    """The chosen network, its blocks trained to answer as the dense one's where the spec asks for that."""
    if not spec.reconstruction.steps:
        return found.pruned
    with progress.stage("reconstructing blocks"):
        pruner = found.judge.pruner
        return pruner.reconstruct(found.pruned, found.kept, spec.reconstruction, on_block=progress.advance)
