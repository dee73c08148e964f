"""How long work says where it stands: a protocol that any room may be handed, and the silent one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """A listener: work reports to it and never asks it anything, so results cannot depend on it."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Everything inside the `with` block belongs to the stage `name`; stages do not nest."""
        ...

    def advance(self, done: float, total: float, note: str = "") -> None:
        """The current stage has finished `done` of `total`, in a unit of its own; `note` is shown beside it."""
        ...


class Silent:
    """A listener that says nothing."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:  # noqa: ARG002
        """Run the block."""
        yield

    def advance(self, done: float, total: float, note: str = "") -> None:
        """Take note of nothing."""
