"""A comparison in words and rows: what can be concluded, and what cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autoprune.deploy.comparison.document import BASELINE, AgentLine, Comparison, Difference, Outcome
from autoprune.deploy.words.amounts import counted, is_share
from autoprune.deploy.words.cells import Cell
from autoprune.significance import LEVEL, pairs_needed, smallest_p


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers of one kind are written: shares in percent and their differences in points, others as they are."""

    is_share: bool
    unit: str

    @classmethod
    def of(cls, reward: str, metric: str) -> Scale:
        """The scale of a reward; `accuracy` is the task's score, whatever its `metric`."""
        shares = reward == "agreement" or (reward in ("accuracy", "R_err") and is_share(metric))
        return cls(shares, "points" if shares else "nats" if reward == "kl" else "")

    def value(self, number: float) -> str:
        """A number on the scale."""
        return f"{100 * number:.2f}%" if self.is_share else f"{number:.4g}"

    def difference(self, number: float, *, signed: bool = True) -> str:
        """A difference between two, without its unit; a signed one says which way."""
        size = 100 * number if self.is_share else number
        digits = f"{size:+.2f}" if self.is_share else f"{size:+.3g}"
        return digits if signed else digits.lstrip("+-")

    def amount(self, number: float) -> str:
        """The size of a difference, with its unit."""
        return f"{self.difference(number, signed=False)} {self.unit}".rstrip()


def scale_of(found: Comparison) -> Scale:
    """The scale of the comparison's rewards."""
    return Scale.of(found.reward, found.metric)


def selection_scale(found: Comparison) -> Scale:
    """The scale of its selection scores."""
    return Scale.of("accuracy", found.metric)


def headline(found: Comparison) -> str:
    """The outcome in one line."""
    best = found.agents[0]
    equals = [agent.agent for agent in found.agents if agent.reward.mean == best.reward.mean]
    first = (
        f"{' and '.join(equals)} found the best policies of {len(found.agents)} agents in {found.trials} trials each"
    )
    difference = best.reward.against_random
    if difference is None or BASELINE in equals:
        return first
    if difference.significant:
        return f"{first}: {scale_of(found).amount(difference.mean)} better than {BASELINE}"
    return f"{first}, which chance may have brought: it is not distinguishable from {BASELINE}"


def verdict(found: Comparison) -> tuple[str, ...]:
    """What can be concluded, a sentence each: whether the seeds are enough, then every agent's standing."""
    told = [*_on_seeds(found), *_standings(found, scale_of(found), lambda agent: agent.reward)]
    if all(agent.selection for agent in found.agents):
        after = _standings(found, selection_scale(found), lambda agent: agent.selection)
        told += [f"Refitted, on the selection split: {sentence}" for sentence in after]
    return tuple(told)


def _on_seeds(found: Comparison) -> Iterator[str]:
    seeds, others = len(found.seeds), len(found.agents) - 1
    needed = pairs_needed(others)
    compared = f"{counted(others, 'agent')} with {BASELINE}"
    if seeds < needed:
        yield (
            f"{counted(seeds, 'seed')} cannot tell any difference from chance: the smallest p-value that so few can "
            f"give is {smallest_p(seeds):.2g}, and to compare {compared} at p = {LEVEL:g} takes {needed} or more. "
            "What was seen is told below, and is no finding."
        )
    elif seeds < _seeds_for_best(found):
        yield (
            f"{seeds} seeds are enough to compare {compared}; to tell agents from the best one takes "
            f"{_seeds_for_best(found)} or more."
        )


