from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from autoprune.searchers.generators import preserved_generators
from autoprune.searchers.reinforcement.replay import EpisodeReplay


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
