"""What a training draws from: which numbers all processes of a group share, and which are each one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from autoprune.training.group import Group


class Randomness:
    """Two generators on the CPU, and PyTorch's global ones.

    The processes of a group draw the samples' `order` alike, and whatever a method draws. The `changes` to its
    images, and what its network drops, each draws for itself. One that is alone has no use for the difference:
    it draws samples and changes from one generator, and all else from the global ones.
    """

    def __init__(self, seed: int, place: torch.device, group: Group) -> None:
        self._place, self._group = place, group
        self.order = torch.Generator().manual_seed(seed)
        self.changes = self.order
        self._apart: Mapping[str, Tensor] = {}
        if not group.alone:
            own = int(torch.randint(2**62, (group.size,), generator=torch.Generator().manual_seed(seed))[group.rank])
            self.changes = torch.Generator().manual_seed(own)
            with seeded(own, place):
                self._apart = _drawn(place)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Global draws inside are this process's own; those outside go on as if there had been none."""
        if self._group.alone:
            yield
            return
        shared = _drawn(self._place)
        _draw_on(self._apart, self._place)
        yield
        self._apart = _drawn(self._place)
        _draw_on(shared, self._place)

    def state(self) -> dict[str, Tensor]:
        """All that the next draws of the whole group depend on: all together."""
        shared = {"order": self.order.get_state(), **_drawn(self._place)}
        if self._group.alone:
            return shared
        owns = self._group.all_of({"changes": self.changes.get_state(), **self._apart})
        return shared | {f"{rank}.{name}": state for rank, own in enumerate(owns) for name, state in own.items()}

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Draw on from where another told its `state`."""
        self.order.set_state(state["order"])
        _draw_on(state, self._place)
        if not self._group.alone:
            start = f"{self._group.rank}."
            own = {name.removeprefix(start): drawn for name, drawn in state.items() if name.startswith(start)}
            self.changes.set_state(own.pop("changes"))
            self._apart = own


@contextmanager
def seeded(seed: int, place: torch.device) -> Iterator[None]:
    """Global draws come from `seed` inside, and leave no trace outside."""
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _drawn(place: torch.device) -> dict[str, Tensor]:
    """Where the global generators stand."""
    cpu = {"cpu": torch.get_rng_state()}
    return {**cpu, "cuda": torch.cuda.get_rng_state(place)} if place.type == "cuda" else cpu


def _draw_on(state: Mapping[str, Tensor], place: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], place)
