"""The loss of a batch as a module, which holds all that has a gradient: the network, and what a method adds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoprune.errors import BadInput
from autoprune.spec import TrainingSpec
from autoprune.training.batches import Batch
from autoprune.training.loss import Loss
from autoprune.training.method import Method, Moment


def computing_type(spec: TrainingSpec, place: torch.device) -> torch.dtype:
    """What layers compute in at `place`, where that is safe (Micikevicius et al., ICLR 2018)."""
    auto = "float16" if place.type == "cuda" else "float32"
    found: torch.dtype = getattr(torch, auto if spec.precision == "auto" else spec.precision)
    return found


class BatchLoss(nn.Module):
    """The mean loss of a batch that the network answers as the `method` has it, in `computing` precision.

    The network is run within `around`, a new context each time.
    """

    def __init__(
        self,
        network: nn.Module,
        method: Method,
        loss: Loss,
        computing: torch.dtype = torch.float32,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        super().__init__()
        self.network, self.method = network, method
        self._loss, self._computing, self._around = loss, computing, around

    def forward(self, batch: Batch, at: Moment) -> tuple[Tensor, Tensor]:
        """Two scalars: what is to fall, as the batch weighs and with the method's penalty, and the mere loss, detached.

        What the method adds is computed in float32.
        """
        lower, tensors = self._computing is not torch.float32, dict(self.method.tensors(self.network))
        with torch.autocast(batch.inputs.device.type, self._computing if lower else None, enabled=lower):
            loss = self._loss(batch.inputs, self._answer(batch.inputs, tensors), batch.labels)
        penalty = self.method.penalty(self.network, at)
        weighed = loss * batch.weight
        return weighed if penalty is None else weighed + penalty, loss.detach()

    def _answer(self, inputs: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        with self._around():
            outputs = functional_call(self.network, tensors, (inputs,)) if tensors else self.network(inputs)
        if not isinstance(outputs, Tensor):
            raise BadInput(f"the network must return one tensor of logits in training, got {type(outputs).__name__}")
        return outputs
