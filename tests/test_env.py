"""The channel-pruning environment: what gymnasium and Stable-Baselines3 demand of it, and what AMC does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import stable_baselines3.common.env_checker
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import WIDTHS, plain_evaluate, toy_feasible, toy_layers, toy_problem

from autoprune.cost import Metric
from autoprune.env import ENV_ID, OBSERVATION, ChannelPruningEnv
from autoprune.errors import BadInput
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

BUDGETS = [("macs=0.4x",), ("latency=0.6x",), ("latency=0.6x", "params=0.5x"), ()]
ratios = st.lists(st.floats(0, 1, width=32), min_size=len(WIDTHS), max_size=len(WIDTHS))


def make(*budgets: str, problem: Problem | None = None) -> ChannelPruningEnv:
    problem = problem or toy_problem(*budgets)
    return ChannelPruningEnv(problem)


def play(env: ChannelPruningEnv, actions: Sequence[float]) -> tuple[list[dict[str, float]], list[float], Trial]:
    """The observations by name, from reset on, the rewards, and the finished trial of one episode."""
    observation, _ = env.reset()
    seen, rewards = [observation], []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(np.array([action], np.float32))
        seen.append(observation)
        rewards.append(reward)
        assert not truncated
    assert terminated
    return [dict(zip(OBSERVATION, o.tolist(), strict=True)) for o in seen], rewards, info["trial"]


def with_reward(problem: Problem, rewards: Sequence[float]) -> Problem:
    """The same problem whose trials get these rewards in turn."""
    left = iter(rewards)

    def evaluate(policies: Sequence[Policy]) -> list[Trial]:
        return [replace(trial, reward=next(left)) for trial in problem.evaluate(policies)]

    return replace(problem, evaluate=evaluate)


@pytest.mark.parametrize("budgets", BUDGETS)
def test_passes_the_checker_of_gymnasium(budgets: tuple[str, ...]) -> None:
    problem = toy_problem(*budgets)
    check_env(gymnasium.make(ENV_ID, problem=problem).unwrapped)


@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric:UserWarning")  # the action is a ratio
def test_passes_the_checker_of_stable_baselines() -> None:
    stable_baselines3.common.env_checker.check_env(make("macs=0.5x"))


def test_is_made_by_its_registered_name() -> None:
    problem = toy_problem("macs=0.5x")
    env = gymnasium.make(f"autoprune.env:{ENV_ID}", problem=problem)
    assert isinstance(env.unwrapped, ChannelPruningEnv)


@settings(deadline=None)
@given(actions=ratios, budgets=st.sampled_from(BUDGETS))
def test_no_sequence_of_actions_breaks_a_budget(actions: list[float], budgets: tuple[str, ...]) -> None:
    problem = toy_problem(*budgets)
    _, _, trial = play(make(problem=problem), actions)
    assert trial.policy in problem.feasible
    assert trial.policy == problem.feasible.bounded(actions)


@settings(deadline=None)
@given(actions=ratios, budgets=st.sampled_from(BUDGETS))
def test_observations_lie_between_0_and_1(actions: list[float], budgets: tuple[str, ...]) -> None:
    seen, _, _ = play(make(*budgets), actions)
    assert all(0 <= value <= 1 for observation in seen for value in observation.values())


def test_reset_and_step_observe_alike() -> None:
    """An episode that removes nothing so far looks, but for the position, as it did at the start."""
    seen, _, _ = play(make("macs=1x"), [1.0] * len(WIDTHS))
    assert [observation["reduced"] for observation in seen] == [0.0] * len(seen)
    assert [observation["last_action"] for observation in seen] == [1.0] * len(seen)
    again, _, _ = play(env := make("macs=0.4x"), [0.3] * len(WIDTHS))
    assert play(env, [0.3] * len(WIDTHS))[0] == again


@pytest.mark.parametrize(("budgets", "metric"), [(("latency=0.6x", "macs=0.5x"), Metric.LATENCY), ((), Metric.MACS)])
def test_costs_are_shares_of_the_dense_cost_in_the_first_budgets_metric(
    budgets: tuple[str, ...], metric: Metric
) -> None:
    problem = toy_problem(*budgets)
    seen, _, trial = play(make(problem=problem), [0.5, 0.9, 0.2, 0.7, 0.4])
    kept, dense, smallest = trial.policy.widths, problem.space.dense().widths, problem.space.smallest().widths

    def cost(*widths: int) -> float:
        return problem.feasible.cost.cost(Policy(widths)).of(metric) / problem.feasible.cost.cost(Policy(dense)).of(
            metric
        )

    for turn, observation in enumerate(seen[:-1]):
        now = cost(*kept[:turn], *dense[turn:])
        assert observation["reduced"] == pytest.approx(1 - now, abs=1e-6)
        assert observation["rest"] == pytest.approx(
            now - cost(*kept[:turn], dense[turn], *smallest[turn + 1 :]), abs=1e-6
        )
        assert observation["cost"] == pytest.approx(
            1 - cost(*dense[:turn], smallest[turn], *dense[turn + 1 :]), abs=1e-6
        )
    assert seen[-1]["reduced"] == pytest.approx(1 - cost(*kept), abs=1e-6)
    assert seen[-1]["rest"] == 0


def test_the_last_action_is_what_was_kept_not_what_was_asked() -> None:
    seen, _, trial = play(make("macs=0.3x"), [1.0] * len(WIDTHS))
    kept = [w / dense for w, dense in zip(trial.policy.widths, WIDTHS, strict=True)]
    assert [observation["last_action"] for observation in seen] == pytest.approx([1.0, *kept])
    assert min(kept) < 1


def test_layers_are_told_apart() -> None:
    seen, _, _ = play(make(), [1.0] * len(WIDTHS))
    assert [o["index"] for o in seen] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert seen[2]["stride"] == 1
    assert seen[3]["stride"] == 0.5
    assert [o["out_channels"] for o in seen[:5]] == pytest.approx([w / max(WIDTHS) for w in WIDTHS])


def test_only_the_last_step_is_rewarded_with_the_trials_reward() -> None:
    kept: list[Trial] = []
    env = make(problem=toy_problem("macs=0.5x", kept=kept))
    _, rewards, trial = play(env, [0.5] * len(WIDTHS))
    assert rewards == [0, 0, 0, 0, trial.reward]
    assert kept == [trial]


def test_a_reward_that_is_no_number_is_the_worst_seen_to_the_agent() -> None:
    problem = with_reward(toy_problem("macs=0.5x"), [math.nan, 0.8, -7.5, 0.9, -math.inf])
    env = make(problem=problem)
    finals, trials = zip(*[play(env, [0.5] * len(WIDTHS))[1:] for _ in range(5)], strict=True)
    assert [rewards[-1] for rewards in finals] == [-1.0, 0.8, -7.5, 0.9, -7.5]
    assert math.isnan(trials[0].reward)


def test_actions_out_of_range_are_clipped_and_nan_is_refused() -> None:
    problem = toy_problem("macs=0.5x")
    _, _, trial = play(make(problem=problem), [-3.0, 9.0, -3.0, 9.0, -3.0])
    assert trial.policy == problem.feasible.bounded([0, 1, 0, 1, 0])
    env = make("macs=0.5x")
    env.reset()
    with pytest.raises(BadInput, match="nan"):
        env.step(np.array([math.nan], np.float32))


def test_a_finished_policy_takes_no_more_steps() -> None:
    env = make()
    play(env, [1.0] * len(WIDTHS))
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.array([0.5], np.float32))


def test_one_description_a_group_is_demanded() -> None:
    feasible = toy_feasible()
    evaluate = plain_evaluate(feasible, [])
    with pytest.raises(BadInput, match="one GroupFeatures a group"):
        Problem(feasible, evaluate, 1, 0, layers=toy_layers()[:-1])
    with pytest.raises(BadInput, match="give the problem its `layers`"):
        ChannelPruningEnv(Problem(feasible, evaluate, 1, 0))
