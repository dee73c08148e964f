"""Mask agents: a small network a group looks at all of its channels, and says how much of each passes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.gates import saved_share
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, numbers

_REDUCTION, _SMALL, _OPEN, _STRENGTH = 4, 0.1, 2.0, 4.0


class Agent(nn.Module):
    """sigmoid(W2 relu(W1 z)) of descriptors z [units] (Hu et al., CVPR 2018, eq. 3); nearly open at first."""

    def __init__(self, units: int) -> None:
        super().__init__()
        inner = max(2, units // _REDUCTION)
        generator = torch.Generator().manual_seed(units)
        self.squeeze = nn.Parameter(_SMALL * torch.randn(inner, units, generator=generator))
        self.excite = nn.Parameter(_SMALL * torch.randn(units, inner, generator=generator))
        self.bias = nn.Parameter(torch.full((units,), _OPEN))

    def forward(self, descriptors: Tensor) -> Tensor:
        """Attention to each unit, in (0, 1)."""
        return torch.sigmoid(self.excite @ torch.relu(self.squeeze @ descriptors) + self.bias)


class Attention(Method):
    """Gates that agents give, from the norms of what reads the channels (there: from pooled activations)."""

    rate = 10.0
    attended: Tensor  # to each unit [units of all groups], after the last epoch

    def __init__(self, channels: Channels, open_share: float) -> None:
        super().__init__()
        self._channels, self._open_share = channels, open_share
        self.register_buffer("attended", torch.ones(sum(channels.units)))
        self.agents = nn.ModuleList(Agent(units) for units in channels.units)

    def gates(self, network: nn.Module) -> list[Tensor]:
        """Attention to each unit [units], a tensor a group."""
        sizes = [norm.detach() for norm in self._channels.norms(network)]
        return [agent(size / size.mean()) for agent, size in zip(self.agents, sizes, strict=True)]

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The reading weights times the attention to their channels."""
        return self._channels.gated(network, self.gates(network))

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """lambda (mean attention - the share that is to stay)^2."""
        return _STRENGTH * (torch.cat(self.gates(network)).mean() - self._open_share) ** 2

    def after_epoch(self, network: nn.Module, at: Moment) -> None:  # noqa: ARG002
        """Note what is attended to."""
        with torch.no_grad():
            self.attended.copy_(torch.cat(self.gates(network)))


def prune(context: Context) -> Pruned:
    """Train with the agents; the channels that they attend to most are kept."""
    method = Attention(context.channels, 1 - saved_share(context))
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", method)
    return context.cut(trained, numbers(torch.split(method.attended, list(context.traced.units))))


ATTENTION = Recipe(
    "mask-agents",
    "during training",
    "a small attention network a group gates its channels",
    "Yamamoto & Maeno, 2018 (PCAS: attention as importance); Hu et al., CVPR 2018 (SE), eq. 3",
    prune,
)
