"""Greedy steps of one group a round: NetAdapt (Yang et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from autoprune.cost import FloatArray
from autoprune.searchers.settings import Settings
from autoprune.searchers.start import first_trial, known_damages
from autoprune.searchers.widths.exchange import total
from autoprune.searchers.widths.grid import Points, WidthGrid
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

_FINEST = 1e-3  # share of the budgets below which a step is none


class NetAdaptSearcher(Settings):
    """From the dense network to the budgets in rounds: in each, every group offers to save the round's share alone.

    The best offer is taken. Networks on the way break the budgets, which no trial may: an offer is
    scored as what it would come to, all groups scaled down evenly until the budgets are kept.
    The paper scores every group's offer; where damages are known, only the `offers` that damage
    least are, so that the trials suffice for short steps. Whatever is left then goes on at the
    budgets, from the best trial: a group gives a share to all others or takes it from them; the best
    offer is taken if it is better, else the share is halved. A search with known trials begins there.
    The first trial is the uniform policy, where none is known.
    """

    offers: int = Field(8, ge=1, description="offers that are scored in a round, where damages are known")
    share: float = Field(0.1, gt=0, lt=1, description="of the budgets: what a group gives or takes at first")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, a round of offers at a time."""
        rounds = _Rounds(problem, self.offers)
        if not problem.known:
            _descend(rounds)
        _polish(rounds, self.share)


class _Rounds:
    """Scores offers until the trials are spent, the most promising of a round first; begins with the first trial."""

    def __init__(self, problem: Problem, offers: int) -> None:
        self.grid, self._problem = WidthGrid(problem.feasible), problem
        self._damages = known_damages(problem) if problem.damages else None
        self.size = offers if problem.damages else len(problem.space)
        first, self.left = first_trial(problem)
        self._seen = {first.policy: first}
        self._generator = np.random.default_rng(problem.seed)

    @property
    def best(self) -> Trial:
        """The best trial so far."""
        return max(self._seen.values(), key=lambda trial: trial.rank_key)

    def score(self, policies: Sequence[Policy]) -> None:
        """Spend a trial on each policy, as far as there are trials."""
        trials = self._problem.evaluate(policies[: self.left])
        self.left -= len(trials)
        for trial in trials:
            self._seen.setdefault(trial.policy, trial)

    def promising(self, points: Points) -> Points:
        """The points [n, groups] of a round, as many as it has: those of the least total damage."""
        if self._damages is None:
            return points
        return np.asarray(points[np.argsort(total(self._damages, points), kind="stable")][: self.size])

    def reward(self, policy: Policy) -> tuple[float, int]:
        """What ranks a policy that was scored."""
        return self._seen[policy].rank_key

    def fresh(self, points: Points) -> Points:
        """Those of `points` whose policies have not been scored."""
        unknown = [self.grid.policy(point) not in self._seen for point in points]
        return np.asarray(points[np.array(unknown, dtype=bool)])

    def anywhere(self) -> None:
        """Spend a trial on a random shape."""
        shape = self._generator.random(len(self._problem.space))
        self.score([self._problem.feasible.scaled(shape.tolist())])


def _descend(rounds: _Rounds) -> None:
    """NetAdapt: from the dense network, one group a round, until the budgets are kept or the trials are spent."""
    grid, point = rounds.grid, rounds.grid.top
    dense = grid.loads(point[None])[0]
    steps = max(1, rounds.left // rounds.size)
    for step in range(1, steps + 1):
        allowed = np.maximum(1.0, dense + (1.0 - dense) * step / steps)
        if not rounds.left or (grid.loads(point[None])[0] <= allowed).all():
            continue
        offers = rounds.promising(np.stack(list(_cuts(grid, point, allowed))))[: rounds.left]
        completed = [grid.feasible.scaled(grid.ratios(offer).tolist()) for offer in offers]
        rounds.score(completed)
        point = max(zip(completed, offers, strict=True), key=lambda offer: rounds.reward(offer[0]))[1]


def _cuts(grid: WidthGrid, point: Points, allowed: FloatArray) -> Iterator[Points]:
    """`point` with each group alone cut until its loads [budgets] are `allowed`, or as far as it goes.

    Offers that save what is asked, if there are any; else all.
    """
    group, coordinate, points = grid.alone(point)
    narrower = coordinate < point[group]
    enough = narrower & (grid.loads(points) <= allowed).all(axis=1)
    offered = enough if enough.any() else narrower & (coordinate == 0)
    for g in np.unique(group[offered]):
        yield points[np.flatnonzero(offered & (group == g))[-1]]


def _polish(rounds: _Rounds, share: float) -> None:
    """Pattern search around the best trial, with a share that halves where no offer is better.

    Where even the finest share offers nothing new, random shapes are scored.
    """
    while rounds.left:
        best = rounds.best
        offers = rounds.fresh(_given_and_taken(rounds.grid, rounds.grid.point(best.policy), share))
        if len(offers):
            rounds.score([rounds.grid.policy(offer) for offer in rounds.promising(offers)])
        elif share < _FINEST:
            rounds.anywhere()
        if rounds.best is best:
            share /= 2


def _given_and_taken(grid: WidthGrid, point: Points, share: float) -> Points:
    """Points [n, groups] where one group gives a `share` of the budgets to the others, or takes it from them."""
    group, coordinate, points = grid.alone(point)
    load = grid.loads(points).max(axis=1, initial=0)
    changed = [point]
    for g in range(len(point)):
        gives = points[(group == g) & (coordinate < point[g]) & ((load <= 1 - share) | (coordinate == 0))]
        takes = points[(group == g) & (coordinate > point[g]) & ((load >= 1 + share) | (coordinate == grid.top[g]))]
        if len(gives) and grid.keeps(gives[-1:])[0]:
            changed.append(grid.point(grid.feasible.filled(grid.policy(gives[-1]))))
        if len(takes):
            changed.append(grid.point(grid.feasible.scaled(grid.ratios(takes[0]).tolist())))
    return np.unique(changed, axis=0)
