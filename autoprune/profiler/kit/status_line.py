"""Progress without a library: one line that rewrites itself on a terminal, plain lines in a log; stdlib only."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Final, TextIO

_SECONDS_BETWEEN_LINES: Final = 10.0
_SECONDS_BETWEEN_REWRITES: Final = 0.1


class StatusLine:
    """What is being done and the share of it that is done: `line(message, done)` is an `OnProgress`."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to if to is not None else sys.stderr
        self._rewrites = self._to.isatty()
        self._started = time.monotonic()
        self._spoke = -_SECONDS_BETWEEN_LINES
        self._activity = ""
        self._shown = 0  # characters of the line that is on the terminal now

    def __call__(self, message: str, done: float) -> None:
        """Show where `message` stands, unless it was shown just before."""
        now = time.monotonic()
        activity = message.partition(",")[0]  # what follows a comma are figures, which always change
        pause = _SECONDS_BETWEEN_REWRITES if self._rewrites else _SECONDS_BETWEEN_LINES
        if activity == self._activity and now - self._spoke < pause:
            return
        self._activity, self._spoke = activity, now
        minutes, seconds = divmod(int(now - self._started), 60)
        text = f"{minutes}:{seconds:02d} {done:4.0%} {message}"
        if self._rewrites:
            self._rewrite(text[: shutil.get_terminal_size().columns - 1])
        else:
            print(text, file=self._to, flush=True)

    def say(self, text: str) -> None:
        """Print lines that stay; a line that rewrites itself is wiped out first."""
        self.clear()
        print(text, file=self._to, flush=True)

    def clear(self) -> None:
        """Wipe the line off the terminal."""
        if self._shown:
            self._rewrite("")
            print("\r", end="", file=self._to, flush=True)

    def _rewrite(self, text: str) -> None:
        print(f"\r{text:<{self._shown}}", end="", file=self._to, flush=True)
        self._shown = len(text)