def _seeds_for_best(found: Comparison) -> int:
    """Seeds that comparisons with the best agent take: any pair of agents may turn out to be one of them."""
    return pairs_needed(len(found.agents) * (len(found.agents) - 1) // 2)


def _standings(found: Comparison, scale: Scale, read: Callable[[AgentLine], Outcome | None]) -> Iterator[str]:
    """Every agent against random; then, where the seeds are enough for it, every other agent against the best."""
    told = [(agent.agent, outcome) for agent in found.agents if (outcome := read(agent))]
    for name, outcome in told:
        if outcome.against_random:
            yield _sentence(name, BASELINE, outcome.against_random, found, scale)
    if len(found.seeds) < _seeds_for_best(found):
        return
    for name, outcome in told:
        difference = outcome.against_best
        if difference and BASELINE not in (name, difference.other):
            yield _sentence(name, f"{difference.other} (the best)", difference, found, scale)


def _sentence(agent: str, other: str, difference: Difference, found: Comparison, scale: Scale) -> str:
    by, sure = scale.amount(difference.mean), f"p = {_p(difference)}, {counted(len(found.seeds), 'seed')}"
    interval = f"95% CI {_interval(difference, scale)}" if difference.ci95 else ""
    if difference.significant:
        better = "better" if difference.mean > 0 else "worse"
        return f"{agent} is {better} than {other} by {by} ({interval}; {sure})."
    way = "above" if difference.mean >= 0 else "below"
    ahead = f"ahead in {difference.ahead} of {len(found.seeds)}, on average {by} {way} it"
    trials = counted(found.trials, "trial")
    beyond = f" ({interval})" if interval else ""
    return f"{agent} is not distinguishable from {other} at {trials} ({sure}): {ahead}{beyond}."


def _interval(difference: Difference, scale: Scale) -> str:
    """Both ends; of a significant difference their sizes, since `better` or `worse` says which way."""
    assert difference.ci95 is not None
    low, high = difference.ci95
    if difference.significant and low * high >= 0:
        low, high = sorted((abs(low), abs(high)))
        return f"{scale.difference(low, signed=False)} to {scale.difference(high, signed=False)}"
    return f"{scale.difference(low)} to {scale.difference(high)}"


def _p(difference: Difference) -> str:
    return f"{difference.p_holm:.2g}"


def columns(found: Comparison) -> tuple[Cell, ...]:
    """Headings of the table's columns, the agent's left out."""
    scale = scale_of(found)
    unit = f", {scale.unit}" if scale.unit else ""
    after = (Cell("refitted", (f"{found.metric}, selection split",)),)
    return (
        Cell("best reward", (f"{found.reward}, validation split",)),
        Cell(f"against {BASELINE}", (f"mean difference{unit}",)),
        Cell("against the best", (f"mean difference{unit}",)),
        *(after if found.agents[0].selection else ()),
        Cell("trials", ("a seed",)),
        Cell("searcher", ("a trial, share of time",)),
    )


def rows(found: Comparison) -> list[tuple[Cell, tuple[Cell, ...]]]:
    """The table, best agent first: each agent's name and its cells."""
    scale = scale_of(found)
    return [
        (
            Cell(agent.agent),
            (
                _outcome_cell(agent.reward, scale),
                _difference_cell(agent.reward.against_random, scale),
                _difference_cell(agent.reward.against_best, scale),
                *((_outcome_cell(agent.selection, selection_scale(found)),) if agent.selection else ()),
                Cell(_range_text(agent.trials)),
                _time_cell(agent),
            ),
        )
        for agent in found.agents
    ]


def _outcome_cell(outcome: Outcome, scale: Scale) -> Cell:
    if outcome.ci95 is None:
        return Cell(scale.value(outcome.mean))
    low, high = outcome.ci95
    return Cell(scale.value(outcome.mean), (f"{scale.value(low).rstrip('%')} to {scale.value(high)}",))


def _difference_cell(difference: Difference | None, scale: Scale) -> Cell:
    if difference is None:
        return Cell("–")
    interval = () if difference.ci95 is None else (" to ".join(scale.difference(x) for x in difference.ci95),)
    return Cell(scale.difference(difference.mean), (*interval, f"p = {_p(difference)}"))


def _range_text(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return str(most) if least == most else f"{least} to {most}"


def _time_cell(agent: AgentLine) -> Cell:
    milliseconds = 1000 * agent.time.searcher_seconds / sum(agent.trials)
    return Cell(f"{milliseconds:.3g} ms", (f"{100 * agent.time.overhead:.1f}% of the time",))
