"""A comparison as it would come out: made-up rewards with a spread, judged by the real statistics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from autoprune.budget import Budget
from autoprune.deploy.comparison.document import AgentLine, Comparison, TimeLine, outcomes
from autoprune.deploy.comparison.words import verdict
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere

# What each agent is better than random by, on average: clearly, hardly, worse.
GAINS = {"random": 0.0, "evolution": 0.02, "tpe": 0.0005, "uniform": -0.03}


def comparison(
    seeds: int = 9,
    *,
    gains: Mapping[str, float] = GAINS,
    trials: int = 30,
    reward: str = "accuracy",
    selection: bool = False,
    also: tuple[BudgetsElsewhere, ...] = (),
) -> Comparison:
    """A comparison of `gains` over `seeds` seeds; all of a seed share its good or bad luck."""
    rng = np.random.default_rng(7)
    luck = rng.normal(0, 0.004, seeds)
    own_luck = {agent: rng.normal(0, 0.003, seeds) for agent in gains}
    rewards = {
        agent: 0.9 + gain + (luck + own_luck[agent])[:, None] - 0.2 * rng.random((seeds, trials)) ** 3
        for agent, gain in gains.items()
    }
    curves = {agent: [list(accumulate(one, max)) for one in own.tolist()] for agent, own in rewards.items()}
    best = outcomes({agent: [one[-1] for one in own] for agent, own in curves.items()})
    after = outcomes({agent: [one[-1] - 0.01 for one in own] for agent, own in curves.items()})
    agents = [
        AgentLine(
            agent=agent,
            searcher=agent,
            trials=(trials,) * seeds,
            reward=outcome,
            selection=after[agent] if selection else None,
            curve=tuple(map(tuple, curves[agent])),
            time=TimeLine(searcher_seconds=0.3, evaluation_seconds=9.0, scored=trials, overhead=0.03),
        )
        for agent, outcome in sorted(best.items(), key=lambda item: -item[1].mean)
    ]
    found = Comparison(
        model="resnet20",
        task="cifar10",
        metric="accuracy",
        reward=reward,
        budgets=(BudgetLine.of(Budget.parse("macs=0.5x")),),
        also=also,
        trials=trials,
        seeds=tuple(range(seeds)),
        agents=tuple(agents),
        verdict=(),
    )
    return found.model_copy(update={"verdict": verdict(found)})
