from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from searcher_contract import SearcherContract
from toy import DEEP, toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.searchers.start import knapsack_policy
from autoprune.trial import Problem, Trial

SOURCES = ["knapsack", "random", "uniform"]


class TestWarmStart(SearcherContract):
    """A warm-started search is a search."""

    name: ClassVar = "evolution+random"

    def search(self, problem: Problem) -> None:
        make_searcher(load_agent(self.name)).search(problem)


def found(agent: str, trials: int, seed: int = 0) -> list[Trial]:
    kept: list[Trial] = []
    make_searcher(load_agent(agent)).search(DEEP.problem("macs=0.4x", trials=trials, seed=seed, kept=kept))
    return kept


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("trials", [1, 2, 9])
def test_both_together_spend_exactly_the_trials(source: str, trials: int) -> None:
    assert [t.number for t in found(f"genetic+{source}", trials)] == list(range(trials))


def test_the_source_spends_the_first_quarter_as_it_would_alone() -> None:
    assert found("evolution+random", 40)[:10] == found("random", 10)
    assert found("evolution+random", 1) == found("random", 1)


def test_the_rest_is_better_for_it() -> None:
    for seed in range(3):
        warm, cold = found("evolution+knapsack", 40, seed), found("evolution", 40, seed)
        assert max(t.reward for t in warm) > max(t.reward for t in cold)
        assert max(t.reward for t in warm[10:]) >= max(t.reward for t in warm[:10]) - 0.005


def test_an_agent_is_warm_started_by_its_name_or_by_a_second_one() -> None:
    both = load_agent("evolution", "knapsack")
    assert both == load_agent("evolution+knapsack")
    assert (both.name, both.searcher, both.warm_start) == ("evolution+knapsack", "evolution", "knapsack")


def agent_file(folder: Path, name: str, source: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\nsearcher = "random"\nsummary = ""\nsource = ""\nwarm_start = "{source}"\n')
    return path


def test_an_agent_file_may_name_its_source(tmp_path: Path) -> None:
    kept: list[Trial] = []
    problem = toy_problem("macs=0.4x", trials=8, kept=kept)
    make_searcher(load_agent(agent_file(tmp_path, "mine", "knapsack"))).search(problem)
    assert [t.number for t in kept] == list(range(8))
    assert kept[0].policy == knapsack_policy(problem)


def test_what_cannot_be_a_warm_start_is_named(tmp_path: Path) -> None:
    mine = agent_file(tmp_path, "mine", "knapsack")
    wrong: list[tuple[str | Path, str, str]] = [
        ("tpe", "tpe", "'tpe' cannot start from its own trials"),
        ("tpe+random", "knapsack", r"'tpe\+random' has a warm start already"),
        ("tpe", "nobody", "unknown agent 'nobody'"),
        (mine, "random", "'mine' starts from 'knapsack' already"),
    ]
    for agent, source, complaint in wrong:
        with pytest.raises(BadInput, match=complaint):
            load_agent(agent, source)
    with pytest.raises(BadInput, match=r"'tpe\+mine' starts from 'mine', which itself starts from another"):
        make_searcher(load_agent("tpe", mine))
