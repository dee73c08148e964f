"""From a policy to a smaller module: choose channels, slice, refit."""

from autoprune.pruning.pruner import Pruner

__all__ = ["Pruner"]
