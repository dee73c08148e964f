"""A toy problem for tests: five convolutions whose costs and quality are written down by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from autoprune.budget import Budget
from autoprune.cost import CostModel, CountPlan, Extent, Volume
from autoprune.feasible import FeasibleSet
from autoprune.features import GroupFeatures, LayerKind
from autoprune.kernel_sum import KernelSum, Term
from autoprune.objective import Objective, Quality
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.trial import Evaluate, Problem, Trial

WIDTHS = (16, 16, 32, 32, 48)
SIZES = (16, 16, 8, 8, 4)  # height and width of each convolution's output, pixels
SENSITIVITY = (0.02, 0.5, 0.03, 0.4, 0.05)  # score lost when a group goes; uneven, so that uniform is not best
STAIR = 8  # channels between two steps of the toy device's latency


def toy_space() -> SearchSpace:
    """Five groups in a chain, each offering every fourth of its width in steps of 1/8."""
    return SearchSpace(
        tuple(
            ChannelGroup(
                f"conv{i}", width, tuple(range(width // 8, width + 1, width // 8)), (f"conv{i}", f"conv{i + 1}")
            )
            for i, width in enumerate(WIDTHS)
        )
    )


def toy_layers() -> tuple[GroupFeatures, ...]:
    """The producing convolutions: 3x3, stride 2 where the size halves."""
    sizes_in = (SIZES[0], *SIZES[:-1])
    return tuple(
        GroupFeatures(LayerKind.CONV, into, out, size_in, size_in, stride=size_in // size, kernel=3)
        for into, out, size_in, size in zip((3, *WIDTHS[:-1]), WIDTHS, sizes_in, SIZES, strict=True)
    )


def _channels(i: int) -> Extent:
    """Input channels of convolution `i`: the image's 3, then what the convolution before keeps."""
    return Extent(3) if i == 0 else Extent(0, ((i - 1, 1),))


def _counts() -> CountPlan:
    chain = [(_channels(i), _channels(i + 1)) for i in range(len(WIDTHS))]
    macs = [Volume(f"conv{i}", 9 * SIZES[i] ** 2, pair) for i, pair in enumerate(chain)]
    params = [Volume(f"conv{i}", 9, pair) for i, pair in enumerate(chain)]
    last = _channels(len(WIDTHS))
    head = Volume("fc", 10, (last,))
    tensors = [Volume(f"conv{i}", 4 * SIZES[i] ** 2, (out,)) for i, (_, out) in enumerate(chain)]
    live = [(i, i + 1) for i in range(len(WIDTHS) - 1)]
    return CountPlan((*macs, head), (*params, head), tuple(tensors), tuple(live))


def _convolution_ms(i: int, units: Sequence[int]) -> float:
    """A device that computes `STAIR` channels at a time: cost falls in stairs."""
    channels_in, channels_out = _channels(i).at(units), _channels(i + 1).at(units)
    return 1e-6 * 9 * SIZES[i] ** 2 * channels_in * STAIR * math.ceil(channels_out / STAIR) + 1e-3


def _latency(space: SearchSpace) -> KernelSum:
    terms = [Term(f"conv{i}", (i,) if i == 0 else (i - 1, i), partial(_convolution_ms, i)) for i in range(len(SIZES))]
    return KernelSum(space, terms, constant=0.05)


def toy_cost() -> CostModel:
    """Costs of the toy network; latency is a staircase."""
    space = toy_space()
    return CostModel(space, _counts(), _latency(space))


def toy_quality(policy: Policy) -> Quality:
    """A smooth made-up quality: each group costs its sensitivity times the squared share removed."""
    removed = [1 - w / width for w, width in zip(policy.widths, WIDTHS, strict=True)]
    loss = sum(s * r**2 for s, r in zip(SENSITIVITY, removed, strict=True))
    return Quality(score=1.0 - loss, agreement=1.0 - loss, kl=loss)


def toy_scores(policies: Sequence[Policy]) -> list[Quality]:
    """`toy_quality` of each policy."""
    return [toy_quality(policy) for policy in policies]


def toy_feasible(*budgets: str) -> FeasibleSet:
    """The toy space under budgets such as `macs=0.5x`."""
    cost = toy_cost()
    return FeasibleSet(cost.space, cost, [Budget.parse(text) for text in budgets])


def plain_evaluate(feasible: FeasibleSet, kept: list[Trial]) -> Evaluate:
    """Scores by `toy_quality`, numbers the trials, and keeps them in `kept`."""

    def evaluate(policies: Sequence[Policy]) -> list[Trial]:
        start = len(kept)
        for policy in policies:
            quality, cost = toy_quality(policy), feasible.cost.cost(policy)
            kept.append(Trial(len(kept), policy, quality, cost, Objective().reward(quality, cost)))
        return kept[start:]

    return evaluate


def toy_problem(
    *budgets: str, trials: int = 20, seed: int = 0, evaluate: Evaluate | None = None, kept: list[Trial] | None = None
) -> Problem:
    """The toy network's problem; trials scored without a ledger land in `kept`."""
    feasible = toy_feasible(*budgets)
    scored = evaluate or plain_evaluate(feasible, [] if kept is None else kept)
    return Problem(feasible, scored, trials, seed, layers=toy_layers())
