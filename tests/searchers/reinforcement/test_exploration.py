from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from scipy.stats import kstest, truncnorm
from stable_baselines3 import DDPG
from toy import toy_problem

from autoprune.env import ChannelPruningEnv
from autoprune.searchers.generators import preserved_generators
from autoprune.searchers.reinforcement.exploration import AmcPolicy, NoiseDecay


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
