"""Latency tables for people: the list of them, one of them, its kernels, and how a check of it came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from autoprune.cli.output import console
from autoprune.tables.words import NOT_WORTH, count_of, figures, percent, shape_text, verdict

if TYPE_CHECKING:
    from autoprune.pipeline import ProfileResult
    from autoprune.profiler.runtime.fingerprint import Fingerprint
    from autoprune.profiler.table.latency_table import LatencyTable
    from autoprune.profiler.table.network_profile import NetworkProfile
    from autoprune.profiler.table.row import Row
    from autoprune.profiler.table.verification import Verification
    from autoprune.tables.review import Review

# What else `show` can do with a table of no network, one, and several.
_HINTS = (
    "It holds no network: autoprune profile --out TABLE adds one",
    "--layer GROUP draws what each width of a group costs",
    "--network NAME lists the channel groups of one network",
)


def show_tables(named: Mapping[str, LatencyTable]) -> None:
    """Every table with its device, and a line a network: how many unseen ones were predicted within 5%."""
    out = console()
    if not named:
        out.print("No table is installed; make one with autoprune profile, and add it with autoprune tables import.")
        return
    for name, table in named.items():
        device = table.fingerprint
        parts = (device.gpu or device.cpu, _threads_text(device), device.runtime, table.created)
        out.print(f"[bold]{escape(name)}[/]", soft_wrap=True)
        out.print(f"  {escape(', '.join(parts))}, {len(table.rows)} kernels")
        grid = Table.grid(padding=(0, 2), pad_edge=True)
        for network in table.networks.values():
            shape = shape_text(network.input_shape)
            grid.add_row(escape(network.name), shape, _share_text(network.verification))
        out.print(grid)
    out.print("\nautoprune tables show TABLE says more of one.")


def _share_text(verification: Verification | None) -> str:
    if verification is None:
        return "not verified"
    return f"{count_of(verification.within_5pct, verification.networks)} unseen networks within 5%"


def _threads_text(device: Fingerprint) -> str:
    threads = "1 thread" if device.threads == 1 else f"{device.threads} threads"
    return f"{threads} on processors {','.join(map(str, device.affinity))}" if device.affinity else threads


def show_table(name: str, path: Path, table: LatencyTable, reviews: Sequence[Review]) -> None:
    """A table's device, how it was measured, and those of its networks that were reviewed."""
    place = "" if name == str(path) else f"  [dim]{escape(str(path))}[/]"
    console().print(f"[bold]{escape(name)}[/]{place}\n", soft_wrap=True)
    _show_facts([*_device_facts(table.fingerprint), *_measuring_facts(table)])
    for review in reviews:
        console().print()
        _show_network(name, review, with_groups=len(reviews) == 1)
    console().print(f"\n{_HINTS[min(len(reviews), 2)]}, --kernels lists all kernels.")


def _device_facts(device: Fingerprint) -> list[tuple[str, str]]:
    anywhere = "" if device.affinity else " on any processor"
    return [
        *([("GPU", device.gpu)] if device.gpu else []),
        ("processor", f"{device.cpu}, {device.architecture}, {device.cores} logical cores, {device.system}"),
        ("instructions", " ".join(device.instructions) or "none known"),
        ("runtime", f"{device.runtime}, provider {device.provider}, {_threads_text(device)}{anywhere}"),
    ]


def _measuring_facts(table: LatencyTable) -> list[tuple[str, str]]:
    conditions = table.conditions
    load = "not known" if conditions.load is None else f"{conditions.load:g}"
    governor = conditions.governor or "not known"
    reference = table.reference
    return [
        ("measured", f"{table.created}; before it: load {load}, CPU governor {governor}"),
        (
            "reference",
            f"{_ms_text(reference.median)} ± {_ms_text(reference.spread)} ms, a network that never changes, "
            f"timed {reference.runs} times in between",
        ),
        ("drift", f"{percent(table.drift)}: how much the machine's speed changed meanwhile (divided out)"),
        ("disturbed", f"{percent(table.disturbed)} of the runs: another program took the processor"),
        ("overhead", f"{table.overhead_us:.2f} µs a kernel, added by the runtime's profiler (taken off)"),
        ("energy", str(table.energy)),
        ("kernels", f"{len(table.rows)} measured"),
    ]


def _show_network(table: str, review: Review, *, with_groups: bool) -> None:
    network = review.profile
    shape = shape_text(network.input_shape)
    out = console()
    out.print(f"[bold]{escape(network.name)}[/], input {shape}  [dim]{escape(review.digest)}[/]")
    _show_facts([*_fit_facts(review), *_verification_facts(table, network)])
    if with_groups:
        out.print()
        _show_groups(review)


