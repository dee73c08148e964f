"""The pruner: a network and its calibration statistics in, smaller networks out, one a policy."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoprune.criteria.elimination import Consumer, elimination_order
from autoprune.criteria.magnitude import l2_order
from autoprune.pruning.features import is_linear_map, taps, weight_matrix
from autoprune.pruning.refit import refit, running_mean, set_offset
from autoprune.pruning.sequential import SequentialRefit
from autoprune.pruning.statistics import gather
from autoprune.space import Policy
from autoprune.tracing.groups import IntArray, SliceAxis
from autoprune.tracing.slicing import slice_module, unit_masks
from autoprune.tracing.trace import Traced

Masks = list[NDArray[np.bool_]]

_CACHE_BYTES = 2**30  # of refitted weights that are kept for the next policy


class Pruner:
    """Applies policies to one network.

    Statistics are gathered from `calibration` inputs [N, ...] once; each group's channels are
    ranked once, by backward elimination where a consumer can be refitted and by weight magnitude
    where none can. The pruner works on a copy of the model in eval mode; the model is never changed.
    """

    def __init__(self, model: nn.Module, traced: Traced, calibration: Tensor, *, seed: int = 0) -> None:
        self.model, self.traced = copy.deepcopy(model).eval(), traced
        self._calibration = calibration
        self._modules, self._parameters = dict(self.model.named_modules()), dict(self.model.named_parameters())
        self._axes = {(a.parameter, a.axis): a for a in traced.axes}
        self._linear = tuple(n for n in traced.order if is_linear_map(self._modules[n]))
        consumers = [n for n in self._linear if self._input(n) is not None]
        self._moments = gather(self.model, consumers, calibration, seed=seed)
        self._weights = {n: weight_matrix(self._modules[n]) for n in consumers}
        self.ranking = tuple(self._rank(g) for g in range(len(traced.space)))
        self._refitted = lru_cache(maxsize=_room_for(self._weights.values()))(self._refit)
        self._sequential: SequentialRefit | None = None

    def kept(self, policy: Policy) -> tuple[IntArray, ...]:
        """Unit indices that each group keeps, ascending: the last in its elimination order."""
        self.traced.space.check(policy)
        groups = zip(self.traced.space.groups, self.ranking, policy.widths, strict=True)
        return tuple(np.sort(order[len(order) - width // group.unit :]) for group, order, width in groups)

    def slice(self, policy: Policy) -> nn.Module:
        """The sliced network, each layer that lost inputs refitted from the dense network's statistics."""
        return self._slice(self.kept(policy))

    def apply(self, policy: Policy) -> nn.Module:
        """The sliced network, refitted layer by layer on its own inputs toward the dense outputs."""
        return self.apply_kept(self.kept(policy))

    def apply_kept(self, kept: Sequence[IntArray]) -> nn.Module:
        """Like `apply`, for given unit indices per group."""
        small = self._slice(kept)
        masks = unit_masks(self.traced.units, kept)
        if self._sequential is None:
            self._sequential = SequentialRefit(self.model, self._linear, self.traced, self._calibration)
        outputs = {n: torch.from_numpy(a.kept(masks)) for n in self._linear if (a := self._output(n))}
        self._sequential(small, outputs)
        return small

    # Ranking.

    def _rank(self, group: int) -> IntArray:
        """Unit indices of a group in elimination order, least missed first."""
        consumers = [c for name in self._moments if (c := self._consumer(name, group))]
        if consumers:
            return elimination_order(consumers)
        weights = [a for a in self.traced.axes if (a.group == group).any() and self._is_matrix(a.parameter)]
        return l2_order([self._norms(a, group) for a in weights])

    def _consumer(self, name: str, group: int) -> Consumer | None:
        axis = self._input(name)
        if axis is None or not (axis.group == group).any():
            return None
        positions = np.flatnonzero(axis.group == group)
        order = np.argsort(axis.unit[positions], kind="stable")
        per_unit = positions[order].reshape(self.traced.units[group], -1)
        rows = _features_of(per_unit, taps(self._modules[name])).reshape(len(per_unit), -1)
        return Consumer(self._moments[name].damped(), self._weights[name], torch.from_numpy(np.sort(rows, axis=1)))

    def _is_matrix(self, name: str) -> bool:
        parameter = self._parameters.get(name)
        return parameter is not None and parameter.ndim >= 2

    def _norms(self, axis: SliceAxis, group: int) -> tuple[Tensor, NDArray[np.int64]]:
        """Squared norm of a weight at each position along `axis` [size], and the unit of `group` there (-1: none)."""
        weight = self._parameters[axis.parameter].detach().moveaxis(axis.axis, 0).flatten(1)
        return weight.double().square().sum(1), np.where(axis.group == group, axis.unit, -1)

    # Slicing with the cached refit.

    def _slice(self, kept: Sequence[IntArray]) -> nn.Module:
        masks = unit_masks(self.traced.units, kept)
        small = slice_module(self.model, self.traced.axes, masks)
        modules = dict(small.named_modules())
        with torch.no_grad():
            for name in self._moments:
                self._set_refitted(modules, name, masks)
        return small

    def _set_refitted(self, modules: dict[str, nn.Module], name: str, masks: Masks) -> None:
        axis = self._input(name)
        assert axis is not None
        groups = [int(g) for g in np.unique(axis.group) if g >= 0]
        if all(masks[g].all() for g in groups):
            return
        weight, offset = self._refitted(name, tuple(masks[g].tobytes() for g in groups))
        output, module = self._output(name), modules[name]
        assert isinstance(module, nn.Linear | nn.Conv2d)
        norm_name = self.traced.norm_after.get(name)
        mean = running_mean(self.model, norm_name) if norm_name else None
        if output is not None:
            rows = torch.from_numpy(output.kept(masks))
            weight, offset = weight[:, rows], offset[rows]
            mean = mean[rows] if mean is not None else None
        module.weight.copy_(weight.T.reshape(module.weight.shape))
        set_offset(module, modules[norm_name] if norm_name else None, mean, offset)

    def _refit(self, name: str, kept_bytes: tuple[bytes, ...]) -> tuple[Tensor, Tensor]:
        """Weight [|kept features|, O] and whole offset [O] (bias included) of a layer that keeps these units."""
        axis, module = self._input(name), self._modules[name]
        assert axis is not None
        groups = [int(g) for g in np.unique(axis.group) if g >= 0]
        masks = [np.ones(n, dtype=bool) for n in self.traced.units]
        for g, raw in zip(groups, kept_bytes, strict=True):
            masks[g] = np.frombuffer(raw, dtype=bool)
        features = torch.from_numpy(_features_of(axis.kept(masks), taps(module)).reshape(-1))
        weight, offset = refit(self._moments[name], self._weights[name], features)
        bias = module.bias
        return weight, offset + bias.detach().double() if isinstance(bias, Tensor) else offset

    def _input(self, layer: str) -> SliceAxis | None:
        return self._axes.get((f"{layer}.weight", 1))

    def _output(self, layer: str) -> SliceAxis | None:
        return self._axes.get((f"{layer}.weight", 0))


def _room_for(weights: Iterable[Tensor]) -> int:
    """How many of `weights`, of average size, the cache holds."""
    sizes = [w.numel() * w.element_size() for w in weights]
    return max(1, _CACHE_BYTES * len(sizes) // sum(sizes)) if sizes else 1


def _features_of(channels: IntArray, per_channel: int) -> IntArray:
    """Feature numbers [..., per_channel] of input channels [...]."""
    return channels[..., None] * per_channel + np.arange(per_channel)
