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
from toy import plain_evaluate, toy_feasible, toy_problem, toy_quality

from autoprune.objective import Objective, Quality
from autoprune.searchers.ledger import Ledger
from autoprune.searchers.registry import build_searcher
from autoprune.space import Policy
from autoprune.trial import Evaluate, Problem, Trial


class SearcherContract:
    """Same seed, same trials; no proposal breaks the budget; NaN is survived; resume equals no interruption."""

    name: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    trials: ClassVar[int] = 12

    def search(self, problem: Problem) -> None:
        build_searcher(self.name, self.settings).search(problem)

    def found(self, *budgets: str, seed: int = 0) -> list[Trial]:
        """The trials of one search on the toy problem."""
        kept: list[Trial] = []
        self.search(toy_problem(*budgets, trials=self.trials, seed=seed, kept=kept))
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
        assert _global_state() == before

    @pytest.mark.parametrize("budgets", [("macs=0.3x",), ("latency=0.5x",), ("latency=0.7x", "params=0.3x")])
    def test_no_proposal_breaks_a_budget(self, budgets: tuple[str, ...]) -> None:
        feasible = toy_feasible(*budgets)
        assert all(trial.policy in feasible for trial in self.found(*budgets))

    def test_spends_exactly_its_trials(self) -> None:
        assert [trial.number for trial in self.found("macs=0.4x")] == list(range(self.trials))

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
