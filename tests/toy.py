"""Toy problems for tests: chains of convolutions whose costs and quality are written down by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autoprune.budget import Budget
from autoprune.cost import CostModel, CountPlan, Extent, FloatArray, Volume
from autoprune.feasible import FeasibleSet
from autoprune.features import GroupFeatures, LayerKind
from autoprune.kernel_sum import KernelSum, Term
from autoprune.objective import Objective, Quality
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.trial import Evaluate, Problem, Trial

STAIR = 8  # channels between two steps of the toy device's latency


def _channels(i: int) -> Extent:
    """Input channels of convolution `i`: the image's 3, then what the convolution before keeps."""
    return Extent(3) if i == 0 else Extent(0, ((i - 1, 1),))


@dataclass(frozen=True)
class Chain:
    """Convolutions 3x3 one after another: `widths` of their outputs, and `sizes` of these in pixels.

    `sensitivity` is the score lost when a group goes, `foreseen` what is believed of it beforehand, and
    `coupling` how much worse two neighbouring cuts are together. A group offers `steps` widths, those
    of `fixed` only the dense one.
    """

    widths: tuple[int, ...]
    sizes: tuple[int, ...]
    sensitivity: tuple[float, ...]
    foreseen: tuple[float, ...]
    coupling: float = 0.0
    steps: int = 8
    fixed: tuple[int, ...] = ()

    def space(self) -> SearchSpace:
        """One group a convolution, offering widths in `steps` even steps."""
        return SearchSpace(
            tuple(
                ChannelGroup(f"conv{i}", width, self._offered(i), (f"conv{i}", f"conv{i + 1}"))
                for i, width in enumerate(self.widths)
            )
        )

    def _offered(self, i: int) -> tuple[int, ...]:
        step = self.widths[i] // self.steps
        return (self.widths[i],) if i in self.fixed else tuple(range(step, self.widths[i] + 1, step))

    def layers(self) -> tuple[GroupFeatures, ...]:
        """The producing convolutions: stride 2 where the size halves."""
        sizes_in = (self.sizes[0], *self.sizes[:-1])
        return tuple(
            GroupFeatures(LayerKind.CONV, into, out, size_in, size_in, stride=size_in // size, kernel=3)
            for into, out, size_in, size in zip((3, *self.widths[:-1]), self.widths, sizes_in, self.sizes, strict=True)
        )

    def cost(self) -> CostModel:
        """Costs of the network; latency is a staircase."""
        space = self.space()
        return CostModel(space, self._counts(), self._latency(space))

    def quality(self, policy: Policy) -> Quality:
        """A smooth made-up quality: each group costs its sensitivity times the squared share removed."""
        removed = [1 - w / width for w, width in zip(policy.widths, self.widths, strict=True)]
        loss = sum(s * r**2 for s, r in zip(self.sensitivity, removed, strict=True))
        loss += self.coupling * sum(a * b for a, b in itertools.pairwise(removed))
        return Quality(score=1.0 - loss, agreement=1.0 - loss, kl=loss)

    def scores(self, policies: Sequence[Policy]) -> list[Quality]:
        """Qualities of policies."""
        return [self.quality(policy) for policy in policies]

    def damages(self) -> tuple[FloatArray, ...]:
        """What calibration statistics might foresee of `quality`: of the right kind, not quite right."""
        shares = [1 - np.array(group.widths) / group.width for group in self.space().groups]
        return tuple(foreseen * removed**1.5 for foreseen, removed in zip(self.foreseen, shares, strict=True))

    def feasible(self, *budgets: str) -> FeasibleSet:
        """The space under budgets such as `macs=0.5x`."""
        cost = self.cost()
        return FeasibleSet(cost.space, cost, [Budget.parse(text) for text in budgets])

    def evaluate(self, feasible: FeasibleSet, kept: list[Trial]) -> Evaluate:
        """Scores by `quality`, numbers the trials, and keeps them in `kept`."""

        def evaluate(policies: Sequence[Policy]) -> list[Trial]:
            start = len(kept)
            for policy in policies:
                quality, cost = self.quality(policy), feasible.cost.cost(policy)
                kept.append(Trial(len(kept), policy, quality, cost, Objective().reward(quality, cost)))
            return kept[start:]

        return evaluate

    def problem(
        self,
        *budgets: str,
        trials: int = 20,
        seed: int = 0,
        evaluate: Evaluate | None = None,
        kept: list[Trial] | None = None,
        known: Sequence[Trial] = (),
    ) -> Problem:
        """The network's problem; trials scored without a ledger land in `kept`."""
        feasible = self.feasible(*budgets)
        scored = evaluate or self.evaluate(feasible, [] if kept is None else kept)
        return Problem(feasible, scored, trials, seed, self.layers(), self.damages(), tuple(known))

    def _counts(self) -> CountPlan:
        chain = [(_channels(i), _channels(i + 1)) for i in range(len(self.widths))]
        macs = [
            Volume(f"conv{i}", 9 * size**2, pair) for i, (size, pair) in enumerate(zip(self.sizes, chain, strict=True))
        ]
        params = [Volume(f"conv{i}", 9, pair) for i, pair in enumerate(chain)]
        last = _channels(len(self.widths))
        head = Volume("fc", 10, (last,))
        tensors = [Volume(f"conv{i}", 4 * self.sizes[i] ** 2, (out,)) for i, (_, out) in enumerate(chain)]
        live = [(i, i + 1) for i in range(len(self.widths) - 1)]
        return CountPlan((*macs, head), (*params, head), tuple(tensors), tuple(live))

    def _convolution_ms(self, i: int, units: Sequence[int]) -> float:
        """A device that computes `STAIR` channels at a time: cost falls in stairs."""
        channels_in, channels_out = _channels(i).at(units), _channels(i + 1).at(units)
        return 1e-6 * 9 * self.sizes[i] ** 2 * channels_in * STAIR * math.ceil(channels_out / STAIR) + 1e-3

    def _latency(self, space: SearchSpace) -> KernelSum:
        terms = [
            Term(f"conv{i}", (i,) if i == 0 else (i - 1, i), partial(self._convolution_ms, i))
            for i in range(len(self.sizes))
        ]
        return KernelSum(space, terms, constant=0.05)


# Uneven sensitivities, so that the uniform policy is not best; foreseen within a factor of 2.
TOY = Chain(
    widths=(16, 16, 32, 32, 48),
    sizes=(16, 16, 8, 8, 4),
    sensitivity=(0.02, 0.5, 0.03, 0.4, 0.05),
    foreseen=(0.03, 0.3, 0.02, 0.5, 0.08),
)
# As many groups as a small ResNet: too many for luck.
DEEP = Chain(
    widths=(16,) * 6 + (32,) * 6 + (64,) * 6,
    sizes=(32,) * 6 + (16,) * 6 + (8,) * 6,
    sensitivity=(
        0.09,
        0.01,
        0.03,
        0.02,
        0.11,
        0.01,
        0.05,
        0.02,
        0.01,
        0.12,
        0.02,
        0.04,
        0.01,
        0.08,
        0.03,
        0.02,
        0.01,
        0.06,
    ),
    foreseen=(
        0.05,
        0.02,
        0.02,
        0.04,
        0.08,
        0.02,
        0.08,
        0.01,
        0.02,
        0.07,
        0.03,
        0.02,
        0.02,
        0.12,
        0.02,
        0.03,
        0.02,
        0.04,
    ),
    coupling=0.01,
    steps=16,
)
ONE_GROUP = Chain(widths=(16,), sizes=(8,), sensitivity=(0.3,), foreseen=(0.2,))
HALF_FIXED = replace(TOY, fixed=(0, 2))
WIDTHS, SIZES = TOY.widths, TOY.sizes
toy_space, toy_layers, toy_cost, toy_quality = TOY.space, TOY.layers, TOY.cost, TOY.quality
toy_scores, toy_feasible, plain_evaluate, toy_problem = TOY.scores, TOY.feasible, TOY.evaluate, TOY.problem
