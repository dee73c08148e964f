"""A network that can begin in its middle: what it has done by then is answered without computing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.evaluation.twin import twin


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where a network can begin: what `module` answers is all that it reads from there on.

    `before` names the outermost modules that are done when that one begins, and `decided_by` the
    modules whose tensors and settings decide its answer, in the order in which they began. `work` is
    the share of the network's multiply-accumulates that is done by then, `bytes` the answer's for one image.
    """

    module: str
    before: tuple[str, ...]
    decided_by: tuple[str, ...]
    work: float
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """How far one pass has come at a cut: what its module `made`, and what those `before` it made, on meta.

    A tensor on torch's meta device has a shape and a type and no numbers: whatever a network's own code does
    with it between two modules takes no time, and nothing that is made of it can reach a tensor with numbers.
    """

    made: Tensor
    before: Mapping[str, Tensor]

    @property
    def bytes(self) -> int:
        """What it takes in memory: all that `made` is a part of."""
        return self.made.untyped_storage().nbytes()


OnCut = Callable[[Cut, Reached], None]


class Resumable:
    """A network, for one thread, that begins where it is told to, and tells what it made at each of its `cuts`."""

    def __init__(self, network: nn.Module, cuts: Sequence[Cut]) -> None:
        self._network = twin(network)
        self._known: Mapping[str, Tensor] = {}  # answers that this pass need not compute
        self._made: dict[str, Tensor] = {}  # what this pass has made so far, on meta
        self._on_cut: OnCut | None = None
        modules, at = dict(self._network.named_modules()), {cut.module: cut for cut in cuts}
        for name in {*at, *(name for cut in cuts for name in cut.before)}:
            modules[name].__dict__["forward"] = self._watched(name, modules[name].forward, at.get(name))

    def __call__(self, inputs: Tensor, begin: tuple[Cut, Reached] | None = None, on_cut: OnCut | None = None) -> object:
        """The network's answer; `begin` is the cut to begin at, and what an earlier pass over `inputs` made there."""
        self._known, self._made, self._on_cut = {}, {}, on_cut
        if begin is not None:
            cut, reached = begin
            self._known = {**reached.before, cut.module: reached.made}
            inputs = on_meta(inputs)
        return self._network(inputs)

    def _watched(self, name: str, forward: Callable[..., Any], cut: Cut | None) -> Callable[..., Any]:
        """A module's `forward`, which takes down what it makes, and computes nothing where that is known."""

        def run(*args: Any, **kwargs: Any) -> Any:
            known = self._known.get(name)
            made = forward(*args, **kwargs) if known is None else known
            if isinstance(made, Tensor):
                if cut is not None and known is None and self._on_cut is not None:
                    self._on_cut(cut, Reached(made, {n: self._made[n] for n in cut.before}))
                self._made[name] = on_meta(made)
            return made

        return run


def on_meta(tensor: Tensor) -> Tensor:
    """A tensor like it, without the numbers."""
    return torch.empty_like(tensor, device="meta")
