"""What every searcher must do; each searcher's tests inherit it and name the searcher."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from toy import HALF_FIXED, ONE_GROUP, TOY, Chain, plain_evaluate, toy_feasible, toy_problem, toy_quality

from autoprune.objective import Objective, Quality
from autoprune.searchers.ledger import Ledger
from autoprune.searchers.registry import build_searcher
from autoprune.space import Policy
from autoprune.trial import Evaluate, Problem, Trial

UNIFORM = toy_feasible("macs=0.4x").scaled([0.5] * 5)


class SearcherContract:
    """Same seed, same trials; no proposal breaks the budget; NaN is survived; resume equals no interruption."""

    name: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    trials: ClassVar[int] = 12

    def search(self, problem: Problem) -> None:
        build_searcher(self.name, self.settings).search(problem)

    def found(
        self, *budgets: str, seed: int = 0, known: Sequence[Trial] = (), chain: Chain = TOY, trials: int | None = None
    ) -> list[Trial]:
        """The trials of one search on the toy problem."""
        kept: list[Trial] = []
        self.search(chain.problem(*budgets, trials=trials or self.trials, seed=seed, kept=kept, known=known))
        return kept

    def test_same_seed_same_trials(self) -> None:
        first = self.found("macs=0.4x", seed=3)
        np.random.seed(1)  # whatever the global generators did in between
        torch.manual_seed(1)
        assert self.found("macs=0.4x", seed=3) == first

    def test_another_seed_other_trials(self) -> None:
        assert self.found("macs=0.4x", seed=3) != self.found("macs=0.4x", seed=4)

    def test_global_generators_and_threads_are_left_as_they_were(self) -> None:
        before = _global_state()
        self.found("macs=0.4x")
        self.found("macs=0.4x", known=known_trials("macs=0.4x"))
        assert _global_state() == before

    @pytest.mark.parametrize("budgets", [("macs=0.3x",), ("latency=0.5x",), ("latency=0.7x", "params=0.3x"), ()])
    def test_no_proposal_breaks_a_budget(self, budgets: tuple[str, ...]) -> None:
        feasible = toy_feasible(*budgets)
        assert all(trial.policy in feasible for trial in self.found(*budgets))

    def test_spends_exactly_its_trials(self) -> None:
        assert [trial.number for trial in self.found("macs=0.4x")] == list(range(self.trials))

    @pytest.mark.parametrize("trials", [1, 2, 3])
    def test_few_trials_are_enough(self, trials: int) -> None:
        assert len(self.found("macs=0.4x", trials=trials)) == trials

    @pytest.mark.parametrize("chain", [ONE_GROUP, HALF_FIXED])
    def test_a_space_may_leave_little_to_choose(self, chain: Chain) -> None:
        """One group, or groups of one width."""
        kept = self.found("macs=0.7x", chain=chain)
        assert len(kept) == len(self.found("macs=0.4x"))
        assert all(trial.policy in chain.feasible("macs=0.7x") for trial in kept)

    @pytest.mark.parametrize("every", [1, 2])
    def test_rewards_that_are_no_numbers_are_survived(self, every: int) -> None:
        kept: list[Trial] = []
        problem = toy_problem("macs=0.4x", trials=self.trials)
        self.search(replace(problem, evaluate=_broken(plain_evaluate(problem.feasible, kept), every)))
        assert len(kept) == len(self.found("macs=0.4x"))

    def test_resume_equals_no_interruption(self, tmp_path: Path) -> None:
        undisturbed = _Scorer()
        expected = self._with_ledger(Ledger(None, "toy", "f"), undisturbed)
        stop = random.Random(zlib.crc32(self.name.encode())).randrange(undisturbed.scored)
        first, second = _Scorer(stop_after=stop), _Scorer()
        with pytest.raises(KeyboardInterrupt):
            self._with_ledger(Ledger(tmp_path / "study.db", "toy", "f"), first)
        assert self._with_ledger(Ledger(tmp_path / "study.db", "toy", "f"), second) == expected
        assert first.scored + second.scored == undisturbed.scored

    def _with_ledger(self, ledger: Ledger, score: _Scorer) -> list[Trial]:
        problem = toy_problem("macs=0.4x", trials=self.trials, seed=5)
        evaluate = ledger.evaluator(score, problem.feasible.cost, Objective(), agent=self.name, seed=5)
        self.search(replace(problem, evaluate=evaluate))
        return ledger.trials()

    def test_known_trials_keep_every_rule(self) -> None:
        """Those of tighter and of looser budgets too, and those whose rewards are no numbers."""
        known = [*known_trials("macs=0.2x"), *known_trials("macs=0.4x"), *known_trials("macs=0.9x")]
        known[1::3] = [replace(trial, reward=math.nan) for trial in known[1::3]]
        found, feasible = self.found("macs=0.4x", known=known), toy_feasible("macs=0.4x")
        assert self.found("macs=0.4x", known=known) == found
        assert len(found) == len(self.found("macs=0.4x"))
        assert all(trial.policy in feasible for trial in found)

    @pytest.mark.parametrize("budget", ["macs=0.2x", "macs=0.9x"])
    def test_known_trials_may_all_lie_elsewhere(self, budget: str) -> None:
        """Far below these budgets, or over them."""
        known, feasible = known_trials(budget), toy_feasible("macs=0.4x")
        assert all(trial.policy in feasible for trial in self.found("macs=0.4x", known=known, trials=3))


class InformedContract(SearcherContract):
    """What a searcher must do that uses known trials: its first own trials are better with them than without."""

    chain: ClassVar[Chain] = TOY

    def test_known_trials_help(self) -> None:
        known = known_trials("macs=0.4x")
        cold, warm = (self.found("macs=0.4x", known=k, chain=self.chain) for k in ((), known))
        assert max(trial.reward for trial in warm[:3]) > max(trial.reward for trial in cold[:3]) + 0.01


class FromUniformContract(InformedContract):
    """What a searcher must do that begins at the uniform policy: try that first, and find better ones."""

    def test_starts_with_the_uniform_policy(self) -> None:
        assert self.found("macs=0.4x")[0].policy == UNIFORM

    def test_beats_the_uniform_policy(self) -> None:
        best = max(trial.reward for trial in self.found("macs=0.4x", trials=60))
        assert best > toy_quality(UNIFORM).score + 0.08


def known_trials(*budgets: str, trials: int = 20) -> list[Trial]:
    """What another search has found on the toy problem: one that began well."""
    kept: list[Trial] = []
    build_searcher("knapsack", {}).search(toy_problem(*budgets, trials=trials, seed=9, kept=kept))
    return kept


class _Scorer:
    """Scores one policy after another, moves every global generator, and may be interrupted."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.scored, self._stop_after = 0, stop_after

    def __call__(self, policies: Sequence[Policy]) -> Iterator[Quality]:
        for policy in policies:
            if self.scored == self._stop_after:
                raise KeyboardInterrupt
            self.scored += 1
            random.random()
            np.random.random()
            torch.rand(1)
            yield toy_quality(policy)


def _global_state() -> list[object]:
    generator: Any = np.random.get_state()
    return [random.getstate(), generator[1].tolist(), torch.get_rng_state().tolist(), torch.get_num_threads()]


def _broken(evaluate: Evaluate, every: int) -> Evaluate:
    """Every such trial has NaN for a reward."""

    def broken(policies: Sequence[Policy]) -> list[Trial]:
        return [replace(t, reward=math.nan) if t.number % every == 0 else t for t in evaluate(policies)]

    return broken
