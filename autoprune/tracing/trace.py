"""Tracing: an ordinary module and an example input in, its search space and slice plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from autoprune.cost import CountPlan
from autoprune.errors import BadInput
from autoprune.features import GroupFeatures, LayerKind
from autoprune.space import ChannelGroup, SearchSpace
from autoprune.tracing.counts import count
from autoprune.tracing.groups import IntArray, PaddedAxis, SliceAxis, find_groups, padded_axes, slice_axes
from autoprune.tracing.proof import disproved
from autoprune.tracing.rules import apply_rule
from autoprune.tracing.slicing import slice_module, unit_masks
from autoprune.tracing.tape import Tape, record
from autoprune.tracing.wiring import execution_order, norms_after, shortcuts


@dataclass(frozen=True, slots=True)
class Traced:
    """What is known of a network: its groups, where they lie in its parameters and paddings, and what it counts.

    `order` names the layers with weights in the order in which they first ran, `norm_after` the
    batch norm that alone reads a layer's output, `shortcuts` the layer whose input is added to a
    layer's (normalised) output, `features` what an agent sees of each group.
    """

    space: SearchSpace
    counts: CountPlan
    axes: tuple[SliceAxis, ...]
    pads: tuple[PaddedAxis, ...]
    order: tuple[str, ...]
    norm_after: Mapping[str, str]
    shortcuts: Mapping[str, str]
    features: tuple[GroupFeatures, ...]

    @property
    def units(self) -> tuple[int, ...]:
        """Number of units of each group (channels that go one by one, or blocks of `unit` channels)."""
        return tuple(g.width // g.unit for g in self.space.groups)

    def slice(self, model: nn.Module, kept: Sequence[IntArray]) -> nn.Module:
        """A new module that keeps, in group g, only the units `kept[g]` (indices, any order)."""
        return slice_module(model, self.axes, self.pads, unit_masks(self.units, kept))

    def axis(self, parameter: str, axis: int) -> SliceAxis | None:
        """Where the groups lie along one axis of one parameter; None where none does."""
        return next((a for a in self.axes if a.parameter == parameter and a.axis == axis), None)

    def consumers(self, group: int) -> tuple[str, ...]:
        """Parameters that sum over the channels of `group`, in execution order."""
        found = {a.parameter for a in self.axes if a.contracted and (a.group == group).any()}
        return tuple(name for name in (f"{layer}.weight" for layer in self.order) if name in found)


def trace(model: nn.Module, example: Tensor) -> Traced:
    """Find, prove and count the channel groups of `model` (eval mode is used, `model` is unchanged).

    `example` is one input batch; its first item is used. Groups that fail the proof, or whose
    operators are not understood, are in `space.frozen` with the reason. Raises `BadInput` where
    the model does not run on the example or answers with NaN.
    """
    if example.ndim < 2 or not len(example):
        raise BadInput(f"the example input must be a batch of at least one item, got shape {list(example.shape)}")
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        return _trace(model, example[:1].float() if example.is_floating_point() else example[:1])
    finally:
        for module in training:
            module.training = True


def _trace(model: nn.Module, example: Tensor) -> Traced:
    tape = record(model, example, apply_rule)
    barred: dict[str, str] = {}
    while True:  # a group that fails is barred and the rest is numbered anew; ends as every round bars one
        groups, frozen, membership = find_groups(tape, barred)
        axes, pads = slice_axes(tape, membership), padded_axes(tape, membership)
        failed = disproved(model, example, groups, axes, pads) if groups else {}
        if not failed:
            break
        barred.update(failed)
    norm_after = norms_after(tape)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return Traced(
        space=SearchSpace(tuple(groups), tuple(frozen)),
        counts=count(tape, membership, shapes),
        axes=axes,
        pads=pads,
        order=execution_order(tape),
        norm_after=norm_after,
        shortcuts=shortcuts(tape, norm_after),
        features=tuple(_features(tape, group) for group in groups),
    )


def _features(tape: Tape, group: ChannelGroup) -> GroupFeatures:
    """AMC's static features of the layer that produces `group`."""
    layer = group.name.partition("#")[0]
    made = [op for op in tape.operations if op.contraction and f"{layer}.weight" in op.parameters]
    if not made or made[0].contraction is None:
        return GroupFeatures(LayerKind.OTHER, group.width, group.width)
    op, contraction = made[0], made[0].contraction
    if op.name != "convolution":
        return GroupFeatures(LayerKind.LINEAR, contraction.read[-1], group.width)
    height, width = (*contraction.read[2:], 1, 1)[:2]
    return GroupFeatures(
        kind=LayerKind.DEPTHWISE if contraction.depthwise else LayerKind.CONV,
        in_channels=contraction.read[1],
        out_channels=group.width,
        height=height,
        width=width,
        stride=contraction.stride,
        kernel=contraction.kernel,
    )
