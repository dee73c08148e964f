"""Measures ONNX files from outside, in a process of its own: one may compute for ever, and a job can be stopped.

`python -m autoprune.service.work.timing PROVIDER THREADS FILE...` answers with a JSON list of [median, spread, runs],
or with exit code 2 and a line on stderr.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from autoprune.cost import Measurement
from autoprune.device import Device
from autoprune.errors import AutopruneError, BadInput
from autoprune.progress import Progress

_SECONDS_BETWEEN_LOOKS = 0.2
_LINE = 300


def time_networks(networks: Sequence[Path], device: Device, seconds: float, progress: Progress) -> list[Measurement]:
    """Latency of each file in ms, measured in turns; raises `BadInput` where that fails or takes longer than `seconds`.

    `progress` is told of the time that passes, and may raise to stop the work.
    """
    command = [
        sys.executable,
        "-m",
        "autoprune.service.work.timing",
        device.provider,
        str(device.threads),
        *map(str, networks),
    ]
    with (
        progress.stage("measuring in turns"),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child,
    ):
        try:
            _wait(child, seconds, progress)
        finally:
            child.kill()
        answer, said = child.communicate()
    if child.returncode:
        lines = said.strip().splitlines() if child.returncode == 2 else []
        raise BadInput(f"the networks cannot be measured: {lines[-1][:_LINE] if lines else 'the runtime gave up'}")
    return [Measurement(*found) for found in json.loads(answer)]


def _wait(child: subprocess.Popen[str], seconds: float, progress: Progress) -> None:
    start = time.monotonic()
    while child.poll() is None:
        if (passed := time.monotonic() - start) > seconds:
            raise BadInput(f"the networks cannot be measured within {seconds:g} s; give fewer, or smaller ones")
        progress.advance(round(passed), 0)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _main(provider: str, threads: str, *networks: str) -> int:
    from autoprune.deploy.onnx_file.measure import measure_in_turns

    try:
        found = measure_in_turns([Path(network) for network in networks], device=Device(provider, int(threads)))
    except AutopruneError as error:
        first = str(error).partition("\n")[0]
        for number, network in enumerate(networks, 1):  # where files lie on the server is nobody's business
            first = first.replace(network, f"network {number}")
        print(first, file=sys.stderr)
        return 2
    print(json.dumps([dataclasses.astuple(one) for one in found]))
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(*sys.argv[1:]))