def _fit_facts(review: Review) -> list[tuple[str, str]]:
    network, known = review.profile, review.coverage
    groups = "1 channel group" if len(network.groups) == 1 else f"{len(network.groups)} channel groups"
    unknown = f", {percent(known.unknown)} are not known" if known.unknown else ""
    return [
        ("widths", f"{widths_text(review)} ({groups}); {NOT_WORTH}"),
        (
            "latency",
            f"{_latency_text(network)}; "
            f"mean error {percent(network.mape)} on the {network.networks} networks this was fitted on",
        ),
        ("unexplained", f"{percent(network.unexplained)} of the kernels' time follows no rule (it is in the fit only)"),
        (
            "interpolated",
            f"{percent(known.interpolated)} of the kernels looked up lie between measured ones{unknown} "
            "(over random policies)",
        ),
    ]


def _latency_text(network: NetworkProfile) -> str:
    """How a network's kernels add up, s being the sum of their times."""
    crowding = f" {network.crowding:+.4f} ln(s / {_ms_text(network.dense_ms)} ms)" if network.crowding else ""
    factor = f"({network.scale:.4f}{crowding})" if crowding else f"{network.scale:.4f}"
    return f"{_ms_text(network.constant_ms)} ms + s × {factor}, s being the sum of its kernels' times"


def widths_text(review: Review) -> str:
    """How many widths the stairs leave: 312 of 640 widths are worth offering."""
    return f"{review.offered_widths} of {review.measured_widths} widths are worth offering"


def _verification_facts(table: str, network: NetworkProfile) -> list[tuple[str, str]]:
    found = network.verification
    if found is None:
        return [("verified", f"not yet: {verify_command(table, network.name, network.input_shape)}")]
    return [("verified", verdict(found)), *((f"  {name}", text) for name, text in figures(found))]


def verify_command(table: str, model: str, shape: Sequence[int], weights: Path | None = None) -> str:
    """What to type to check a table against the clock."""
    size = ",".join(map(str, shape))
    given = ["--weights", str(weights)] if weights is not None else []
    return shlex.join(["autoprune", "tables", "verify", table, "--model", model, *given, "--input", size])


def _show_groups(review: Review) -> None:
    grid = _columns("channel group", ">channels", ">measured", ">worth offering", "which")
    for group, steps in zip(review.profile.groups, review.stairs, strict=True):
        offered = [step.width for step in steps if step.worth_offering]
        grid.add_row(
            escape(group.name), str(group.width), str(len(steps)), str(len(offered)), " ".join(map(str, offered))
        )
    console().print(grid)


def show_kernels(table: LatencyTable, rows: Sequence[Row]) -> None:
    """`rows` of a table in their order, and what each kernel takes by its energy model."""
    grid = _columns(">ms", ">± ms", ">visits", ">runs", f">mJ ({table.energy.source})", "operator", "inputs → outputs")
    for row in rows:
        shapes = " → ".join(" ".join(map(shape_text, tensors)) for tensors in (row.inputs, row.outputs))
        energy_mj = table.row_energy_mj(row)
        grid.add_row(
            _ms_text(row.ms),
            f"{row.spread_ms:.2g}",
            str(row.visits),
            str(row.runs),
            "–" if energy_mj is None else f"{energy_mj:.3g}",
            escape(row.op),
            escape(shapes),
        )
    console().print(grid)
    console().print(f"\nenergy: {escape(str(table.energy))}", soft_wrap=True)


def slowest_first(rows: Iterable[Row]) -> list[Row]:
    """The kernels by their time, and by name and shapes where it is equal."""
    return sorted(rows, key=lambda row: (-row.ms, row.op, row.inputs, row.outputs))


def show_verification(found: Verification) -> None:
    """The verdict, and the figures behind it."""
    console().print(f"[bold]{verdict(found)}[/]")
    _show_facts(figures(found))


def show_profile(result: ProfileResult, verify: str) -> None:
    """What was measured, and what to type next: `verify` checks it."""
    groups = "1 channel group" if result.groups == 1 else f"{result.groups} channel groups"
    facts = [
        ("table", str(result.table)),
        ("kernels", f"{result.rows} in the table"),
        (
            "networks",
            f"{result.networks} of different widths measured, mean error on them {percent(result.mean_error)}",
        ),
        ("widths", f"{result.offered_widths} of {result.measured_widths} are worth offering ({groups})"),
        ("interpolated", f"{percent(result.interpolated)} of the kernels looked up lie between measured ones"),
        ("energy", result.energy),
        ("took", f"{result.seconds:.0f} s"),
        ("next", f"{verify}  (measures unseen networks against it)"),
    ]
    _show_facts(facts)


def _show_facts(facts: Iterable[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(f"[bold]{escape(name)}[/]", escape(text))
    console().print(grid)


def _columns(*names: str) -> Table:
    """A table of these columns; `>` in front of a name aligns it to the right."""
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        grid.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return grid


def _ms_text(ms: float) -> str:
    return f"{ms:.4g}"
