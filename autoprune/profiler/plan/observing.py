"""Looks at networks until their kernel plan is certain; free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoprune.device import Device
from autoprune.profiler.listening import OnProgress
from autoprune.profiler.plan.blueprint import Blueprint, Networks, units_of
from autoprune.profiler.plan.kernel_plan import Ambiguous, KernelPlan, make_plan
from autoprune.profiler.plan.sampling import first_look, random_policies
from autoprune.profiler.runtime.executed import Execution, observe
from autoprune.space import Policy

_HELD_OUT = 4
_MOST_EXTRA = 48
_PAIRS = 2  # the stream of random policies that `observe_more` takes


@dataclass(frozen=True)
class Observed:
    """Networks that were run once, and the plan that explains them; `policies` start with the covering ones."""

    policies: tuple[Policy, ...]
    executions: tuple[Execution, ...]
    plan: KernelPlan


def possible_policies(blueprint: Blueprint, seed: int) -> list[Policy]:
    """All policies that a profile with this seed may look at: what it takes to be made ready beforehand."""
    space = blueprint.space
    covering = first_look(blueprint, seed)
    spare = random_policies(space, _MOST_EXTRA, seed)
    pairs = random_policies(space, len(covering) + len(spare), (seed, _PAIRS))
    return list(dict.fromkeys([*covering, *spare, *pairs]))


def observe_plan(networks: Networks, device: Device, *, seed: int, tell: OnProgress) -> Observed:
    """Run the covering policies once each, then more, until one plan is left that predicts unseen ones.

    Where no more can be told from 48 further networks, the first of the plans that explain all of
    them is taken. Sites that no plan explains are named in `plan.unexplained`.
    """
    space = networks.blueprint.space
    policies = first_look(networks.blueprint, seed)
    spare = [p for p in random_policies(space, _MOST_EXTRA, seed) if p not in set(policies)]
    seen = [_look(networks, policy, device, tell, i / len(policies)) for i, policy in enumerate(policies)]
    while True:
        plan = _plan(networks, policies, seen, settle=not spare)
        new, spare = spare[:_HELD_OUT], spare[_HELD_OUT:]
        policies += new
        seen += [_look(networks, policy, device, tell, 1.0) for policy in new]
        if plan is not None and all(
            predicts(plan, units_of(space, policy), execution)
            for policy, execution in zip(
                policies[len(policies) - len(new) :], seen[len(seen) - len(new) :], strict=True
            )
        ):
            return Observed(tuple(policies), tuple(seen), plan)


def observe_more(observed: Observed, networks: Networks, device: Device, *, seed: int, tell: OnProgress) -> Observed:
    """As many random networks again, where kernels depend on two groups at once; `observed` itself where none does.

    The covering policies hold every width, but few of its pairs, and seldom two large ones.
    """
    if all(len(site.groups()) < 2 for site in observed.plan.sites):
        return observed
    drawn = random_policies(networks.blueprint.space, len(observed.policies), (seed, _PAIRS))
    new = [policy for policy in drawn if policy not in set(observed.policies)]
    seen = [_look(networks, policy, device, tell, i / len(new)) for i, policy in enumerate(new)]
    return Observed((*observed.policies, *new), (*observed.executions, *seen), observed.plan)


def _look(networks: Networks, policy: Policy, device: Device, tell: OnProgress, done: float) -> Execution:
    tell("reading what the runtime executes", done)
    return observe(networks(policy), device)


def _plan(
    networks: Networks, policies: Sequence[Policy], seen: Sequence[Execution], *, settle: bool
) -> KernelPlan | None:
    space = networks.blueprint.space
    units = np.array([units_of(space, policy) for policy in policies], dtype=np.int64).reshape(
        len(policies), len(space)
    )
    try:
        return make_plan(seen, units, networks.blueprint.candidates, settle=settle)
    except Ambiguous:
        return None


def predicts(plan: KernelPlan, units: Sequence[int], execution: Execution) -> bool:
    """Whether the plan says exactly what was executed, but for the sites that it leaves unexplained."""
    said = {(site.name, kernel) for site in plan.sites if (kernel := site.kernel(units)) is not None}
    done = {(site.name, site.kernel) for site in execution.sites}
    return {(name, kernel) for name, kernel in said ^ done if (name, kernel.op) not in plan.unexplained} == set()
