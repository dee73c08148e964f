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
from autoprune.criteria.criterion import Need, find_criterion, needs_of
from autoprune.criteria.evidence import Consumer, Evidence
from autoprune.criteria.ranking import Ranking
from autoprune.errors import BadInput
from autoprune.pruning.blocks import Block, find_blocks
from autoprune.pruning.evidence import Images, gather_evidence
from autoprune.pruning.features import is_linear_map, taps, weight_matrix
from autoprune.pruning.learning import Steps
from autoprune.pruning.places import Place
from autoprune.pruning.reconstruction import OnBlock, reconstruct, reconstruct_together
from autoprune.pruning.refit import System, running_mean, set_offset
from autoprune.pruning.sequential import Effort, SequentialRefit
from autoprune.pruning.statistics import gather
from autoprune.space import Policy, SearchSpace
from autoprune.spec import DEFAULT_CRITERION, ReconstructionSpec
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

    Moments are gathered from `calibration` inputs [N, ...] once; each group's channels are ranked
    once, when a policy first cuts it, by `criterion`, which may ask for the classes `labels` [N] of
    these inputs. The pruner works on a copy of the model in eval mode; the model is never changed.
    Raises `BadInput` for a criterion that there is not, or that needs labels where there are none.
    """

    def __init__(
        self,
        model: nn.Module,
        traced: Traced,
        calibration: Tensor,
        *,
        labels: Tensor | None = None,
        criterion: str = DEFAULT_CRITERION,
        seed: int = 0,
    ) -> None:
        self.criterion = find_criterion(criterion)
        if Need.LABELS in self.criterion.needs and labels is None:
            raise BadInput(f"criterion {criterion} needs labels; give the task's, or another --criterion")
        self.model, self.traced = copy.deepcopy(model).eval(), traced
        self._calibration, self._labels, self._seed = calibration, labels, seed
        self._modules, self._parameters = dict(self.model.named_modules()), dict(self.model.named_parameters())
        self._axes = {(a.parameter, a.axis): a for a in traced.axes}
        self._linear = tuple(n for n in traced.order if is_linear_map(self._modules[n]))
        consumers = [n for n in self._linear if self._input(n) is not None]
        self._weights = {n: weight_matrix(self._modules[n]) for n in consumers}
        moments = gather(self.model, consumers, calibration, seed=seed)
        self._systems = {n: System.of(of_layer, self._weights[n]) for n, of_layer in moments.items()}
        self._rankings: dict[int, Ranking] = {}
        self._refitted = lru_cache(maxsize=_room_for(self._weights.values()))(self._refit)

    @property
    def ranking(self) -> tuple[Ranking, ...]:
        """The ranking of every group."""
        return tuple(self._ranked(group) for group in range(len(self.traced.space)))

    def rank(self, space: SearchSpace) -> None:
        """Rank the groups of which `space` offers more than the dense width, before they are asked for.

        Raises `BadInput` where the criterion has no answer for one of them.
        """
        self.damages(space)

    def kept(self, policy: Policy) -> tuple[IntArray, ...]:
        """Unit indices that each group keeps, ascending: the last in its ranking."""
        self.traced.space.check(policy)
        return tuple(self._kept(group, width) for group, width in enumerate(policy.widths))

    def damages(self, space: SearchSpace) -> tuple[FloatArray, ...]:
        """For each group of `space` what cutting it to each width that it offers damages: see `Ranking`."""
        return tuple(
            np.zeros(1)
            if group.widths == (group.width,)
            else self._ranked(g).damage[[(group.width - width) // group.unit for width in group.widths]]
            for g, group in enumerate(space.groups)
        )

    def evidence(self, needs: Need) -> tuple[Evidence, ...]:
        """What criteria with these `needs` may know of each group, gathered anew in one pass."""
        images = Images(self._calibration, self._labels)
        consumers = [self._consumers(group) for group in range(len(self.traced.space))]
        return gather_evidence(self.model, self.traced, images, needs, consumers, seed=self._seed)

    def ranked_by(self, criterion: str, evidence: Sequence[Evidence]) -> Pruner:
        """A pruner with the same statistics whose groups are ranked by another criterion, from this evidence."""
        other = copy.copy(self)
        other.criterion, other._rankings = find_criterion(criterion), {}
        other.__dict__["_evidence"] = tuple(evidence)
        return other

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

    @cached_property
    def _evidence(self) -> tuple[Evidence, ...]:
        return self.evidence(needs_of([self.criterion]))

    def _ranked(self, group: int) -> Ranking:
        if group not in self._rankings:
            self._rankings[group] = self.criterion.rank(self._evidence[group])
        if len(self._rankings) == len(self.traced.space):
            self.__dict__.pop("_evidence", None)  # as large as the weights, and never asked again
        return self._rankings[group]

    def _kept(self, group: int, width: int) -> IntArray:
        units, kept = self.traced.units[group], width // self.traced.space.groups[group].unit
        return np.arange(units) if kept == units else np.sort(self._ranked(group).order[units - kept :])

    def _consumers(self, group: int) -> list[tuple[str, Consumer]]:
        """The layers that read the group and can be refitted, by name."""
        return [(name, found) for name in self._systems if (found := self._consumer(name, group))]

    def _consumer(self, name: str, group: int) -> Consumer | None:
        axis = self._input(name)
        place = None if axis is None else Place.of(axis, group, self.traced.units[group])
        if place is None:
            return None
        rows = _features_of(place.positions, taps(self._modules[name])).reshape(len(place.positions), -1)
        return Consumer(self._systems[name].covariance, self._weights[name], torch.from_numpy(rows))

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
