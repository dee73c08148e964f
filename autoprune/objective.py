"""How good a pruned network is, and the one number a search maximises: named equations, each with its source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from autoprune.cost import Cost
from autoprune.errors import BadInput


@dataclass(frozen=True, slots=True)
class Quality:
    """What an evaluation of one network on one split found.

    `score` is the task's own metric (higher is better; accuracy is a fraction in [0, 1]);
    `agreement` the share of inputs on which the largest output is the dense network's; `kl` the
    mean Kullback-Leibler divergence KL(dense || pruned) of the softmax outputs, in nats.
    """

    score: float
    agreement: float
    kl: float


Reward = Callable[[Quality, Cost], float]


def accuracy(quality: Quality, cost: Cost) -> float:
    """The task's score itself, for searches whose actions a budget bounds (AMC, resource-constrained compression)."""
    return quality.score


def r_err(quality: Quality, cost: Cost) -> float:
    """R_err = -Error, Error = 1 - score (AMC, resource-constrained compression)."""
    return quality.score - 1.0


def r_flops(quality: Quality, cost: Cost) -> float:
    """R_FLOPs = -Error x log(FLOPs) (AMC, accuracy-guaranteed compression)."""
    return (quality.score - 1.0) * math.log(2.0 * cost.macs)


def r_param(quality: Quality, cost: Cost) -> float:
    """R_Param = -Error x log(#parameters) (AMC, accuracy-guaranteed compression)."""
    return (quality.score - 1.0) * math.log(cost.params)


def agreement(quality: Quality, cost: Cost) -> float:
    """Share of inputs classified as the dense network does; needs no labels."""
    return quality.agreement


def kl(quality: Quality, cost: Cost) -> float:
    """Minus KL(dense || pruned) of the outputs, in nats (Hinton et al., 2015, at T = 1); needs no labels."""
    return -quality.kl


REWARDS: dict[str, Reward] = {
    "accuracy": accuracy,
    "R_err": r_err,
    "R_FLOPs": r_flops,
    "R_param": r_param,
    "agreement": agreement,
    "kl": kl,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """A named reward."""

    name: str = "accuracy"

    def __post_init__(self) -> None:
        if self.name not in REWARDS:
            raise BadInput(f"unknown reward {self.name!r}; choose from {', '.join(REWARDS)}")

    def reward(self, quality: Quality, cost: Cost) -> float:
        """The reward of a network with this quality and cost; larger is better."""
        return REWARDS[self.name](quality, cost)
