"""compare.json: what agents found with equal evaluations, over several seeds, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from autoprune.deploy.document.base import Amount, Count, Interval, Number, Part, Positive, Share, TaskDocument
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere
from autoprune.significance import LEVEL, PairedDifference, holm, mean_interval

BASELINE: Final = "random"


class Difference(Part):
    """How far an agent lies above another (negative: below), seed by seed."""

    other: str
    mean: Number
    ci95: Interval | None = Field(
        description="95% interval of the mean, bootstrapped over the seeds; null for one seed"
    )
    p: Share = Field(description="sign-flip permutation test over the seeds, two-sided")
    p_holm: Share = Field(description="the same, corrected by Holm's method for the comparisons made")
    ahead: Count = Field(description="seeds in which the agent lies above the other")

    @property
    def significant(self) -> bool:
        """Whether it can be told from chance at 5%."""
        return self.p_holm <= LEVEL


class Outcome(Part):
    """One number a seed, larger is better, and how it compares with other agents' numbers of the same seeds."""

    values: tuple[Number, ...]
    mean: Number
    ci95: Interval | None = Field(
        description="95% interval of the mean, bootstrapped over the seeds; null for one seed"
    )
    against_random: Difference | None = Field(None, description="null for random itself")
    against_best: Difference | None = Field(
        None, description="against the agent of the largest mean; null for that agent"
    )


class TimeLine(Part):
    """Where an agent's time went, over all seeds; a resumed search counts what was left of it."""

    searcher_seconds: Amount = Field(description="inside the searcher")
    evaluation_seconds: Amount = Field(description="scoring the policies that no search of the same seed had scored")
    scored: Count = Field(description="those policies")
    overhead: Share = Field(
        description="share that the searcher takes of a trial, where its policy is scored in the time that the "
        "agents' policies took on average"
    )


class AgentLine(Part):
    """One agent: its best reward of each seed, and how it got there."""

    agent: str
    searcher: str
    trials: tuple[Count, ...] = Field(description="evaluations of each seed's search")
    reward: Outcome = Field(description="best reward on the validation split")
    selection: Outcome | None = Field(
        None, description="score of each seed's best policy on the selection split, refitted; null where not asked for"
    )
    curve: tuple[tuple[Number | None, ...], ...] = Field(
        description="per seed, the best reward after each evaluation; null while no reward was finite"
    )
    time: TimeLine


class Comparison(TaskDocument):
    """compare.json, schema autoprune.compare/1."""

    COMMAND: ClassVar[str] = "autoprune compare"
    schema_: Literal["autoprune.compare/1"] = Field("autoprune.compare/1", alias="schema")
    reward: str = Field(description="what every search maximised, on the validation split")
    budgets: tuple[BudgetLine, ...]
    also: tuple[BudgetsElsewhere, ...] = Field((), description="budgets on other devices, by their tables")
    trials: Positive = Field(description="evaluations that every agent was given")
    seeds: Annotated[tuple[Count, ...], Field(min_length=1)]
    agents: Annotated[tuple[AgentLine, ...], Field(min_length=1)] = Field(description="largest mean reward first")
    verdict: tuple[str, ...] = Field(description="what can be concluded, in sentences")


def outcomes(values: Mapping[str, Sequence[float]]) -> dict[str, Outcome]:
    """What each agent's `values` [seeds] amount to, `random` being one of the agents.

    Two families of comparisons are corrected, each for itself: all others against random, which
    stand before anything is measured; and those with the best agent. Which one that is the data
    say, so as many are counted there as there are pairs of agents.
    """
    best = min(values, key=lambda agent: (-float(np.mean(values[agent])), agent))
    to_random = _differences(values, BASELINE, comparisons=len(values) - 1)
    to_best = _differences(values, best, comparisons=len(values) * (len(values) - 1) // 2)
    return {
        agent: Outcome(
            values=tuple(own),
            mean=float(np.mean(own)),
            ci95=mean_interval(own),
            against_random=to_random.get(agent),
            against_best=to_best.get(agent),
        )
        for agent, own in values.items()
    }


def _differences(values: Mapping[str, Sequence[float]], other: str, comparisons: int) -> dict[str, Difference]:
    """Every other agent's difference from `other`, corrected for so many `comparisons` (at least theirs)."""
    found = {
        agent: PairedDifference.of(np.subtract(own, values[other])) for agent, own in values.items() if agent != other
    }
    p_values = [difference.p for difference in found.values()]
    corrected = holm([*p_values, *[1.0] * (comparisons - len(p_values))])
    return {
        agent: Difference(other=other, mean=one.mean, ci95=one.interval, p=one.p, p_holm=p_holm, ahead=one.wins)
        for (agent, one), p_holm in zip(found.items(), corrected, strict=False)
    }
