"""What widths on the stairs of the measured cost gain over widths rounded to 8, at the same MACs, on the clock.

Ratios are drawn at random, as a searcher would ask for them. Each draw becomes two networks of the same
shape and the same MACs: widths rounded to multiples of 8, and widths that a table says are worth having.
Both are measured in turns.

    autoprune profile --model mobilenet_v2 --input 1,3,224,224 --out table.json
    python scripts/bench_stairs.py --model mobilenet_v2 --input 1,3,224,224 --table table.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from autoprune.budget import Budget
from autoprune.copies.networks import networks
from autoprune.cost import CostModel, Metric
from autoprune.feasible import FeasibleSet
from autoprune.pipeline.costs.table import digest, profiled_space
from autoprune.pipeline.subject import Network
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.stairs import pareto_widths
from autoprune.profiler.timing.averaging import summary
from autoprune.profiler.timing.visits import time_in_turns
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.spec import ModelSpec
from autoprune.tables.reading import read_table

_MULTIPLE = 8


def rounded(space: SearchSpace, ratios: Sequence[float]) -> Policy:
    """Widths at `ratios`, rounded to multiples of 8."""
    return Policy(tuple(_rounded(group, ratio) for group, ratio in zip(space.groups, ratios, strict=True)))


def _rounded(group: ChannelGroup, ratio: float) -> int:
    step = int(np.lcm(_MULTIPLE, group.unit))
    return min(group.width, max(step, step * round(ratio * group.width / step)))


def on_stairs(stairs: SearchSpace, cost: CostModel, ratios: Sequence[float], macs: float) -> Policy:
    """The largest policy of worthwhile widths that is shaped like `ratios` and has no more than `macs`."""
    return FeasibleSet(stairs, cost, [Budget(Metric.MACS, macs)]).scaled(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True, help="N,C,H,W")
    parser.add_argument("--table", required=True, type=Path)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--ratio", type=float, default=0.6, help="mean share of channels that is asked for")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = tuple(int(n) for n in arguments.input.split(","))
    network = Network.load(ModelSpec(name=arguments.model), shape[1:])
    table = read_table(arguments.table)
    timed = TimedPlan.of(table, digest(network, shape[0]), profiled_space(network))
    stairs = pareto_widths(timed)
    whole = network.traced.space
    counted = CostModel(whole, network.traced.counts)
    copies = networks(network.bare, whole, shape, seed=arguments.seed)

    rng = np.random.default_rng(arguments.seed)
    pairs = []
    for _ in range(arguments.pairs):
        ratios = np.clip(arguments.ratio + rng.uniform(-0.25, 0.25, len(whole)), 0.1, 1.0).tolist()
        plain = rounded(whole, ratios)
        pairs.append(
            (plain, on_stairs(stairs, CostModel(stairs, network.traced.counts), ratios, _macs(counted, plain)))
        )
    makers = [partial(copies, policy) for pair in pairs for policy in pair]
    device = table.fingerprint.device
    times = np.median(time_in_turns(makers, device, rounds=arguments.rounds, runs=20, seed=arguments.seed), axis=1)
    macs = np.array([_macs(counted, policy) for pair in pairs for policy in pair])

    offered, left = (sum(len(g.widths) for g in space.groups) for space in (timed.space, stairs))
    print(
        f"{arguments.model} {arguments.input}, {device.threads} threads: {left} of {offered} measured widths are stairs"
    )
    for (ms_8, ms_stairs), (macs_8, macs_stairs) in zip(times.reshape(-1, 2), macs.reshape(-1, 2), strict=True):
        print(f"  {macs_8 / 1e6:8.1f} M -> {macs_stairs / 1e6:8.1f} M MACs   {ms_8:7.3f} -> {ms_stairs:7.3f} ms")
    latency, work = (summary(a.reshape(-1, 2)[:, 1] / a.reshape(-1, 2)[:, 0], len(pairs)) for a in (times, macs))
    print(f"latency on stairs over rounded to 8: {latency.median:.3f} ± {latency.spread:.3f}")
    print(f"MACs    on stairs over rounded to 8: {work.median:.3f} ± {work.spread:.3f}")


def _macs(cost: CostModel, policy: Policy) -> float:
    return float(cost.costs(np.array([policy.widths]), [Metric.MACS])[Metric.MACS][0])


if __name__ == "__main__":
    main()
