from __future__ import annotations

import pytest
from searcher_contract import SearcherContract
from toy import WIDTHS, toy_feasible


class TestUniform(SearcherContract):
    name = "uniform"

    def test_another_seed_other_trials(self) -> None:
        assert self.found("macs=0.4x", seed=3) == self.found("macs=0.4x", seed=4)

    def test_spends_exactly_its_trials(self) -> None:
        """There is only one policy to score."""
        assert len(self.found("macs=0.4x")) == 1

    @pytest.mark.parametrize("trials", [1, 3])
    def test_few_trials_are_enough(self, trials: int) -> None:
        assert len(self.found("macs=0.4x", trials=trials)) == 1

    def test_keeps_the_same_share_everywhere(self) -> None:
        [trial] = self.found("macs=0.4x")
        shares = [w / dense for w, dense in zip(trial.policy.widths, WIDTHS, strict=True)]
        assert shares == pytest.approx([sum(shares) / len(shares)] * len(shares), abs=1 / 8)

    def test_is_the_dense_network_where_the_budget_allows(self) -> None:
        [trial] = self.found("macs=1x")
        assert trial.policy == toy_feasible().space.dense()
