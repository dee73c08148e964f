"""autoprune profile: a network's kernels timed on this device, or a kit that times them on another."""

from __future__ import annotations

import time
from pathlib import Path

from autoprune.copies.kit import write_kit
from autoprune.pipeline.commands.results import KitResult, ProfileResult
from autoprune.pipeline.costs.table import copies_of, digest, measured_table, telling
from autoprune.pipeline.subject import Network
from autoprune.progress import Progress, Silent
from autoprune.spec import DeviceSpec, ModelSpec
from autoprune.tables.review import Review

_SILENT = Silent()


def profile(
    model: ModelSpec,
    device: DeviceSpec,
    input_shape: tuple[int, ...],
    out: Path,
    progress: Progress = _SILENT,
    *,
    seed: int = 0,
) -> ProfileResult:
    """Measure the kernels of a network over its candidate widths; a table that is there already grows."""
    start = time.perf_counter()
    network = Network.load(model, input_shape[1:])
    grown = measured_table(network, device, input_shape, out, seed, progress)
    review = Review.of(grown, digest(network, input_shape[0]))
    return ProfileResult(
        table=out,
        rows=len(grown.rows),
        networks=review.profile.networks,
        mean_error=review.profile.mape,
        groups=len(review.profile.groups),
        measured_widths=review.measured_widths,
        offered_widths=review.offered_widths,
        interpolated=review.coverage.interpolated,
        energy=str(grown.energy),
        seconds=time.perf_counter() - start,
    )


def export_kit(
    model: ModelSpec,
    device: DeviceSpec,
    input_shape: tuple[int, ...],
    out: Path,
    progress: Progress = _SILENT,
    *,
    seed: int = 0,
) -> KitResult:
    """Write what profiles a network on another device, as `device` says: `python KIT` there writes a table."""
    start = time.perf_counter()
    copies = copies_of(Network.load(model, input_shape[1:]), input_shape, seed, progress)
    with progress.stage("writing the kit"):
        tell = telling(progress)
        packed = write_kit(copies, out, device=device.device, seconds=device.seconds, seed=seed, on_progress=tell)
    return KitResult(
        kit=out,
        size_bytes=out.stat().st_size,
        networks=len(packed.skeletons),
        seconds=time.perf_counter() - start,
    )
