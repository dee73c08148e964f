"""Channel pruning as a gymnasium environment: one step a channel group, one episode a trial (AMC).

Registered as `autoprune/ChannelPruning-v0` when this module is imported;
`gymnasium.make("autoprune.env:autoprune/ChannelPruning-v0", problem=...)` imports it too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Metric
from autoprune.errors import BadInput
from autoprune.features import GroupFeatures, LayerKind
from autoprune.space import Policy
from autoprune.trial import Problem

Observation = NDArray[np.float32]
Action = NDArray[np.float32]

ENV_ID = "autoprune/ChannelPruning-v0"
OBSERVATION = (
    "index",
    "kind",
    "in_channels",
    "out_channels",
    "height",
    "width",
    "stride",
    "kernel",
    "cost",
    "reduced",
    "rest",
    "last_action",
)
_PENALTY = -1.0


class ChannelPruningEnv(gymnasium.Env[Observation, Action]):
    """AMC's environment (He et al., ECCV 2018) for any budget that a cost model can price.

    A step chooses the kept ratio of one group, in the order of the space, and the last step scores
    the finished policy through `problem.evaluate`. Whatever the actions, that policy keeps the
    budgets: each is bounded by `FeasibleSet.reachable`.

    Observation: float32 `(12,)` in [0, 1], named by `OBSERVATION` (AMC, "The State Space"). Sizes
    are divided by their largest over the groups. `cost`, `reduced` and `rest` are shares of the
    dense network's cost in the first budget's metric (MACs where there is no budget): what this
    group alone could save, what the choices so far have saved, what the groups after this one can
    save. `last_action` is the ratio that the group before really kept, 1 at the start.

    Action: float32 `(1,)` in [0, 1], the kept ratio.

    Reward: 0 until the last step, then the trial's. Where that is not finite the agent gets the
    lowest finite reward seen so far, or -1 if that is lower, so that no learner meets a NaN; the
    trial in the last step's `info["trial"]` keeps the true one.
    """

    def __init__(self, problem: Problem) -> None:
        if not problem.layers:
            raise BadInput("the environment shows an agent each group's layer; give the problem its `layers`")
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (len(OBSERVATION),), np.float32)
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
        self._problem, self._space = problem, problem.space
        budgets = problem.feasible.budgets
        self._metric = budgets[0].metric if budgets else Metric.MACS
        self._dense, self._smallest = self._space.dense().widths, self._space.smallest().widths
        self._dense_cost = float(self._costs([self._dense])[0])
        self._static = self._static_features(problem.layers)
        self._chosen: list[int] = []
        self._penalty = _PENALTY

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a policy with nothing chosen; the environment itself draws nothing at random."""
        super().reset(seed=seed, options=options)
        self._chosen = []
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Choose the next group's kept ratio; raises `BadInput` for one that is not a number."""
        if len(self._chosen) == len(self._space):
            raise gymnasium.error.ResetNeeded("the policy is finished; call reset() before the next step")
        self._chosen.append(self._bounded(float(np.asarray(action).reshape(()).item())))
        if len(self._chosen) < len(self._space):
            return self._observe(), 0.0, False, False, {}
        [trial] = self._problem.evaluate([Policy(tuple(self._chosen))])
        return self._observe(), self._finite(trial.reward), True, False, {"trial": trial}

    def _bounded(self, ratio: float) -> int:
        """The reachable width nearest to `ratio` of the group whose turn it is."""
        if not math.isfinite(ratio):
            raise BadInput(f"an action is a kept ratio in [0, 1], got {ratio}")
        return self._problem.feasible.step(self._chosen, min(max(ratio, 0.0), 1.0))

    def _finite(self, reward: float) -> float:
        if not math.isfinite(reward):
            return self._penalty
        self._penalty = min(self._penalty, reward)
        return reward

    def _observe(self) -> Observation:
        """The state float32 `(12,)` before the next choice; after the last choice, of the last group."""
        done = len(self._chosen)
        turn = min(done, len(self._space) - 1)
        kept = (*self._chosen, *self._dense[done:])
        now, least = self._costs([kept, (*kept[: turn + 1], *self._smallest[turn + 1 :])])
        last_action = self._chosen[-1] / self._dense[done - 1] if done else 1.0
        moving = ((self._dense_cost - now) / self._dense_cost, (now - least) / self._dense_cost, last_action)
        # A staircase may make a smaller network dearer; such a saving counts as none.
        return np.clip((*self._static[turn], *moving), 0.0, 1.0).astype(np.float32)

    def _static_features(self, layers: Sequence[GroupFeatures]) -> NDArray[np.float64]:
        """What never changes during an episode: [groups, 9], scaled to at most 1."""
        sizes = np.array(
            [(f.in_channels, f.out_channels, f.height, f.width, f.stride, f.kernel) for f in layers], dtype=np.float64
        )
        index = np.arange(len(layers)) / max(len(layers) - 1, 1)
        kind = np.array([f.kind for f in layers]) / max(LayerKind)
        alone = [(*self._dense[:g], w, *self._dense[g + 1 :]) for g, w in enumerate(self._smallest)]
        saving = 1.0 - self._costs(alone) / self._dense_cost
        return np.column_stack([index, kind, sizes / sizes.max(axis=0), saving])

    def _costs(self, widths: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Cost [n] of policies `widths` [n, groups] in the unit of the environment's metric."""
        return self._problem.feasible.cost.costs(np.array(widths), [self._metric])[self._metric]


if ENV_ID not in gymnasium.registry:
    gymnasium.register(id=ENV_ID, entry_point="autoprune.env:ChannelPruningEnv")
