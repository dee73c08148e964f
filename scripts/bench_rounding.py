"""What searching under a latency budget gains over searching under MACs and rounding the widths, on the clock.

Takes two finished runs of one network, one under MACs and one under latency. The first one's policy is
rounded to multiples of 4 and of 8; every network is refitted and reconstructed
as its run did, all are measured in turns, and all are scored on the test split, which chooses nothing.

    autoprune run scripts/jobs/cifar10_resnet56_macs50.toml
    autoprune run scripts/jobs/cifar10_resnet56_latency70.toml
    python scripts/bench_rounding.py runs/cifar10_resnet56_macs50 runs/cifar10_resnet56_latency70
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from autoprune.cost import CostModel, Metric
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline.delivery.measuring import Candidate, cost_lines
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.space import ChannelGroup, Policy
from autoprune.spec import RunSpec


def rounded(subject: Subject, policy: Policy, multiple: int) -> Policy:
    """The widths of `policy` as multiples of `multiple` and of each group's unit."""

    def width(group: ChannelGroup, kept: int) -> int:
        step = math.lcm(multiple, group.unit)
        return min(group.width, max(step, step * round(kept / step)))

    groups = subject.network.traced.space.groups
    return Policy(tuple(width(group, kept) for group, kept in zip(groups, policy.widths, strict=True)))


def policy_of(folder: Path, subject: Subject) -> Policy:
    """The policy that a run chose."""
    groups = PolicyFile.load(RunFolder(folder).policy).groups
    return Policy(tuple(groups[group.name].width for group in subject.network.traced.space.groups))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("macs", type=Path, help="folder of a finished run under a MACs budget")
    parser.add_argument("latency", type=Path, help="folder of a finished run of the same network under latency")
    arguments = parser.parse_args()
    spec = RunSpec.load(RunFolder(arguments.latency).spec)
    subject = prepare(spec, None, Silent())
    network, splits = subject.network, subject.splits
    pruner = Pruner(network.model, network.traced, splits.calibration.inputs, seed=spec.search.seed)
    by_macs = policy_of(arguments.macs, subject)
    policies = {"dense": network.traced.space.dense(), "searched under MACs": by_macs}
    for multiple in (4, 8):
        policies[f"  rounded to {multiple}"] = rounded(subject, by_macs, multiple)
    policies["searched under latency"] = policy_of(arguments.latency, subject)

    cost = CostModel(network.traced.space, network.traced.counts)
    candidates, accuracy = [], []
    for policy in policies.values():
        module = network.model
        if policy != network.traced.space.dense():
            module = pruner.reconstruct(pruner.apply(policy), pruner.kept(policy), spec.reconstruction)
        candidates.append(Candidate(module, cost.cost(policy)))
        accuracy.append(float(scores(module, splits.test, subject.task).double().mean()))
    torch.set_num_threads(1)
    lines = cost_lines(candidates, network.example, spec.device.device)
    dense = lines[0].latency_ms.measured
    assert dense is not None
    print(f"{'':24s} {'MACs':>6s} {'measured ms':>18s} {'':>7s} {subject.task.metric:>9s}")
    for name, candidate, line, score in zip(policies, candidates, lines, accuracy, strict=True):
        macs = candidate.cost.of(Metric.MACS) / candidates[0].cost.of(Metric.MACS)
        ms, spread = line.latency_ms.measured, line.latency_ms.spread
        assert ms is not None
        print(f"{name:24s} {macs:5.2f}x {ms:9.3f} ± {spread or 0:6.3f} {ms / dense:6.2f}x {score:9.1%}")


if __name__ == "__main__":
    main()
