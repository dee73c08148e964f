"""Measures latency tables of this machine for the models that are shipped, and how well they predict.

Every table is made and then verified on networks that it was not made from. With --verify-only, tables
that are there are only checked again.

    python scripts/measure_tables.py --models resnet18,mobilenet_v2 --threads 1,2 --batches 1,8
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision_coverage import declare_operators

from autoprune.device import Device
from autoprune.models import default_input
from autoprune.pipeline import profile, verify_table
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.profiler.table.verification import Verification
from autoprune.spec import DeviceSpec, ModelSpec
from autoprune.tables.reading import read_table

MODELS = ("resnet56", "resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0")
IMAGE = (3, 224, 224)
COLUMNS = (
    f"{'network':24s} {'dense ms':>9s} {'made in s':>9s} {'mean':>6s} {'largest':>7s} {'in 5%':>6s} {'in 10%':>6s} "
    f"{'noise mean':>10s} {'largest':>7s} {'in noise':>8s} {'rank':>6s} {'interp.':>7s} {'speed':>6s}"
)


@dataclass(frozen=True)
class Case:
    """One network as it is executed: model, batch, threads."""

    model: str
    batch: int
    threads: int

    @property
    def shape(self) -> tuple[int, ...]:
        built_in = default_input(self.model)
        return (self.batch, *(built_in[1:] if built_in else IMAGE))

    def table(self, out: Path) -> Path:
        """The table of this case: a file a model and number of threads, in a folder a device."""
        device = Fingerprint.here(Device(threads=self.threads))
        return out / device.folder / f"{self.model}-threads{self.threads}.json.gz"


def measured(case: Case, out: Path, *, seconds: float, networks: int, profiled: bool) -> str:
    """Make and check the table of a case; a line of what was found."""
    path, model = case.table(out), ModelSpec(name=case.model)
    start = time.perf_counter()
    if profiled:
        profile(model, DeviceSpec(threads=case.threads, batch=case.batch, seconds=seconds), case.shape, path)
    took = time.perf_counter() - start
    found = verify_table(path, model, case.shape, networks)
    network = next(n for n in read_table(path).networks.values() if n.input_shape == case.shape)
    return line(case, network, found, took if profiled else None)


def line(case: Case, network: NetworkProfile, found: Verification, took: float | None) -> str:
    name = f"{case.model} b{case.batch} t{case.threads}"
    noise = found.noise_floor
    made = f"{took:9.0f}" if took is not None else f"{'':9s}"
    parts = (
        f"{name:24s} {network.anchors[0].ms:9.2f} {made}",
        f"{found.mape:6.1%} {found.max_error:7.1%} {found.within_5pct:6.0%} {found.within_10pct:6.0%}",
        f"{noise.mape:10.1%} {noise.max_error:7.1%} {found.within_noise:8.0%}",
        f"{found.rank_correlation:6.3f} {found.interpolated:7.0%} {found.speed:6.3f}",
    )
    return " ".join(parts)


def cases(models: list[str], batches: list[int], threads: list[int]) -> Iterator[Case]:
    return (Case(model, batch, thread) for thread in threads for batch in batches for model in models)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="names separated by commas")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--seconds", type=float, default=90.0, help="for each table")
    parser.add_argument("--networks", type=int, default=30, help="unseen networks to check each on")
    parser.add_argument("--out", type=Path, default=Path("latency_tables"))
    parser.add_argument("--verify-only", action="store_true")
    arguments = parser.parse_args()
    library = declare_operators()  # kept alive: the operators go with it
    torch.set_num_threads(1)
    numbers = [[int(n) for n in text.split(",")] for text in (arguments.batches, arguments.threads)]
    print(COLUMNS, flush=True)
    for case in cases(arguments.models.split(","), *numbers):
        made = not arguments.verify_only
        row = measured(case, arguments.out, seconds=arguments.seconds, networks=arguments.networks, profiled=made)
        print(row, flush=True)
    del library


if __name__ == "__main__":
    main()
