"""Keeping this process on the processors that a device names; free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from autoprune.device import Device
from autoprune.errors import BadInput


@contextmanager
def pinned(device: Device) -> Iterator[None]:
    """Run the block, and threads started in it, on the processors in `device.affinity` only.

    Raises `BadInput` where the machine has no such processor, or a system that cannot do this.
    """
    if not device.affinity:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise BadInput("affinity: this operating system does not let a program choose its processors; leave it out")
    before = os.sched_getaffinity(0)
    absent = sorted(set(device.affinity) - before)
    if absent:
        raise BadInput(f"affinity: processors {absent} are not among those at hand, {sorted(before)}")
    os.sched_setaffinity(0, device.affinity)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
