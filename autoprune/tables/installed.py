"""The tables that come with the package, and the user's own, by device; free of torch."""

from __future__ import annotations

from pathlib import Path

from autoprune.data_files import data_folder
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.tables.reading import read_table


def find_tables(root: Path | None = None, device: str = "*") -> dict[Path, LatencyTable]:
    """All tables `<device>/<name>.json` under `root` (by default the package's `latency_tables`), by path.

    `device` is the name of one device's folder. Raises `CorruptFile`, naming the file, where one
    cannot be trusted.
    """
    return {path: read_table(path) for path in table_paths(root, device)}


def table_paths(root: Path | None = None, device: str = "*") -> list[Path]:
    """Where these tables lie; none of them is read."""
    folder = data_folder("latency_tables") if root is None else root
    return sorted([*folder.glob(f"{device}/*.json"), *folder.glob(f"{device}/*.json.gz")])


def find_table(fingerprint: Fingerprint, digest: str | None = None, root: Path | None = None) -> LatencyTable | None:
    """The newest table measured on exactly this device, holding the network `digest` where one is asked for."""
    fits = [
        table
        for table in find_tables(root, fingerprint.folder).values()
        if not fingerprint.differences(table.fingerprint) and (digest is None or digest in table.networks)
    ]
    return max(fits, key=lambda table: table.created, default=None)
