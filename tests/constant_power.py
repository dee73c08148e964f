"""An energy counter that is simulated: a machine that draws the same power whatever it does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class ConstantPower:
    """A meter that integrates `watts` over the clock, as a counter in hardware does with its own power."""

    watts: float = 10.0
    window_s: float = 0.02
    name: str = "simulated"
    windows: int = 0
    _since: float = field(default=0.0, repr=False)

    def begin(self) -> None:
        """Start a window."""
        self.windows += 1
        self._since = time.perf_counter()

    def end(self) -> float:
        """Joules since then."""
        return self.watts * (time.perf_counter() - self._since)
