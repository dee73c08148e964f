"""The comparison of agents: equal evaluations for each, over several seeds, on the same images and statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from pydantic import TypeAdapter

from autoprune.criteria.criterion import find_criterion
from autoprune.deploy.comparison.document import BASELINE, AgentLine, Comparison, Outcome, TimeLine, outcomes
from autoprune.deploy.comparison.page import render
from autoprune.deploy.comparison.words import verdict
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import AutopruneError, BadInput
from autoprune.evaluation.splits import draw_splits
from autoprune.files import write_atomic
from autoprune.pipeline.commands.seeds import one_a_seed
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.goals.outcome import budgets_elsewhere
from autoprune.pipeline.scores.judging import Judge
from autoprune.pipeline.scores.scoring import Scoring
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress, Silent
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.searchers.ledger import Ledger
from autoprune.spec import AgentSpec, RunSpec
from autoprune.trial import Trial

# In every comparison: what an agent has to beat to be worth its name.
_ALWAYS = ("uniform", BASELINE)
_SILENT = Silent()


@dataclass(frozen=True, slots=True)
class _Spent:
    """Where the time of one search went, in seconds, and how many policies were `scored` in it."""

    searcher: float
    evaluation: float
    scored: int


@dataclass(frozen=True, slots=True)
class _Result:
    """One agent's search with one seed; `selection` is the refitted best policy's score, if that was asked for."""

    trials: Sequence[Trial]
    spent: _Spent
    selection: float | None

    @property
    def best(self) -> Trial:
        return max(self.trials, key=lambda trial: trial.rank_key)


def compare(
    spec: RunSpec,
    agents: Sequence[str],
    seeds: int,
    out: Path,
    progress: Progress = _SILENT,
    *,
    refit: bool = False,
) -> Comparison:
    """Compare what agents find with `spec.search.trials` evaluations each, for each of `seeds` seeds.

    `uniform` and `random` always take part. A seed, counted from the spec's own, draws every split
    and all that is random in a search; its calibration statistics are gathered once for all agents,
    and a policy is scored once for all of them, though every agent that asks for it spends an
    evaluation. With `refit` each search's best policy is also refitted layer by layer and scored on
    the selection split. Writes compare.json and compare.html; the same call again resumes, and one
    with more agents or seeds goes on from there.

    Raises `BadInput` where nothing limits the policies, or the names, seeds or trials break a rule.
    """
    chosen = _agents(agents)
    find_criterion(spec.search.criterion)
    specs = one_a_seed(spec, seeds, "agents")
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    contest = _Contest(chosen, subject, costing, folder.study, refit, progress)
    results: dict[str, list[_Result]] = {agent.name: [] for agent in chosen}
    for number, one in enumerate(specs, 1):
        for name, result in contest.results(one, f"seed {number} of {seeds}"):
            results[name].append(result)
    found = _comparison(spec, subject, costing, chosen, results)
    found.write(folder.comparison)
    write_atomic(folder.comparison_page, render(found, spec.to_toml()))
    return found


def _agents(names: Sequence[str]) -> list[AgentSpec]:
    """The agents of these names and those that always take part; raises `BadInput` for one that cannot search."""
    found = [load_agent(name) for name in dict.fromkeys([*names, *_ALWAYS])]
    called = [agent.name for agent in found]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise BadInput(f"two of the agents are called {twice[0]!r}; give one of their files another name")
    for agent in found:
        make_searcher(agent)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """What all seeds have in common."""

    agents: Sequence[AgentSpec]
    subject: Subject
    costing: Costing
    study: Path
    refit: bool
    progress: Progress

    def results(self, spec: RunSpec, label: str) -> Iterator[tuple[str, _Result]]:
        """Every agent's result with the seed of `spec`, by name."""
        task, network = self.subject.task, self.subject.network
        subject = Subject(task, draw_splits(task, spec.task, spec.search.seed), network)
        scoring = Scoring.of(spec, subject, self.costing, self.study, self.progress)
        judge = Judge.of(scoring, spec.search, self.progress)
        for agent in self.agents:
            with self.progress.stage(f"{agent.name}, {label}"):
                trials, spent = _search(scoring, agent, spec.search.trials, self.progress)
                selection = _selection(judge, trials) if self.refit else None
            yield agent.name, _Result(trials, spent, selection)


