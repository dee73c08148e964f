"""Hooks on modules that are there for one pass only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def removing(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    """Remove the hooks when all is done."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
