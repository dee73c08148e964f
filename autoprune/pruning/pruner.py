"""The pruner: a network and its calibration statistics in, smaller networks out, one a policy."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoprune.cost import FloatArray
from autoprune.criteria.elimination import Consumer, eliminate
from autoprune.criteria.magnitude import rank_by_norm
from autoprune.criteria.ranking import Ranking
from autoprune.pruning.blocks import Block, find_blocks
from autoprune.pruning.features import is_linear_map, taps, weight_matrix
from autoprune.pruning.learning import Steps
from autoprune.pruning.reconstruction import OnBlock, reconstruct, reconstruct_together
from autoprune.pruning.refit import System, running_mean, set_offset
from autoprune.pruning.sequential import Effort, SequentialRefit
from autoprune.pruning.statistics import gather
from autoprune.space import Policy, SearchSpace
from autoprune.spec import ReconstructionSpec
from autoprune.tracing.groups import IntArray, SliceAxis
from autoprune.tracing.slicing import unit_masks
from autoprune.tracing.trace import Traced

Masks = list[NDArray[np.bool_]]

_CACHE_BYTES = 2**30  # of refitted weights that are kept for the next policy

# A preview takes an eighth of the time. Of 64 random ResNet-20s at half the MACs it puts in order who will be better
# (Spearman with the selection split's divergence after `apply`: 0.949; with 2,048, 4,096 and 16,384 rows 0.929, 0.941
# and 0.944; of `slice`, over 24 others, 0.48).
_PREVIEW_IMAGES = 256
_PREVIEW = Effort(rows=8192, hold=0.03)


class Pruner:
    """Applies policies to one network.

    Statistics are gathered from `calibration` inputs [N, ...] once; each group's channels are
    ranked once, by backward elimination where a consumer can be refitted and by weight magnitude
    where none can. The pruner works on a copy of the model in eval mode; the model is never changed.
    """

    def __init__(self, model: nn.Module, traced: Traced, calibration: Tensor, *, seed: int = 0) -> None:
        self.model, self.traced = copy.deepcopy(model).eval(), traced
        self._calibration, self._seed = calibration, seed
        self._modules, self._parameters = dict(self.model.named_modules()), dict(self.model.named_parameters())
        self._axes = {(a.parameter, a.axis): a for a in traced.axes}
        self._linear = tuple(n for n in traced.order if is_linear_map(self._modules[n]))
        consumers = [n for n in self._linear if self._input(n) is not None]
        self._weights = {n: weight_matrix(self._modules[n]) for n in consumers}
        moments = gather(self.model, consumers, calibration, seed=seed)
        self._systems = {n: System.of(of_layer, self._weights[n]) for n, of_layer in moments.items()}
        self.ranking = tuple(self._rank(g) for g in range(len(traced.space)))
        self._refitted = lru_cache(maxsize=_room_for(self._weights.values()))(self._refit)

    def kept(self, policy: Policy) -> tuple[IntArray, ...]:
        """Unit indices that each group keeps, ascending: the last in its elimination order."""
        self.traced.space.check(policy)
        groups = zip(self.traced.space.groups, self.ranking, policy.widths, strict=True)
        return tuple(np.sort(rank.order[len(rank.order) - width // group.unit :]) for group, rank, width in groups)

    def damages(self, space: SearchSpace) -> tuple[FloatArray, ...]:
        """For each group of `space` what cutting it to each width that it offers damages: see `Ranking`."""
        pairs = zip(space.groups, self.ranking, strict=True)
        return tuple(rank.damage[[(g.width - width) // g.unit for width in g.widths]] for g, rank in pairs)

    def slice(self, policy: Policy) -> nn.Module:
        """The sliced network, each layer that lost inputs refitted from the dense network's statistics."""
        return self._slice(self.kept(policy))

    def preview(self, policy: Policy) -> nn.Module:
        """Like `apply`, from few images: good enough to tell policies apart."""
        kept = self.kept(policy)
        small = self._slice(kept)
        self._quick(small, self._kept_outputs(kept))
        return small

    def apply(self, policy: Policy) -> nn.Module:
        """The sliced network, refitted layer by layer on its own inputs toward the dense outputs."""
        return self.apply_kept(self.kept(policy))

    def apply_kept(self, kept: Sequence[IntArray]) -> nn.Module:
        """Like `apply`, for given unit indices per group."""
        small = self._slice(kept)
        self._sequential(small, self._kept_outputs(kept))
        return small

    def reconstruct(
        self,
        small: nn.Module,
        kept: Sequence[IntArray],
        settings: ReconstructionSpec,
        *,
        on_block: OnBlock | None = None,
    ) -> nn.Module:
        """A copy of `small`, what `apply_kept` made of `kept`, its blocks trained to answer as the dense network's.

        One by one, then together: see `autoprune.pruning.reconstruction`. Layers outside of blocks are refitted
        once more to what then reaches them.
        """
        small, example, outputs = copy.deepcopy(small), self._calibration[:1], self._kept_outputs(kept)
        dense = {block.name: block for block in find_blocks(self.model, self.traced.order, example)}
        found = find_blocks(small, self.traced.order, example)
        blocks = [block for block in found if _comparable(block, dense.get(block.name), outputs)]
        left = {b.name: outputs[b.layers[-1]] for b in blocks if b.made != dense[b.name].made}
        given = (small, self.model, blocks, self._calibration, left)
        alone = Steps(settings.steps, settings.learning_rate, settings.batch)
        reconstruct(*given, alone, seed=self._seed, on_block=on_block)
        if blocks and settings.together:
            if on_block is not None:
                on_block(len(blocks), len(blocks), "then all together")
            together = Steps(settings.together, settings.learning_rate / 3, settings.batch)
            reconstruct_together(*given, together, seed=self._seed)
        self._sequential(small, outputs, outside=[block.name for block in blocks])
        return small

    @cached_property
    def _sequential(self) -> SequentialRefit:
        return SequentialRefit(self.model, self._linear, self.traced, self._calibration)

    @cached_property
    def _quick(self) -> SequentialRefit:
        few = self._calibration[:_PREVIEW_IMAGES]
        return SequentialRefit(self.model, self._linear, self.traced, few, _PREVIEW)

    def _kept_outputs(self, kept: Sequence[IntArray]) -> dict[str, Tensor]:
        """Output channels of the dense layers that are left."""
        masks = unit_masks(self.traced.units, kept)
        return {n: torch.from_numpy(a.kept(masks)) for n in self.traced.order if (a := self._output(n))}

    # Ranking.

    def _rank(self, group: int) -> Ranking:
        """The units of a group in elimination order, least missed first."""
        consumers = [c for name in self._systems if (c := self._consumer(name, group))]
        if consumers:
            return eliminate(consumers)
        weights = [a for a in self.traced.axes if (a.group == group).any() and self._is_matrix(a.parameter)]
        return rank_by_norm([self._norms(a, group) for a in weights])

    def _consumer(self, name: str, group: int) -> Consumer | None:
        axis = self._input(name)
        if axis is None or not (axis.group == group).any():
            return None
        positions = np.flatnonzero(axis.group == group)
        order = np.argsort(axis.unit[positions], kind="stable")
        per_unit = positions[order].reshape(self.traced.units[group], -1)
        rows = _features_of(per_unit, taps(self._modules[name])).reshape(len(per_unit), -1)
        return Consumer(self._systems[name].covariance, self._weights[name], torch.from_numpy(np.sort(rows, axis=1)))

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
        small = self.traced.slice(self.model, kept)
        modules = dict(small.named_modules())
        with torch.no_grad():
            for name in self._systems:
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
        weight, offset = self._systems[name].refit(features)
        bias = module.bias
        return weight, offset + bias.detach().double() if isinstance(bias, Tensor) else offset

    def _input(self, layer: str) -> SliceAxis | None:
        return self._axes.get((f"{layer}.weight", 1))

    def _output(self, layer: str) -> SliceAxis | None:
        return self._axes.get((f"{layer}.weight", 0))


def _comparable(small: Block, dense: Block | None, kept_outputs: Mapping[str, Tensor]) -> bool:
    """Whether it is known which of the dense block's outputs the small one still gives."""
    if dense is None or small.made == dense.made:
        return dense is not None
    kept = kept_outputs.get(small.layers[-1])
    return kept is not None and small.made == (len(kept), *dense.made[1:])


def _room_for(weights: Iterable[Tensor]) -> int:
    """How many of `weights`, of average size, the cache holds."""
    sizes = [w.numel() * w.element_size() for w in weights]
    return max(1, _CACHE_BYTES * len(sizes) // sum(sizes)) if sizes else 1


def _features_of(channels: IntArray, per_channel: int) -> IntArray:
    """Feature numbers [..., per_channel] of input channels [...]."""
    return channels[..., None] * per_channel + np.arange(per_channel)
