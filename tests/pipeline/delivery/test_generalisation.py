from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from autoprune.deploy.run_folder import RunFolder
from autoprune.objective import Quality
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.delivery.generalisation import carried_over
from autoprune.pipeline.goals.search import Found, choose, explore
from autoprune.pipeline.subject import prepare
from autoprune.progress import Silent
from autoprune.space import Policy
from autoprune.spec import RunSpec


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A real search on digits, with six finalists."""
    place: Path = tmp_path_factory.mktemp("runs") / "small"
    spec = RunSpec.parse(
        {
            "name": "small",
            "model": {"name": "narrow:narrow_net"},
            "task": {"name": "digits", "calibration": 128, "validation": 128, "selection": 128},
            "search": {"agent": "random", "budgets": ["macs=0.3x"], "trials": 12, "reward": "kl", "finalists": 6},
        }
    )
    folder = RunFolder.claim(place, spec)
    subject = prepare(spec, folder, Silent())
    costing = cost_policies(subject.network, spec, folder.table, Silent())
    return choose(explore(spec, subject, costing, folder, Silent()), Silent())


def test_the_scores_are_those_of_the_chosen_policy(found: Found) -> None:
    got = carried_over(found).tested(0.75)
    [trial, *_] = [trial for trial in found.trials if trial.policy == found.policy]
    judged = found.judge.judge(found.policy)
    assert (got.search, got.selection, got.test) == (trial.quality.score, judged.quality.score, 0.75)


def test_the_rank_correlation_is_spearman_s_of_rewards_before_and_after_the_refit(found: Found) -> None:
    rewards = {trial.policy: trial.reward for trial in found.trials}
    after = {one.policy: one.reward for one in found.choice.compared}
    got = carried_over(found).tested(0.75)
    assert got.finalists == len(after) == 6
    expected = spearmanr([rewards[policy] for policy in after], list(after.values())).statistic
    assert got.rank_correlation == pytest.approx(expected)


def test_a_finalist_counts_once_and_only_with_numbers(found: Found) -> None:
    first, second, *others = found.choice.compared
    broken = replace(second, quality=Quality(float("nan"), float("nan"), float("nan")), reward=float("nan"))
    again = replace(found, choice=replace(found.choice, policy=first.policy, compared=(first, broken, *others, first)))
    assert carried_over(again).finalists == 5


def test_what_no_trial_scored_has_no_search_score_and_is_not_ranked(found: Found) -> None:
    first, *others = found.choice.compared
    unseen = replace(first, policy=Policy(tuple(group.width for group in found.judge.pruner.traced.space.groups)))
    alone = replace(found, choice=replace(found.choice, policy=unseen.policy, compared=(unseen, *others[:2])))
    got = carried_over(alone).tested(0.75)
    assert got.search is None
    assert (got.finalists, got.rank_correlation) == (2, None)
