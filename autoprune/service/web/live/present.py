"""The pages that are open in somebody's session: they end with it."""

from __future__ import annotations

from collections.abc import Callable

End = Callable[[], None]


class Present:
    """What ends each open page, by the secret of its session."""

    def __init__(self) -> None:
        self._ends: dict[str, list[End]] = {}

    def enter(self, session: str, end: End) -> None:
        """A page was opened."""
        self._ends.setdefault(session, []).append(end)

    def leave(self, session: str, end: End) -> None:
        """A page was closed."""
        left = [other for other in self._ends.pop(session, []) if other is not end]
        if left:
            self._ends[session] = left

    def end(self, session: str) -> None:
        """The session is over."""
        for end in self._ends.pop(session, []):
            end()