def _search(scoring: Scoring, agent: AgentSpec, trials: int, progress: Progress) -> tuple[list[Trial], _Spent]:
    searched = scoring.search(agent.name, make_searcher(agent), trials, progress)
    if len(searched.trials) > trials:
        raise AutopruneError(
            f"agent {agent.name!r} spent {len(searched.trials)} evaluations of the {trials} that every agent has; "
            "its searcher breaks the rule, leave it out"
        )
    if not any(math.isfinite(trial.reward) for trial in searched.trials):
        raise BadInput(
            f"agent {agent.name!r} earned no finite reward with seed {scoring.seed}, so it cannot be compared; "
            "the pruned networks answer with NaN"
        )
    spent = _Spent(searched.searcher_seconds, searched.evaluation_seconds, searched.scored)
    return searched.trials, _kept_time(scoring.ledger, agent.name, spent)


def _kept_time(ledger: Ledger, agent: str, spent: _Spent) -> _Spent:
    """Where the search's time went when its policies were scored, which a replay of it cannot tell."""
    name = f"time.{agent}"
    before = ledger.kept(name)
    if before is not None and not spent.scored:
        return TypeAdapter(_Spent).validate_python(before)
    ledger.keep(name, asdict(spent))
    return spent


def _selection(judge: Judge, trials: Sequence[Trial]) -> float:
    """The selection score of the best of `trials`, refitted."""
    score = judge.judge(max(trials, key=lambda trial: trial.rank_key).policy).quality.score
    if not math.isfinite(score):
        raise BadInput("a refitted network answers with NaN, so agents cannot be compared by it; leave --refit out")
    return score


def _comparison(
    spec: RunSpec,
    subject: Subject,
    costing: Costing,
    agents: Sequence[AgentSpec],
    results: dict[str, list[_Result]],
) -> Comparison:
    rewards = outcomes({name: [r.best.reward for r in own] for name, own in results.items()})
    refitted = {name: [r.selection for r in own if r.selection is not None] for name, own in results.items()}
    selections = outcomes(refitted) if all(refitted.values()) else {}
    evaluation_s = _seconds_an_evaluation([r.spent for own in results.values() for r in own])
    lines = [
        _agent_line(agent, results[agent.name], rewards, selections, evaluation_s, spec.search.trials)
        for agent in agents
    ]
    found = Comparison(
        model=spec.model.name,
        task=subject.task.name,
        metric=subject.task.metric,
        reward=spec.search.reward,
        budgets=tuple(BudgetLine.of(budget) for budget in spec.search.budgets),
        also=budgets_elsewhere(spec, costing),
        trials=spec.search.trials,
        seeds=tuple(range(spec.search.seed, spec.search.seed + len(results[BASELINE]))),
        agents=tuple(sorted(lines, key=lambda line: (-line.reward.mean, line.agent))),
        verdict=(),
    )
    return found.model_copy(update={"verdict": verdict(found)})


def _agent_line(
    agent: AgentSpec,
    results: Sequence[_Result],
    rewards: dict[str, Outcome],
    selections: dict[str, Outcome],
    evaluation_s: float,
    trials: int,
) -> AgentLine:
    searcher_s = sum(r.spent.searcher for r in results)
    a_trial_s = searcher_s / sum(len(r.trials) for r in results)
    return AgentLine(
        agent=agent.name,
        searcher=agent.searcher,
        trials=tuple(len(r.trials) for r in results),
        reward=rewards[agent.name],
        selection=selections.get(agent.name),
        curve=tuple(_curve(r.trials, trials) for r in results),
        time=TimeLine(
            searcher_seconds=searcher_s,
            evaluation_seconds=sum(r.spent.evaluation for r in results),
            scored=sum(r.spent.scored for r in results),
            overhead=a_trial_s / (a_trial_s + evaluation_s),
        ),
    )


def _seconds_an_evaluation(spent: Sequence[_Spent]) -> float:
    return sum(one.evaluation for one in spent) / sum(one.scored for one in spent)


def _curve(trials: Sequence[Trial], length: int) -> tuple[float | None, ...]:
    """The best finite reward so far after each of `length` evaluations, held where a search ended earlier."""
    finite = [trial.reward if math.isfinite(trial.reward) else -math.inf for trial in trials]
    best = [None if x == -math.inf else x for x in accumulate(finite, max)]
    return (*best, *[best[-1]] * (length - len(best)))
