"""How often somebody may ask: a bucket of requests each, which fills up again at a steady rate."""

from __future__ import annotations

import time
from collections import OrderedDict

_MOST_REMEMBERED = 10_000


class Rates:
    """Buckets by who asks. One that is full again is as good as forgotten, so only the last thousands are kept."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # who: (requests left, when)

    def seconds_to_wait(self, who: str) -> float:
        """0, and one request is taken from the bucket; or how long until there is one."""
        now = time.monotonic()
        left, when = self._buckets.pop(who, (float(self._burst), now))
        left = min(float(self._burst), left + (now - when) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[who] = (left - 1 if not wait else left, now)
        if len(self._buckets) > _MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return wait
