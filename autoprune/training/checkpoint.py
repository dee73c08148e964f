"""The best state of a network so far, judged on samples that it is not trained on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.training.data import Samples, Score

_BATCH = 256


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output is the target's, else 0: float32 (N,)."""
    return (outputs.argmax(dim=1) == targets).float()


def judge(network: nn.Module, samples: Samples, score: Score) -> tuple[float, float]:
    """Mean `score` and mean cross-entropy in nats of `network`, in eval mode, over all `samples`."""
    if len(samples) == 0:
        raise BadInput("the split that chooses the checkpoint is empty")
    place = next(network.parameters()).device
    network.eval()
    scores, losses = 0.0, 0.0
    with torch.inference_mode():
        for indices in torch.split(torch.arange(len(samples)), _BATCH):
            inputs, targets = (t.to(place) for t in samples.batch(indices))
            outputs = network(inputs)
            scores += float(score(outputs, targets).sum())
            losses += float(F.cross_entropy(outputs, targets, reduction="sum"))
    return scores / len(samples), losses / len(samples)


class BestCheckpoint:
    """Watches a network in training; the state it has when the watch begins is the first candidate."""

    def __init__(self, network: nn.Module, samples: Samples, score: Score) -> None:
        self._network, self._samples, self._score = network, samples, score
        self._rank = (-math.inf, -math.inf)
        self._state = _state(network)
        self.offer()

    def offer(self) -> tuple[float, float]:
        """Judge the network as it is now and remember it if it is the best: its mean score and cross-entropy."""
        score, loss = judge(self._network, self._samples, self._score)
        if (score, -loss) > self._rank:
            self._rank = (score, -loss)
            self._state = _state(self._network)
        return score, loss

    def restore(self) -> None:
        """Put the best state back into the network."""
        self._network.load_state_dict(self._state)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
