"""The latency table of a network: given, measured before, installed, or measured now; and how networks are measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from autoprune.copies.networks import Copies, networks
from autoprune.pipeline.subject import Network
from autoprune.profiler.plan.blueprint import architecture_digest
from autoprune.profiler.profile import profile
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.merging import merge
from autoprune.profiler.table.stairs import candidate_widths
from autoprune.progress import Progress
from autoprune.space import SearchSpace
from autoprune.spec import DeviceSpec
from autoprune.tables.installed import find_table
from autoprune.tables.reading import read_table


def table_of(network: Network, device: DeviceSpec, kept: Path | None, seed: int, progress: Progress) -> LatencyTable:
    """The given table, the one that was measured into `kept` before, an installed one of this device, or a new one."""
    here = Fingerprint.here(device.device)
    given = device.table or (kept if kept is not None and kept.is_file() else None)
    if given is not None:
        table = read_table(given)
        table.fingerprint.require_same(here, allow_foreign=device.allow_foreign_table)
        return table
    installed = find_table(here, digest(network, device.batch))
    if installed is None:
        return measured_table(network, device, (device.batch, *network.example.shape[1:]), kept, seed, progress)
    if kept is not None:
        installed.save(kept)
    return installed


def measured_table(
    network: Network, device: DeviceSpec, shape: tuple[int, ...], out: Path | None, seed: int, progress: Progress
) -> LatencyTable:
    """Measure the network at an input of `shape` on this machine, into the table in `out` if there is one.

    What is measured is kept beside `out` until the table holds it. Raises `ForeignTable` where
    `out` is another device's.
    """
    known = read_table(out) if out is not None and out.is_file() else None
    if known is not None:
        known.fingerprint.require_same(Fingerprint.here(device.device))
    copies = copies_of(network, shape, seed, progress)

    def grown(measured: LatencyTable) -> LatencyTable:
        return merge(known, measured) if known is not None else measured

    with progress.stage("profiling the device"):
        measured = profile(
            copies,
            device=device.device,
            seconds=device.seconds,
            seed=seed,
            journal=out.with_name(f"{out.name}.journal") if out is not None else None,
            keep=(lambda table: grown(table).save(out)) if out is not None else None,
            on_progress=telling(progress),
        )
    return grown(measured)


def copies_of(network: Network, shape: tuple[int, ...], seed: int, progress: Progress) -> Copies:
    """Pruned copies of the network for an input of `shape`, the batch first."""
    with progress.stage("exporting sample networks"):
        return networks(
            network.bare,
            profiled_space(network),
            shape,
            name=network.name,
            digest=digest(network, shape[0]),
            seed=seed,
            on_progress=telling(progress),
        )


def digest(network: Network, batch: int) -> str:
    """What latency tables call the network, executed on `batch` inputs at once."""
    shape = (batch, *network.example.shape[1:])
    return architecture_digest(shape, network.traced.space, network.traced.counts)


def profiled_space(network: Network) -> SearchSpace:
    """The network's groups, offering the widths that are worth measuring."""
    groups = network.traced.space.groups
    return network.traced.space.with_widths([candidate_widths(g) for g in groups])


def device_name(fingerprint: Fingerprint) -> str:
    """The device as people tell it from others: its processor, and how many threads of it."""
    threads = fingerprint.threads
    return f"{fingerprint.gpu or fingerprint.cpu} ({threads} {'thread' if threads == 1 else 'threads'})"


def telling(progress: Progress) -> Callable[[str, float], None]:
    """The profiler's way of reporting (a message, a fraction done), handed to `progress` as percent."""
    return lambda note, done: progress.advance(math.floor(100 * done), 100, note)
