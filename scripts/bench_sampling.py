"""How many networks a table needs: error on unseen networks against the number of networks measured.

All networks are visited in the same rounds, those that tables are made from and unseen ones, so that
the machine's drift is the same for both. Tables are then made from the first k networks only.

    python scripts/bench_sampling.py --model resnet18 --input 1,3,224,224 --seconds 120
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from autoprune.cost import FloatArray
from autoprune.device import Device
from autoprune.pipeline.costs.table import copies_of
from autoprune.pipeline.subject import Network
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.listening import silent
from autoprune.profiler.plan.blueprint import Networks
from autoprune.profiler.plan.observing import Observed, observe_more, observe_plan
from autoprune.profiler.plan.sampling import random_policies
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.table.analysis import make_table
from autoprune.profiler.table.composition import network_ms
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.timing.averaging import average
from autoprune.profiler.timing.overhead import measured_overhead_ms
from autoprune.profiler.timing.reference import Reference
from autoprune.profiler.timing.visits import Visit, Visitor, runs_a_visit, visit_rounds
from autoprune.profiler.verify import unseen_policies
from autoprune.progress import Silent
from autoprune.space import Policy
from autoprune.spec import ModelSpec


@dataclass(frozen=True)
class Session:
    """What was measured: networks to make tables from, and unseen ones, whose indices come after."""

    networks: Networks
    device: Device
    observed: Observed
    unseen: tuple[Policy, ...]
    visits: tuple[Visit, ...]
    profiler_ms: float

    def whole_ms(self) -> FloatArray:
        """Time of every network [n], the machine's changes of speed taken out."""
        speed = average(self.visits).speed
        return network_ms(self.visits, speed, len(self.observed.policies) + len(self.unseen))

    def errors(self, count: int) -> FloatArray:
        """Relative errors on the unseen networks of a table made from the first `count` networks."""
        seen = self.observed
        first = Observed(seen.policies[:count], seen.executions[:count], seen.plan)
        visits = [visit for visit in self.visits if visit.network < count]
        blueprint = self.networks.blueprint
        here = Fingerprint.here(self.device)
        table = make_table(
            blueprint, first, visits, here, Conditions(), EnergyModel.modelled(), profiler_ms=self.profiler_ms
        )
        latency = TimedPlan.of(table, blueprint.digest, blueprint.space).latency()
        predicted = latency(np.array([policy.widths for policy in self.unseen]))
        measured = self.whole_ms()[len(seen.policies) :]
        return np.asarray(predicted / measured - 1)


def measure(networks: Networks, device: Device, *, seconds: float, more: int, seed: int) -> Session:
    observed = observe_plan(networks, device, seed=seed, tell=silent)
    observed = observe_more(observed, networks, device, seed=seed, tell=silent)
    observed = _extended(observed, networks, device, more, seed)
    known = set(observed.policies)
    unseen = tuple(policy for policy in unseen_policies(networks.blueprint, 30, seed) if policy not in known)
    executions = (*observed.executions, *(observe(networks(policy), device) for policy in unseen))
    makers = [partial(networks, policy) for policy in (*observed.policies, *unseen)]
    visitor = Visitor(makers, executions, device, Reference(device))
    runs = runs_a_visit(visitor, seconds, silent)
    visits = visit_rounds(visitor, [], runs=runs, seconds=seconds, seed=seed, settled=lambda _: (0, 1), tell=silent)
    return Session(networks, device, observed, unseen, tuple(visits), measured_overhead_ms(device))


def _extended(observed: Observed, networks: Networks, device: Device, more: int, seed: int) -> Observed:
    """The same with `more` random networks."""
    drawn = [p for p in random_policies(networks.blueprint.space, 2 * more, (seed, 9)) if p not in observed.policies]
    executions = tuple(observe(networks(policy), device) for policy in drawn[:more])
    return Observed((*observed.policies, *drawn[:more]), (*observed.executions, *executions), observed.plan)


def _rows(session: Session, counts: Sequence[int]) -> Iterator[str]:
    for count in counts:
        errors = np.abs(session.errors(count))
        yield f"{count:9d}  {errors.mean():9.2%}  {errors.max():9.2%}  {(errors <= 0.05).mean():9.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True, help="N,C,H,W")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = tuple(int(n) for n in arguments.input.split(","))
    network = Network.load(ModelSpec(name=arguments.model), shape[1:])
    copies = copies_of(network, shape, arguments.seed, Silent())
    covering = 5 + max(len(group.widths) for group in copies.blueprint.space.groups)
    device = Device(threads=arguments.threads)
    session = measure(copies, device, seconds=arguments.seconds, more=60, seed=arguments.seed)
    total = len(session.observed.policies)
    groups = copies.blueprint.space.groups
    print(f"{arguments.model}: {len(groups)} groups, at most {max(len(g.widths) for g in groups)} widths each")
    print(f"{len(session.visits)} visits; {covering} networks cover every width, a profile takes {total - 60}")
    print(f"{'networks':>9s}  {'mean':>9s}  {'largest':>9s}  {'within 5%':>9s}   error on {len(session.unseen)} unseen")
    counts = sorted({covering, (covering + total - 60) // 2, total - 60, total - 30, total})
    print("\n".join(_rows(session, counts)))


if __name__ == "__main__":
    main()
