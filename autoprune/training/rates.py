"""How the learning rate falls in training: a share of its first value, as a function of how much is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from autoprune.spec import TrainingSpec

_MILESTONES = (0.5, 0.75)  # He et al., CVPR 2016, section 4.2: 32k and 48k of 64k steps


def cosine(done: float) -> float:
    """From 1 to 0 on half a cosine (Loshchilov & Hutter, ICLR 2017, eq. 5); `done` in [0, 1]."""
    return (1 + math.cos(math.pi * done)) / 2


def step(done: float) -> float:
    """1, a tenth after half of training, a hundredth after three quarters (He et al., CVPR 2016, section 4.2)."""
    return float(0.1 ** sum(done >= milestone for milestone in _MILESTONES))


def constant(done: float) -> float:  # noqa: ARG001 - one signature for every schedule
    """1 all the time."""
    return 1.0


RATES: Mapping[str, Callable[[float], float]] = MappingProxyType({"cosine": cosine, "step": step, "constant": constant})


def learning_rate(spec: TrainingSpec, done: float) -> float:
    """The learning rate once the share `done` in [0, 1] of a training is over.

    Of a rewound schedule the first share is left out: with `rewound = 0.6` training goes through what the
    last 40% of the whole one had (Renda et al., ICLR 2020).
    """
    return spec.learning_rate * RATES[spec.schedule](spec.rewound + (1 - spec.rewound) * done)
