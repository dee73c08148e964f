from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from searcher_contract import known_trials
from toy import toy_feasible, toy_problem

from autoprune.env import ChannelPruningEnv
from autoprune.searchers.reinforcement.episodes import replayed
from autoprune.trial import Trial


def test_a_known_trial_is_walked_to_without_being_scored() -> None:
    kept: list[Trial] = []
    problem, known = toy_problem("macs=0.4x", kept=kept), known_trials("macs=0.4x")
    episodes = replayed(problem, known)
    assert not kept
    assert [episode.reward for episode in episodes] == [trial.reward for trial in known]
    for episode, trial in zip(episodes, known, strict=True):
        assert episode.actions.ravel() == pytest.approx(problem.space.ratios(trial.policy))


def test_it_is_the_walk_that_an_agent_would_have_made() -> None:
    problem, [known, *_] = toy_problem("latency=0.5x"), known_trials("latency=0.5x")
    [episode] = replayed(problem, [known])
    env = ChannelPruningEnv(problem)
    observations = [env.reset()[0]]
    for action in episode.actions:
        observation, reward, terminated, _, info = env.step(action)
        observations.append(observation)
    assert np.array_equal(episode.observations, observations)
    assert terminated
    assert (info["trial"].policy, reward) == (known.policy, known.reward)


def test_a_policy_that_no_walk_leads_to_is_left_out() -> None:
    over = replace(known_trials("macs=0.4x")[0], policy=toy_feasible().space.dense())
    assert replayed(toy_problem("macs=0.4x"), [over]) == []
