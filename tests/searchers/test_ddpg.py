from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from scipy.stats import kstest, truncnorm
from searcher_contract import SearcherContract
from stable_baselines3 import DDPG
from toy import toy_problem

from autoprune.env import ChannelPruningEnv
from autoprune.errors import BadInput
from autoprune.searchers.ddpg import AmcPolicy, DdpgSearcher, EpisodeReplay, NoiseDecay
from autoprune.searchers.episodes import preserved_generators
from autoprune.trial import Problem, Trial

SMALL: dict[str, Any] = {"hidden": (16, 16), "batch": 16}


class TestDdpg(SearcherContract):
    name = "ddpg"
    settings: ClassVar = SMALL

    def test_learns(self) -> None:
        """After the warm-up's random policies, the agent's are better."""
        kept: list[Trial] = []
        searcher = DdpgSearcher(hidden=(64, 64))
        searcher.search(toy_problem("macs=0.4x", trials=200, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-40:]) / 40 > sum(rewards[:40]) / 40 + 0.1


def test_the_warm_up_is_random_and_a_share_of_the_trials() -> None:
    """Networks of another size propose the same policies until learning starts, and others afterwards."""
    small, large = [_policies({"hidden": h, "warmup_share": 0.5}, trials=10) for h in [(16,), (24,)]]
    assert small[:5] == large[:5]
    assert small[5:] != large[5:]


def _policies(settings: dict[str, Any], trials: int) -> list[tuple[int, ...]]:
    kept: list[Trial] = []
    DdpgSearcher(**settings).search(toy_problem("macs=0.9x", trials=trials, kept=kept))
    return [trial.policy.widths for trial in kept]


def _policy(noise: float) -> AmcPolicy:
    state, action = Box(0, 1, (12,), np.float32), Box(0, 1, (1,), np.float32)
    return AmcPolicy(state, action, lambda _: 1e-3, net_arch=[8], noise=noise)


@pytest.mark.parametrize("noise", [0.5, 0.1, 0.01])
def test_exploration_is_a_truncated_normal(noise: float) -> None:
    """AMC, eq. 1: TN(mu, sigma^2, 0, 1)."""
    with preserved_generators():
        torch.manual_seed(0)
        policy = _policy(noise)
        state = np.full((4000, 12), 0.5, np.float32)
        drawn = policy.predict(state)[0].ravel()
        mean = float(policy.predict(state[:1], deterministic=True)[0][0, 0])
    expected = truncnorm(-mean / noise, (1 - mean) / noise, loc=mean, scale=noise)
    assert kstest(drawn, expected.cdf).pvalue > 1e-3


def test_noise_shrinks_after_the_warm_up() -> None:
    problem = toy_problem("macs=0.5x")
    with preserved_generators():
        env = ChannelPruningEnv(problem)
        model = DDPG(AmcPolicy, env, buffer_size=10, policy_kwargs={"net_arch": [8], "noise": 0.5}, device="cpu")
    callback = NoiseDecay(0.5, 0.9, warmup=2)
    callback.init_callback(model)
    seen = []
    for _ in range(5):
        callback.on_rollout_start()
        assert isinstance(model.policy, AmcPolicy)
        seen.append(model.policy.noise)
    assert seen == pytest.approx([0.5, 0.5, 0.5, 0.45, 0.405])


def _fill(replay: EpisodeReplay, episodes: list[float], steps: int = 3) -> None:
    one: NDArray[np.float32] = np.zeros((1, 1), np.float32)
    for reward in episodes:
        for step in range(steps):
            last = step == steps - 1
            replay.add(one, one, one, np.array([reward if last else 0.0]), np.array([last]), [{}])


def _replay(size: int, rate: float = 0.5) -> EpisodeReplay:
    box = Box(0, 1, (1,), np.float32)
    return EpisodeReplay(size, box, box, device="cpu", baseline_rate=rate)


def test_every_transition_carries_the_reward_its_episode_ended_with() -> None:
    replay = _replay(8)
    _fill(replay, [1.0, 2.0, 3.0])  # nine transitions in eight places
    assert replay.rewards.ravel().tolist() == [3.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0]


def test_the_baseline_is_a_moving_average_of_the_batches() -> None:
    replay = _replay(12)
    _fill(replay, [1.0])
    with preserved_generators():
        assert replay.sample(4).rewards.tolist() == [[0.0]] * 4  # the first batch is its own baseline
        _fill(replay, [3.0] * 3)
        rewards = replay._get_samples(np.arange(3, 12)).rewards
    assert rewards.ravel().tolist() == [1.0] * 9  # 3 less the average of 1 and 3


def test_layers_must_be_described() -> None:
    plain = toy_problem("macs=0.5x")
    with pytest.raises(BadInput, match="give the problem its `layers`"):
        DdpgSearcher(**SMALL).search(Problem(plain.feasible, plain.evaluate, 2, 0))
