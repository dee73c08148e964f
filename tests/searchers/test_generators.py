from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import toy_problem

from autoprune.evaluation.inference import torch_threads
from autoprune.searchers.generators import preserved_generators
from autoprune.searchers.reinforcement.ddpg import DdpgSearcher
from autoprune.space import Policy
from autoprune.trial import Trial


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(1))


def test_generators_are_put_back_even_after_an_error() -> None:
    with preserved_generators():
        expected = _draw()
        with pytest.raises(KeyError), preserved_generators():
            raise KeyError(_draw())
        unmoved = _draw()
    assert _draw() == expected
    assert unmoved != expected


def test_an_evaluation_has_the_threads_that_torch_had_before() -> None:
    """The agent's own networks run on one; whoever scores a policy gets all."""
    problem, seen = toy_problem("macs=0.5x", trials=2), []
    evaluate = problem.evaluate

    def watched(policies: Sequence[Policy]) -> list[Trial]:
        seen.append(torch.get_num_threads())
        return evaluate(policies)

    with torch_threads(2):
        DdpgSearcher(hidden=(8,)).search(replace(problem, evaluate=watched))
        assert torch.get_num_threads() == 2
    assert seen == [2, 2]
