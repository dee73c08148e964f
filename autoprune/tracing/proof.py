"""The proof: groups are sliced, run, and compared, layer by layer, with the dense network in which they count zero."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from autoprune.space import ChannelGroup
from autoprune.tracing.groups import PaddedAxis, SliceAxis
from autoprune.tracing.slicing import CONVOLUTIONS, slice_module, zero_consumers
from autoprune.tracing.tape import first_line

TOLERANCE = 1e-4  # largest absolute difference, as a share of the largest absolute value
_LAYERS = (nn.Linear, *CONVOLUTIONS)


def disproved(
    model: nn.Module,
    example: Tensor,
    groups: Sequence[ChannelGroup],
    axes: Sequence[SliceAxis],
    pads: Sequence[PaddedAxis],
) -> dict[str, str]:
    """Names of the groups that fail the proof, each with the reason.

    All groups are sliced at once; where that fails each half of them is, and so on: a network whose
    groups hold costs one try, k bad groups of n cost about 2 k log2(n / k). The proof runs on a copy
    with random weights, since at real ones a wrong slice can hide behind a layer that is still zero.
    """
    proof = _Proof(randomised(model, example), example, groups, axes, pads)
    proof.sift(list(range(len(groups))), [])
    return proof.failed


class _Proof:
    """Slices that were tried, and the groups that `failed`, by name with the reason."""

    def __init__(
        self,
        model: nn.Module,
        example: Tensor,
        groups: Sequence[ChannelGroup],
        axes: Sequence[SliceAxis],
        pads: Sequence[PaddedAxis],
    ) -> None:
        self._model, self._example, self._groups, self._axes, self._pads = model, example, groups, axes, pads
        self.failed: dict[str, str] = {}

    def sift(self, candidates: list[int], held: list[int], known: str | None = None) -> list[int]:
        """Those of `candidates` that hold together with the groups in `held`, which do without them.

        `known` is why all of them together fail, where that was found out already.
        """
        reason = known or self._failure([*held, *candidates])
        if reason is None:
            return candidates
        if len(candidates) == 1:
            alone = self._failure(candidates) if held else reason
            self.failed[self._groups[candidates[0]].name] = alone or f"together with other groups, {reason}"
            return []
        middle = len(candidates) // 2
        left = self.sift(candidates[:middle], held)
        whole = len(left) == middle  # nothing failed on the left, so the same set as before is asked for again
        return left + self.sift(candidates[middle:], [*held, *left], reason if whole else None)

    def _failure(self, cut: list[int]) -> str | None:
        """Why the network with the groups `cut` halved is not the dense one with the same channels zeroed."""
        try:
            off = slice_error(self._model, self._example, self._axes, self._pads, _halved(self._groups, set(cut)))
        except Exception as error:  # a network's own code may raise anything
            return f"the network's own code counts on all of them: sliced, it does not run ({first_line(error)})"
        if math.isinf(off):
            return "the sliced network runs other layers, or answers in other shapes or with NaN"
        return None if off <= TOLERANCE else f"the sliced network's answers are off by {off:.2g}"


def slice_error(
    model: nn.Module,
    example: Tensor,
    axes: Sequence[SliceAxis],
    pads: Sequence[PaddedAxis],
    masks: list[NDArray[np.bool_]],
) -> float:
    """How far the sliced `model` is from the dense one whose consumers multiply the removed channels by zero.

    The largest absolute difference between the outputs on `example`, and between what each layer
    makes of the channels that it keeps, as a share of the largest absolute value there; infinite
    where other layers run, shapes differ or a value is NaN. Raises what the sliced network raises.
    """
    with torch.no_grad():
        expected = _answers(zero_consumers(model, axes, masks), example)
        narrow = slice_module(model, axes, pads, masks)
        sliced = _answers(copy.deepcopy(narrow) if pads else narrow, example)  # a copy has to pad as it does
    if [answer.layer for answer in expected] != [answer.layer for answer in sliced]:
        return math.inf
    produced = {(a.parameter, a.axis): torch.from_numpy(a.kept(masks)) for a in axes}
    worst = 0.0
    for dense, small in zip(expected, sliced, strict=True):
        kept = produced.get((f"{dense.layer}.weight", dense.rows))
        same = dense.made if kept is None else dense.made.index_select(dense.channels, kept)
        worst = max(worst, _difference(same, small.made))
    return worst


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What a layer `made`, its output channels along axis `channels` there and along axis `rows` of its weight.

    The network's own outputs have no layer.
    """

    made: Tensor
    layer: str = ""
    rows: int = 0
    channels: int = 1


def _answers(model: nn.Module, example: Tensor) -> list[_Answer]:
    """What each layer makes of `example`, in order of execution, and then the network's outputs."""
    found: list[_Answer] = []

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, _: Any, out: Tensor) -> None:
            rows = 1 if getattr(layer, "transposed", False) else 0
            found.append(_Answer(out.clone(), name, rows, channels=-1 if isinstance(layer, nn.Linear) else 1))

        return hook

    handles = [m.register_forward_hook(watch(name)) for name, m in model.named_modules() if isinstance(m, _LAYERS)]
    try:
        outputs = [t for t in tree_leaves(model(example)) if isinstance(t, Tensor)]
    finally:
        for handle in handles:
            handle.remove()
    return found + [_Answer(t) for t in outputs]


def _halved(groups: Sequence[ChannelGroup], cut: set[int]) -> list[NDArray[np.bool_]]:
    """Masks that keep a random half of the units of the groups in `cut`, and all of the others'."""
    rng = np.random.default_rng(0)
    masks = []
    for g, group in enumerate(groups):
        units = group.width // group.unit
        mask = np.ones(units, dtype=bool)
        if g in cut:
            mask[rng.permutation(units)[: units - max(1, units // 2)]] = False
        masks.append(mask)
    return masks


def _difference(expected: Tensor, got: Tensor) -> float:
    """Largest absolute difference as a share of the largest absolute value; infinite where it is none."""
    if expected.shape != got.shape:
        return math.inf
    if not expected.numel():
        return 0.0
    expected, got = expected.double(), got.double()
    off, scale = float((expected - got).abs().max()), float(expected.abs().max())
    return off / (scale or 1.0) if math.isfinite(off) else math.inf


def randomised(model: nn.Module, example: Tensor, seed: int = 0) -> nn.Module:
    """A copy in eval mode with random weights, through which a change of any layer reaches the output.

    Layers are scaled one after the other as they run on `example`, until the outputs of each have
    unit deviation (LSUV: Mishkin & Matas, ICLR 2016): signals neither die out nor grow until gates saturate.
    """
    subject = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*subject.named_parameters(), *subject.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if tensor.ndim >= 2:
                fan_in = tensor[0].numel() if tensor.shape[0] else 1
                tensor.normal_(0.0, fan_in**-0.5, generator=generator)
            elif name.endswith("running_var") or "weight" in name.rpartition(".")[2]:
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0.0, 0.1, generator=generator)
        _level(subject, example)
    return subject


def _level(model: nn.Module, example: Tensor) -> None:
    """Divide the weights of each layer by the deviation of what it makes of `example`, in order of execution."""

    def hook(module: nn.Module, _: Any, out: Tensor) -> Tensor:
        deviation = float(out.std(correction=0))
        if not (math.isfinite(deviation) and deviation > 0):
            return out
        for parameter in module.parameters(recurse=False):
            parameter.div_(deviation)
        return out / deviation

    handles = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, _LAYERS)]
    try:
        model(example)
    finally:
        for handle in handles:
            handle.remove()
