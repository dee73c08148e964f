"""Activations that are kept for another time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from threading import Lock

from autoprune.evaluation.prefixes.resuming import Reached

Images = tuple[int, int]
"""Which images of the set a batch has: the number of the first one, and how many there are."""


class Activations:
    """What was made at cuts, by the digest of all that decides it and by batch; at most so many bytes.

    Where room is needed, all that belongs to the digest that was not asked for longest goes. For any number of
    threads.
    """

    def __init__(self, most_bytes: int) -> None:
        self._free, self._lock = most_bytes, Lock()
        self._kept: OrderedDict[bytes, dict[Images, Reached]] = OrderedDict()

    def find(self, digest: bytes, images: Images) -> Reached | None:
        """What is kept of a batch."""
        with self._lock:
            reached = self._kept.get(digest, {}).get(images)
            if reached is not None:
                self._kept.move_to_end(digest)
            return reached

    def keep(self, digest: bytes, images: Images, reached: Reached, in_use: Collection[bytes]) -> None:
        """Keep what was made of a batch, if there is room for it beside all that belongs to the digests `in_use`."""
        with self._lock:
            for other in [d for d in self._kept if d not in in_use]:
                if reached.bytes <= self._free:
                    break
                self._free += sum(gone.bytes for gone in self._kept.pop(other).values())
            if reached.bytes <= self._free:
                self._free -= reached.bytes
                self._kept.setdefault(digest, {})[images] = reached
