"""The best state of a network so far, judged on samples that it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.training.data import Samples, Score
from autoprune.training.loss import Loss
from autoprune.training.mixup import Labels

_BATCH = 256


def judge(network: nn.Module, samples: Samples, score: Score, loss: Loss | None = None) -> tuple[float, float]:
    """Mean `score` and mean `loss` (by default cross-entropy) of `network`, in eval mode, over all `samples`."""
    if len(samples) == 0:
        raise BadInput("the split that chooses the checkpoint is empty")
    place, loss = next(network.parameters()).device, loss or Loss()
    network.eval()
    scores, losses = 0.0, 0.0
    with torch.inference_mode():
        for indices in torch.split(torch.arange(len(samples)), _BATCH):
            inputs, targets = (t.to(place) for t in samples.batch(indices))
            outputs = network(inputs)
            scores += float(score(outputs, targets).sum())
            losses += float(loss(inputs, outputs, Labels(targets))) * len(targets)
    return scores / len(samples), losses / len(samples)


class BestCheckpoint:
    """Watches a network in training; the state it has when the watch begins is the first candidate.

    Without a teacher in `loss` the best is the highest score, and the lowest loss among equals. With
    one it is the lowest loss of those that score no lower than the first, or so little that it may be
    chance (one standard error): how far a student is from its teacher is known far better from a few
    images than how many of them it gets right.
    """

    def __init__(self, network: nn.Module, samples: Samples, score: Score, loss: Loss | None = None) -> None:
        self._network, self._samples, self._score, self._loss = network, samples, score, loss or Loss()
        self._least, self._rank = -math.inf, (-math.inf, -math.inf)
        self._state = _state(network)
        start, _ = self.offer()
        self._least = start - math.sqrt(max(0.0, start * (1 - start)) / len(samples))

    def offer(self) -> tuple[float, float]:
        """Judge the network as it is now and remember it if it is the best: its mean score and loss."""
        score, loss = judge(self._network, self._samples, self._score, self._loss)
        rank = (0.0 if self._loss.distillation else score, -loss)
        if rank > self._rank and score >= self._least:
            self._rank = rank
            self._state = _state(self._network)
        return score, loss

    def restore(self) -> None:
        """Put the best state back into the network."""
        self._network.load_state_dict(self._state)

    @property
    def kept(self) -> tuple[dict[str, Tensor], tuple[float, ...]]:
        """The best state, and the numbers that later ones are compared with: all that `go_on` needs."""
        return self._state, (self._least, *self._rank)

    def go_on(self, state: dict[str, Tensor], numbers: Sequence[float]) -> None:
        """Watch on from what another watch had `kept`."""
        self._state = state
        self._least, *rank = numbers
        self._rank = (rank[0], rank[1])


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
