"""Writes kits: one file with a network's copies and the profiler, for a device that has numpy and onnxruntime only."""

from __future__ import annotations

import ast
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from autoprune.copies import kit_start
from autoprune.copies.networks import Copies
from autoprune.device import Device
from autoprune.files import write_atomic
from autoprune.profiler.kit.command import PLAN_FILE, KitPlan
from autoprune.profiler.kit.packed import PackedNetworks
from autoprune.profiler.listening import OnProgress, silent

_PACKAGE: Final = "autoprune"
_ROOT: Final = Path(__file__).resolve().parents[1]
_DEVICE_SIDE: Final = "autoprune.profiler.kit.command"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell; one time for all, so that bytes repeat


def write_kit(
    copies: Copies,
    path: Path,
    *,
    device: Device,
    seconds: float,
    seed: int = 0,
    verification: int = 30,
    on_progress: OnProgress = silent,
) -> PackedNetworks:
    """Write a kit that profiles `copies` elsewhere: `python kit.pyz` there writes the table that a profile here would.

    It holds every network that a profile with this `seed` may look at, and up to `verification`
    unseen ones. `device` and `seconds` are what it does where its user does not say
    otherwise. Equal arguments give equal bytes. Raises `BadInput` where `path` cannot be written.
    """
    plan = KitPlan(device, seconds, seed, verification, np.__version__)
    policies = plan.policies(copies.blueprint)
    skeletons = {}
    for done, policy in enumerate(policies):
        on_progress("making networks", done / len(policies))
        skeletons[policy] = copies.skeleton(policy)
    packed = PackedNetworks(copies.blueprint, skeletons)
    write_atomic(path, _archive({**_program(), **packed.files(), PLAN_FILE: plan.to_json()}))
    return packed


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = ZipInfo(name, _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # as on Unix wherever it is written
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], compresslevel=9)
    return buffer.getvalue()


def _program() -> dict[str, bytes]:
    """The files of the device side: its start and every module of ours that it imports, directly or not."""
    files = {_file(name).relative_to(_ROOT.parent).as_posix(): _file(name).read_bytes() for name in _needed()}
    return {"__main__.py": Path(kit_start.__file__).read_bytes(), **files}


def _needed() -> set[str]:
    """Our modules that run on the device, and the packages they lie in."""
    found: set[str] = set()
    ahead = {_DEVICE_SIDE}
    while ahead:
        name = ahead.pop()
        found.add(name)
        ahead |= ({name.rpartition(".")[0]} | _imports(name)) - found - {""}
    return found


def _imports(module: str) -> set[str]:
    """Our modules that `module` imports, inside its functions too; what the package itself offers is for users."""
    if module == _PACKAGE:
        return set()
    names = set()
    for node in ast.walk(ast.parse(_file(module).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] == _PACKAGE and _file(name).is_file()}


def _file(module: str) -> Path:
    """The file that `module` is, or would be, in."""
    place = _ROOT.parent.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_name(f"{place.name}.py")
