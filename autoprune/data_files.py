"""Where the data folders of this project lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from autoprune.errors import AutopruneError

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder `name` (`agents`, `latency_tables`); raises `AutopruneError` where the installation has none."""
    # The wheel's first: beside an installed package, a folder of that name is somebody else's.
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise AutopruneError(f"the data folder {name!r} is missing from this installation; install autoprune again")
