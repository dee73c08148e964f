"""Mixtures of two samples each: inputs between those that the data hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Of N inputs the classes `targets` int64 (N,), and what was mixed in: `others` int64 (N,), 1 - `share` of it.

    `share` is (N,) in [0, 1]; `others` and `share` are None where nothing was.
    """

    targets: Tensor
    others: Tensor | None = None
    share: Tensor | None = None

    def cross_entropy(self, outputs: Tensor) -> Tensor:
        """Mean cross-entropy in nats of the logits `outputs` (N, classes) with the mixed labels."""
        if self.others is None or self.share is None:
            return F.cross_entropy(outputs, self.targets)
        own, other = (F.cross_entropy(outputs, t, reduction="none") for t in (self.targets, self.others))
        return (self.share * own + (1 - self.share) * other).mean()

    def to(self, place: torch.device) -> Labels:
        """The same labels on the device `place`."""
        others, share = (None if t is None else t.to(place) for t in (self.others, self.share))
        return Labels(self.targets.to(place), others, share)

    def __len__(self) -> int:
        return len(self.targets)


def mix(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Labels]:
    """Each of `inputs` (N, ...) mixed with another of them, lambda x_i + (1 - lambda) x_j (Zhang et al., ICLR 2018).

    lambda is uniform in [0, 1], that is Beta(1, 1), and drawn for each input, on the CPU.
    """
    share = torch.rand(len(inputs), generator=generator)
    partner = torch.randperm(len(inputs), generator=generator)
    weight = share.view(-1, *[1] * (inputs.ndim - 1))
    return weight * inputs + (1 - weight) * inputs[partner], Labels(targets, targets[partner], share)
