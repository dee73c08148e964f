"""What has been measured so far, on disk: a profile that was killed goes on where it stopped; free of torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from autoprune.errors import BadInput
from autoprune.files import write_atomic
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.runtime.executed import Execution
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.timing.visits import Visit

SCHEMA: Final = "autoprune.journal/1"

_PLAIN = ("network", "network_ms", "reference_ms", "runs", "disturbed", "run_s", "loading_s", "took_s")


class Journal:
    """The visits of one profile, one JSON line each, as they are made; without a `path` nothing is kept.

    The first line says which profile: the network, the widths on offer, the device and the seed, and
    how many runs a visit to each network has. A last line that was cut off by a kill is left out. Raises `BadInput`,
    and leaves the file alone, where it belongs to another profile.
    """

    def __init__(self, path: Path | None, blueprint: Blueprint, fingerprint: Fingerprint, seed: int) -> None:
        self._path = path
        widths = [list(group.widths) for group in blueprint.space.groups]
        of = {"network": blueprint.digest, "widths": widths, "device": asdict(fingerprint), "seed": seed}
        self._profile = json.loads(json.dumps({"schema": SCHEMA, **of}))
        self._runs, self._kept = self._read()

    def _read(self) -> tuple[list[int] | None, list[dict[str, Any]]]:
        """Runs a visit, and the visits' lines; None and none where nothing was kept.

        Raises `BadInput`, and leaves the file alone, where it belongs to another profile.
        """
        if self._path is None or not self._path.is_file():
            return None, []
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        head, *lines = _lines(whole)
        runs = head.pop("runs", None)
        if head != self._profile or not isinstance(runs, list):
            raise BadInput(
                f"{self._path}: measurements of another profile that was not finished; "
                "finish that one, choose another --out, or delete the file"
            )
        if whole != text:
            write_atomic(self._path, whole)
        return runs, lines

    def read(self, executions: Sequence[Execution]) -> tuple[list[int] | None, list[Visit]]:
        """Runs a visit and the visits so far; None and none where nothing was kept.

        Raises `BadInput` where a visit is not one of these executions: the file was damaged.
        """
        try:
            return self._runs, [_visit(line, executions) for line in self._kept]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BadInput(f"{self._path}: the measurements in it are damaged; delete it to measure anew") from None

    def start(self, runs: Sequence[int]) -> None:
        """Begin a new journal; a visit to network k will have `runs[k]` runs."""
        if self._path is not None:
            write_atomic(self._path, json.dumps({**self._profile, "runs": list(runs)}) + "\n")

    def add(self, visit: Visit, execution: Execution) -> None:
        """Keep one more visit; it is on disk when this returns."""
        if self._path is None:
            return
        line = {name: getattr(visit, name) for name in _PLAIN}
        line["us"] = [visit.kernel_us[kernel] for kernel in execution.distinct]
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Forget what was kept: the table holds it now."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _lines(text: bytes) -> list[dict[str, Any]]:
    try:
        return [dict(json.loads(line)) for line in text.splitlines()] or [{}]
    except (ValueError, TypeError):
        return [{}]


def _visit(line: dict[str, Any], executions: Sequence[Execution]) -> Visit:
    plain = {name: line[name] for name in _PLAIN}
    if not all(0 <= value < math.inf for value in plain.values()) or not all(0 < us < math.inf for us in line["us"]):
        raise ValueError("times and counts must be positive and finite")
    execution = executions[line["network"]]
    times = dict(zip(execution.distinct, line["us"], strict=True))
    return Visit(kernel_us=times, sites=execution.counts, **plain)
