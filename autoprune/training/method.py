"""What a pruning recipe adds to training; plain training adds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a training stands: `step` of `steps` are done (counted over all epochs), `epoch` of `epochs` begun."""

    step: int
    steps: int
    epoch: int
    epochs: int

    @property
    def done(self) -> float:
        """The share of the training that is over, in [0, 1]."""
        return self.step / self.steps if self.steps else 1.0


class Method(nn.Module):
    """Seams of the training loop, each doing nothing here.

    Parameters of a method are trained beside the network's, at `rate` times their learning rate and
    without weight decay. What a method has to remember from step to step is in its buffers: a training
    that was killed goes on from them.
    """

    rate: float = 1.0

    def tensors(self, network: nn.Module) -> Mapping[str, Tensor]:  # noqa: ARG002
        """What `network` computes with instead of its parameters of these names, of the same shapes.

        In training mode they may be drawn; in eval mode they are what the network is to keep.
        """
        return {}

    def penalty(self, network: nn.Module, at: Moment) -> Tensor | None:  # noqa: ARG002
        """What is added to the loss of a step, a scalar; None for nothing."""
        return None

    def after_backward(self, network: nn.Module, at: Moment) -> None:
        """Called when a step's gradients are there and nothing has moved yet."""

    def after_step(self, network: nn.Module, at: Moment) -> None:
        """Called when a step has moved the parameters; may change them in place."""

    def after_epoch(self, network: nn.Module, at: Moment) -> None:
        """Called after each pass over the training split; may change parameters in place."""


def settle(network: nn.Module, method: Method) -> None:
    """Write what `method` has the network compute with into its parameters: from here on it needs no method."""
    method.eval()
    with torch.no_grad():
        for name, tensor in method.tensors(network).items():
            network.get_parameter(name).copy_(tensor)
