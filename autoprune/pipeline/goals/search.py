"""The search of a run: trials in the ledger, finalists refitted and compared, one policy chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.goals.levels import FloorSearch, FrontSearch
from autoprune.pipeline.scores.judging import Choice, Judge
from autoprune.pipeline.scores.scoring import Scoring, Searched
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.space import Policy
from autoprune.spec import RunSpec, SearchSpec
from autoprune.tracing.groups import IntArray
from autoprune.trial import Searcher, Trial


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """What a search has scored, before anything is chosen, the dense network scored like it, and who will choose."""

    agent: str
    searched: Searched
    dense: Trial
    judge: Judge


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The policy that was chosen, from which trials, and by whom.

    `policy` is the chosen one, `pruned` its refitted network, `kept` the units it keeps in each group.
    """

    trials: list[Trial]
    judge: Judge
    choice: Choice

    @property
    def policy(self) -> Policy:
        """The chosen policy."""
        return self.choice.policy

    @property
    def pruned(self) -> nn.Module:
        """The chosen policy's refitted network."""
        return self.choice.module

    @property
    def kept(self) -> tuple[IntArray, ...]:
        """Unit indices that each group keeps."""
        return self.judge.pruner.kept(self.policy)

    def choosing(self, choice: Choice) -> Found:
        """The same trials with another policy chosen; what was compared before stays known."""
        return replace(self, choice=replace(choice, compared=(*self.choice.compared, *choice.compared)))


def explore(spec: RunSpec, subject: Subject, costing: Costing, folder: RunFolder, progress: Progress) -> Explored:
    """Spend the search's trials."""
    return explore_with(Scoring.of(spec, subject, costing, folder.study, progress), spec, progress)


def explore_with(scoring: Scoring, spec: RunSpec, progress: Progress) -> Explored:
    """Spend the search's trials, as `scoring` scores them."""
    agent = load_agent(spec.search.agent, spec.search.warm_start)
    searcher = make_searcher(agent)
    judge = Judge.of(scoring, spec.search, progress)
    with progress.stage("searching"):
        asked = _at_levels(searcher, spec.search, judge)
        searched = scoring.search(agent.name, asked, spec.search.trials, progress)
    return Explored(agent.name, searched, scoring.dense(), judge)


def choose(explored: Explored, progress: Progress) -> Found:
    """Choose among the finalists of what was explored."""
    trials, judge = explored.searched.trials, explored.judge
    with progress.stage("choosing among the finalists"):
        return Found(trials, judge, judge.best(finalists_of(trials, judge)))


def _at_levels(searcher: Searcher, search: SearchSpec, judge: Judge) -> Searcher:
    """`searcher` itself, or at budget levels where a floor or a front is asked for."""
    if search.floor is not None:
        return FloorSearch(searcher, search.minimise[0], search.levels, judge.keeps_floor)
    return FrontSearch(searcher, search.traded, search.levels) if search.pareto else searcher


def finalists_of(trials: Sequence[Trial], judge: Judge) -> list[Policy]:
    """The best different policies, best first, as many as the judge takes.

    Under a floor: those that were found to keep it, and of the trials that cost less than these the best.
    """
    wanted = judge.wanted
    ranked = sorted(trials, key=lambda t: t.rank_key, reverse=True)
    keeping = [policy for policy, judged in judge.seen.items() if wanted and wanted.kept_by(judged)]
    if wanted and keeping:
        least = min(judge.cost.cost(policy).of(wanted.metric) for policy in keeping)
        ranked = [t for t in ranked if t.cost.of(wanted.metric) < least and t.policy not in judge.seen]
    return [*keeping, *list(dict.fromkeys(t.policy for t in ranked))[: judge.finalists]]
