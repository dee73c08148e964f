"""How a latency table grows: the rows and networks of a later session beside those that it holds."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from autoprune.cost import Kernel
from autoprune.errors import BadInput
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.network_profile import Anchor, NetworkProfile
from autoprune.profiler.table.row import Row


def merge(older: LatencyTable, newer: LatencyTable) -> LatencyTable:
    """Both tables' rows and networks.

    Of a network that both hold the newer profile counts, and with it the newer rows of its kernels,
    unless another network of the older table may execute them too: that one was fitted and verified on
    the older rows, so these stay. Where a newer network is left with older rows, how its kernels
    add up is brought to them (see `_fitted_to`). All that is newer is brought to the older table's
    speed by the reference network's times. Measured energy goes before modelled, older before newer.
    Raises `ForeignTable` where they are not of one device, `BadInput` where their speeds cannot be compared.
    """
    older.fingerprint.require_same(newer.fingerprint)
    try:
        return _grown(older, _at_speed(newer, older.reference.median / newer.reference.median))
    except ValueError as error:
        raise BadInput(
            f"the tables cannot be merged: at one speed of the reference network {error}; keep them apart"
        ) from None


def _grown(older: LatencyTable, newer: LatencyTable) -> LatencyTable:
    """Both tables, which are of one speed."""
    left = [network for digest, network in older.networks.items() if digest not in newer.networks]
    staying = _executable(left, older.kernels)
    rows = {row.kernel: row for row in older.rows}
    rows |= {row.kernel: row for row in newer.rows if row.kernel not in staying}
    networks = {digest: _fitted_to(rows, network, newer) for digest, network in newer.networks.items()}
    measured = (older.energy.source, newer.energy.source) == ("modelled", "measured")
    return dataclasses.replace(
        older,
        created=max(older.created, newer.created),
        drift=max(older.drift, newer.drift),
        disturbed=max(older.disturbed, newer.disturbed),
        energy=newer.energy if measured else older.energy,
        networks={**older.networks, **networks},
        rows=tuple(rows.values()),
    )


def _executable(networks: Iterable[NetworkProfile], kernels: Iterable[Kernel]) -> set[Kernel]:
    """Those of `kernels` that a place of one of the networks may execute."""
    sites = defaultdict(list)
    for network in networks:
        for site in network.plan.sites:
            sites[site.op].append(site)
    return {kernel for kernel in kernels if any(site.may_execute(kernel) for site in sites[kernel.op])}


def _fitted_to(rows: Mapping[Kernel, Row], network: NetworkProfile, own: LatencyTable) -> NetworkProfile:
    """`network`, which was fitted to its `own` table's rows, with the same predictions from `rows` for its anchors.

    From rows that take 1/f of its own in all, a copy's time is const + s (f scale + f crowding ln(s f / dense)).
    """
    times = {kernel: row.ms for kernel, row in rows.items()}
    units = [tuple(w // g.unit for w, g in zip(a.widths, network.groups, strict=True)) for a in network.anchors]
    executed = [network.plan.kernels(one) for one in units]
    factors = [
        sum(own.kernels[k].median for k in kernels) / sum(times[k] for k in kernels)
        for kernels in executed
        if kernels and all(kernel in own.kernels for kernel in kernels)
    ]
    factor = float(np.median(factors)) if factors else 1.0
    return dataclasses.replace(
        network,
        scale=network.scale * factor,
        crowding=network.crowding * factor,
        dense_ms=network.dense_ms / factor,
    )


def _at_speed(table: LatencyTable, factor: float) -> LatencyTable:
    """The table as it would be of a machine that takes `factor` times as long for everything."""
    rows = (dataclasses.replace(row, ms=row.ms * factor, spread_ms=row.spread_ms * factor) for row in table.rows)
    networks = {
        digest: dataclasses.replace(
            network,
            constant_ms=network.constant_ms * factor,
            dense_ms=network.dense_ms * factor,
            anchors=tuple(Anchor(anchor.widths, anchor.ms * factor) for anchor in network.anchors),
        )
        for digest, network in table.networks.items()
    }
    return dataclasses.replace(table, rows=tuple(rows), networks=networks, energy=table.energy.at_speed(factor))
