"""Halve every torchvision classifier and compare it with its dense self: one row a network.

Each network of up to 100 M parameters gets well-spread random weights, is traced, and loses a
random half of every prunable channel group at once (a whole number of units). The sliced network
must run and answer, within the tracer's own tolerance, like the dense one whose consumers multiply
the removed channels by zero. Exit status 1 if any does not.

Columns: prunable groups; entries in the list of frozen ones; `reached`, the share of MACs in
operators whose input or output width depends on a prunable group; `kept`, MACs of the halved network
as a share of the dense one's; `off`, the largest difference of outputs as a share of the largest
output; seconds of tracing, proof included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoprune.cost import CostModel, CountPlan
from autoprune.models.vision import build, names
from autoprune.space import Policy, SearchSpace
from autoprune.tracing import Traced, trace
from autoprune.tracing.proof import TOLERANCE, randomised, slice_error
from autoprune.tracing.slicing import unit_masks

MOST_PARAMETERS = 100e6
LARGER_INPUTS = {"inception_v3": 299}  # pixels; all others take 224


@dataclass(frozen=True)
class Row:
    """What happened to one network; `off` is None where it does not run, for the reason in `error`."""

    model: str
    groups: int = 0
    frozen: int = 0
    reached: float = 0.0
    kept: float = 1.0
    off: float | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def holds(self) -> bool:
        return self.off is not None and self.off <= TOLERANCE

    def __str__(self) -> str:
        if self.off is None:
            return f"{self.model:22} {self.error}"
        counts = f"{self.model:22} {self.groups:6} {self.frozen:6} {self.reached:8.1%} {self.kept:7.1%}"
        return f"{counts} {self.off:9.1e} {self.seconds:8.1f}{'' if self.holds else '  DIFFERS'}"


def examine(name: str) -> Row:
    """Trace, halve and compare one network."""
    size = LARGER_INPUTS.get(name, 224)
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(1, 3, size, size, generator=generator)
    try:
        model = build("torchvision", name, {}).eval()
        start = time.perf_counter()
        traced = trace(model, example)
        seconds = time.perf_counter() - start
        off = halved_error(randomised(model, example, seed=1), traced, example)
    except Exception as error:
        return Row(name, error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    space, cost = traced.space, CostModel(traced.space, traced.counts)
    kept = cost.cost(halved(space)).macs / cost.cost(space.dense()).macs
    reached = reached_share(traced.counts, cost)
    return Row(name, len(space), len(space.frozen), reached, kept, off, seconds)


def halved(space: SearchSpace) -> Policy:
    """The policy that keeps half of every group, to the nearest unit."""
    return space.policy([0.5] * len(space))


def halved_error(model: nn.Module, traced: Traced, example: torch.Tensor) -> float:
    """How far the network that keeps a random half of every group is from the dense one."""
    rng = np.random.default_rng(0)
    widths = zip(traced.space.groups, halved(traced.space).widths, strict=True)
    kept = [rng.permutation(g.width // g.unit)[: width // g.unit] for g, width in widths]
    return slice_error(model, example, traced.axes, traced.pads, unit_masks(traced.units, kept))


def reached_share(counts: CountPlan, cost: CostModel) -> float:
    """Share of the dense network's MACs in operators whose count depends on some group."""
    prunable = [v for v in counts.macs if any(extent.terms for extent in v.extents)]
    dense = cost.space.dense()
    part = CostModel(cost.space, CountPlan(tuple(prunable), (), (), ()))
    return part.cost(dense).macs / cost.cost(dense).macs


def small_enough() -> Iterator[str]:
    """Names of the classifiers that have at most `MOST_PARAMETERS`, by what torchvision says of their weights."""
    from torchvision.models import get_model_weights

    for name in names("torchvision"):
        if get_model_weights(name).DEFAULT.meta["num_params"] <= MOST_PARAMETERS:
            yield name


def declare_operators() -> torch.library.Library | None:
    """Let torchvision import beside a build of torch that its compiled part does not fit.

    Model definitions need no operator of that part, but importing them looks for two.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        sys.exit("torchvision is not installed: pip install torchvision")
    try:
        for compiled in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(compiled)  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        return library
    return None


def summary(rows: list[Row]) -> dict[str, float]:
    """Totals over all networks; means are over those that hold."""
    good = [row for row in rows if row.holds]
    return {
        "networks": len(rows),
        "hold": len(good),
        "groups": sum(row.groups for row in rows),
        "mean_reached": float(np.mean([row.reached for row in good])) if good else 0.0,
        "mean_kept": float(np.mean([row.kept for row in good])) if good else 1.0,
        "worst_off": max((row.off for row in good if row.off is not None), default=0.0),
        "seconds": sum(row.seconds for row in rows),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names separated by commas (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="torchvision")
    torch.set_num_threads(1)
    kept_alive = declare_operators()  # noqa: F841 - the operators last as long as this does
    rows = []
    if not arguments.json:
        print(f"{'model':22} {'groups':>6} {'frozen':>6} {'reached':>8} {'kept':>7} {'off':>9} {'seconds':>8}")
    for name in arguments.models.split(",") if arguments.models else small_enough():
        rows.append(examine(name))
        if not arguments.json:
            print(rows[-1], flush=True)
    total = summary(rows)
    if arguments.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "total": total}, indent=1))
    else:
        print(
            f"{total['hold']} of {total['networks']} networks hold; {total['groups']} groups reach "
            f"{total['mean_reached']:.1%} of the MACs (mean), halving them keeps {total['mean_kept']:.1%}; "
            f"worst difference {total['worst_off']:.1e}; {total['seconds']:.0f} s of tracing"
        )
    return 0 if total["hold"] == total["networks"] else 1


if __name__ == "__main__":
    sys.exit(main())
