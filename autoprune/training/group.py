"""A group: the processes that train one network together, a device each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """This process is number `rank` of `size`; one that is alone needs nobody to talk to.

    What all of a group have to do together (`distributed` modules, and every method that is told so) each of
    them has to do, in the same order, or those that do wait for ever.
    """

    rank: int = 0
    size: int = 1

    @property
    def alone(self) -> bool:
        """Whether this process is the whole group."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether it is this one that judges, writes and tells."""
        return self.rank == 0

    def place(self, device: str) -> torch.device:
        """Where this process computes: of several GPUs each has its own."""
        return torch.device(device) if self.alone or device == "cpu" else torch.device(device, self.rank)

    def share(self, whole: Tensor) -> Tensor:
        """This process's part of `whole` (N, ...), as long as the others' or one longer."""
        return whole.tensor_split(self.size)[self.rank]

    def distributed(self, module: nn.Module) -> nn.Module:
        """`module`, whose gradients are from here on the mean of those of all (Li et al., VLDB 2020).

        Which parameters it computes with may not change from step to step.
        """
        if self.alone:
            return module
        # Of a 1x1 convolution's weight both memory formats are the same bytes, but not for the check of this.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(module, static_graph=True)

    def total(self, own: Tensor) -> Tensor:
        """The sum of what each has: all together. A tensor of its own."""
        total = own.clone()
        if not self.alone:
            dist.all_reduce(total)
        return total

    def all_of(self, own: T) -> list[T]:
        """What each has, by rank: all together."""
        if self.alone:
            return [own]
        found: list[T] = [own] * self.size
        dist.all_gather_object(found, own)
        return found

    def agree(self, *modules: nn.Module) -> None:
        """Give all the first one's parameters and buffers: all together.

        They differ by rounding at most, but what is decided by rounded numbers could differ for good.
        """
        if self.alone:
            return
        told = [{name: t.cpu() for name, t in m.state_dict().items()} if self.first else None for m in modules]
        dist.broadcast_object_list(told)
        for module, state in zip(modules, told, strict=True):
            if state is not None and not self.first:
                module.load_state_dict(state)
