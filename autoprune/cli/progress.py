"""Progress on stderr: a live display for people at a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichDisplay

from autoprune.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def listening() -> Iterator[Progress]:
    """A listener for the work in the block; what libraries print there goes to stderr, stdout is for the result."""
    console = Console(stderr=True)
    with contextlib.redirect_stdout(sys.stderr):
        if not console.is_terminal:
            yield Lines()
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        with RichDisplay(*columns, console=console) as display:
            yield Live(display)


class Live:
    """One bar a stage."""

    def __init__(self, display: RichDisplay) -> None:
        self._display = display
        self._task: TaskID | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a bar from here on; it stops, and stays on screen, when the block ends."""
        self._task = self._display.add_task(name, total=None, note="")
        try:
            yield
        finally:
            self._display.stop_task(self._task)
            self._task = None

    def advance(self, done: float, total: float, note: str = "") -> None:
        """Move the current stage's bar."""
        if self._task is not None:
            self._display.update(self._task, completed=done, total=total, note=note)


class Lines:
    """A line when a stage begins and ends, and one every ten seconds between."""

    def __init__(self) -> None:
        self._stage = ""
        self._spoke = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Say when the block begins, and how long it took."""
        started = self._spoke = time.monotonic()
        self._stage = name
        self._say("...")
        yield
        self._say(f"done in {time.monotonic() - started:.1f} s")

    def advance(self, done: float, total: float, note: str = "") -> None:
        """Say where the stage stands, unless something was said just before."""
        now = time.monotonic()
        if now - self._spoke >= _SECONDS_BETWEEN_LINES:
            self._spoke = now
            self._say(f"{done:g} of {total:g}" + (f", {note}" if note else ""))

    def _say(self, text: str) -> None:
        print(f"{self._stage}: {text}", file=sys.stderr, flush=True)
