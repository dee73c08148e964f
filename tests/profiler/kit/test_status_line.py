from __future__ import annotations

import io
import re

import pytest

from autoprune.profiler.kit import status_line
from autoprune.profiler.kit.status_line import StatusLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """The lines as a reader sees them: what follows a carriage return covers what stood there."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells = ""
            for part in line.split("\r"):
                cells = part + cells[len(part) :]
            lines.append(cells.rstrip())
        return lines


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(status_line, "time", made)
    return made


def test_a_terminal_has_one_line_that_rewrites_itself(clock: Clock) -> None:
    terminal = Terminal()
    line = StatusLine(terminal)
    line("a long activity that is timed, 12 of 40 need more", 0.25)
    clock.now += 65
    line("short", 0.5)
    assert terminal.shown == ["1:05  50% short"]


def test_what_is_said_stays_and_the_line_goes(clock: Clock) -> None:
    terminal = Terminal()
    line = StatusLine(terminal)
    line("timing kernels", 0.25)
    line.say("error: no")
    clock.now += 1
    line("timing kernels", 0.75)
    assert terminal.shown == ["error: no", "0:01  75% timing kernels"]


def test_a_line_never_wraps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    del clock
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    StatusLine(terminal)("x" * 100, 0.0)
    assert len(terminal.shown[0]) == 29


def test_a_log_has_a_line_an_activity_and_one_every_ten_seconds(clock: Clock) -> None:
    log = io.StringIO()
    line = StatusLine(log)
    for done in range(25):
        line(f"timing kernels, {100 - done} of 100 need more", done / 25)
        clock.now += 1
    line("verifying", 0.0)
    lines = log.getvalue().splitlines()
    assert [text.split("%")[0] for text in lines] == ["0:00   0", "0:10  40", "0:20  80", "0:25   0"]
    assert not re.search(r"[\r\x1b]", log.getvalue())


def test_nothing_is_cleared_where_nothing_is_shown() -> None:
    terminal = Terminal()
    StatusLine(terminal).clear()
    assert terminal.getvalue() == ""
