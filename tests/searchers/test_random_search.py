from __future__ import annotations

from searcher_contract import SearcherContract
from toy import toy_feasible, toy_problem

from autoprune.searchers.random_search import RandomSearcher
from autoprune.space import Policy
from autoprune.trial import Trial


class TestRandom(SearcherContract):
    name = "random"

    def test_no_group_can_grow_within_the_budget(self) -> None:
        """Every draw spends the whole budget: no single group has room for its next width."""
        feasible = toy_feasible("macs=0.4x")
        for trial in self.found("macs=0.4x"):
            for g, group in enumerate(feasible.space.groups):
                wider = [w for w in group.widths if w > trial.policy.widths[g]]
                assert not wider or _with(trial, g, wider[0]) not in feasible

    def test_the_batch_changes_nothing(self) -> None:
        one: list[Trial] = []
        RandomSearcher(batch=1).search(toy_problem("macs=0.4x", trials=self.trials, kept=one))
        assert one == self.found("macs=0.4x")


def _with(trial: Trial, group: int, width: int) -> Policy:
    widths = list(trial.policy.widths)
    widths[group] = width
    return Policy(tuple(widths))
