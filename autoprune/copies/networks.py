"""From pruned torch modules to ONNX networks that can be timed; the only module of this room that imports torch."""

from __future__ import annotations

import copy
import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor, nn

from autoprune.copies.family import NetworkFamily, NotAFamily, make_family, skeleton_of
from autoprune.cost import Extent
from autoprune.errors import AutopruneError, BadInput
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.plan.blueprint import Blueprint, Networks, units_of
from autoprune.profiler.plan.extents import lengths, single_groups, telling_apart
from autoprune.profiler.runtime.skeleton import Skeleton
from autoprune.space import Policy, SearchSpace

Build = Callable[[Policy], nn.Module]

_EXPORTER_LOG = "torch.onnx._internal.exporter._registration"
_DRAWS = 100


@contextmanager
def _muted(name: str) -> Iterator[None]:
    """Let the logger `name` say errors only: the exporter warns of each optional library that is not installed."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def export_model(module: nn.Module, example: Tensor) -> ModelProto:
    """`module` in evaluation mode as an ONNX model with the fixed input shape of `example`; `module` is not changed.

    Raises `BadInput` where torch.export cannot follow the module.
    """
    frozen = copy.deepcopy(module).cpu().eval()
    try:
        with warnings.catch_warnings(), _muted(_EXPORTER_LOG):
            warnings.simplefilter("ignore")  # deprecations inside the exporter, none of them the user's
            program = torch.onnx.export(frozen, (example.cpu(),), dynamo=True, verbose=False)
    except Exception as error:  # whatever the module's own code raises while it is followed
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BadInput(f"{type(module).__name__} cannot be exported to ONNX: {first}") from error
    if program is None:
        raise AutopruneError("torch.onnx.export returned no program; it needs torch 2.6 or later")
    return program.model_proto


class Copies(Networks, Protocol):
    """Networks that can also be had without their weights."""

    def skeleton(self, policy: Policy) -> Skeleton:
        """The network of `policy` without its weights; raises `BadInput` for an illegal policy."""
        ...


def networks(
    build: Build,
    space: SearchSpace,
    shape: Sequence[int],
    *,
    name: str = "network",
    digest: str = "",
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> Copies:
    """A function from policies to ONNX networks, exact in structure: policy -> bytes of a model.

    `build` gives the pruned module of a policy (its weights' values do not matter), `shape` is the
    input's, the batch first; `name` and `digest` go into the blueprint. Where all copies can be
    made from four or five exports, they are (`NetworkFamily`, milliseconds a network); otherwise
    each is exported (seconds a network), and `on_progress` (a message, a fraction done) is told why.
    """

    def blueprint(candidates: Sequence[Extent]) -> Blueprint:
        return Blueprint(name, digest, tuple(shape), space, tuple(candidates))

    try:
        return _family(build, blueprint(_candidates(build, space)), seed, on_progress)
    except NotAFamily as reason:
        on_progress(f"every network is exported by itself: {reason}", 1.0)
        plain = single_groups([group.unit for group in space.groups])
        return ExportedNetworks(blueprint(plain), build)


@dataclass(frozen=True)
class ExportedNetworks:
    """Networks of which each is exported by itself."""

    blueprint: Blueprint
    build: Build
    _exported: dict[Policy, Skeleton] = field(default_factory=dict)

    def __call__(self, policy: Policy) -> bytes:
        """The network of `policy` as a serialised ONNX model; raises `BadInput` for an illegal policy."""
        return self.skeleton(policy).filled()

    def skeleton(self, policy: Policy) -> Skeleton:
        """The network of `policy` without its weights; raises `BadInput` for an illegal policy."""
        self.blueprint.space.check(policy)
        if policy not in self._exported:
            example = torch.randn(*self.blueprint.input_shape)
            self._exported[policy] = skeleton_of(export_model(_generic(self.build(policy)), example))
        return self._exported[policy]


def _family(build: Build, blueprint: Blueprint, seed: int, tell: OnProgress) -> NetworkFamily:
    policies = _telling_policies(blueprint.space, blueprint.candidates, seed)
    example = torch.randn(*blueprint.input_shape)
    exports = []
    for done, policy in enumerate(policies):
        tell("exporting sample networks", done / len(policies))
        exports.append(export_model(_generic(build(policy)), example))
    return make_family(blueprint, policies, exports)


def _candidates(build: Build, space: SearchSpace) -> list[Extent]:
    """The distinct extents of the parameters' axes, found by pruning one group at a time, and each group's own."""
    dense = units_of(space, space.dense())
    base = _axes(build(space.dense()))
    changes: dict[str, list[tuple[int, int]]] = {name: [] for name in base}
    for index, group in enumerate(space.groups):
        if dense[index] < 2:
            continue
        widths = list(space.dense().widths)
        widths[index] -= group.unit
        pruned = _axes(build(Policy(tuple(widths))))
        if pruned.keys() != base.keys():
            raise NotAFamily(f"pruning {group.name} changes which parameters there are")
        for name, length in pruned.items():
            if length != base[name]:
                changes[name].append((index, base[name] - length))
    extents = [
        Extent(base[name] - sum(positions * dense[group] for group, positions in terms), tuple(terms))
        for name, terms in changes.items()
        if terms
    ]
    return list(dict.fromkeys([*single_groups([group.unit for group in space.groups]), *extents]))


def _axes(module: nn.Module) -> dict[str, int]:
    return {f"{name}[{axis}]": n for name, tensor in _tensors(module).items() for axis, n in enumerate(tensor.shape)}


def _tensors(module: nn.Module) -> Mapping[str, Tensor]:
    return dict(itertools.chain(module.named_parameters(), module.named_buffers()))


def _telling_policies(space: SearchSpace, candidates: Sequence[Extent], seed: int) -> list[Policy]:
    """The dense policy and as few random ones as tell all candidates apart, and one more to be held out."""
    rng = np.random.default_rng(seed)
    dense = np.array(units_of(space, space.dense()), dtype=np.int64)
    least = np.maximum(1, dense // 3)
    sizes = np.array([group.unit for group in space.groups], dtype=np.int64)
    for samples in range(3, 9):
        for _ in range(_DRAWS):
            drawn = rng.integers(least, dense + 1, size=(samples, len(dense)))
            drawn[0] = dense
            if telling_apart([c for c in candidates if _varies(c, dense)], drawn):
                held_out = rng.integers(least, dense + 1)
                return [Policy(tuple(map(int, row * sizes))) for row in (*drawn, held_out)]
    raise NotAFamily("no few policies tell its channel groups apart")


def _varies(extent: Extent, dense: np.ndarray) -> bool:
    """Whether the extent takes another value than the dense one under some policy."""
    return int(lengths(extent, np.ones_like(dense)[None])[0]) != int(lengths(extent, dense[None])[0])


def _generic(module: nn.Module) -> nn.Module:
    """`module` with tensors of which none is constant: exporters fold zeros and ones away, trained ones stay.

    A bias of zeros would vanish from the graph, and with it an input of every convolution; variances
    of ones would be stored once for all batch norms that happen to be equally wide.
    """
    generator = torch.Generator().manual_seed(0)
    changed = copy.deepcopy(module).cpu()
    norms = [name for name, child in changed.named_modules() if hasattr(child, "running_mean")]
    statistics = {f"{name}.{kind}" for name in norms for kind in ("running_mean", "running_var")}
    with torch.no_grad():
        for name, tensor in _tensors(changed).items():
            if not tensor.is_floating_point() or not tensor.numel():
                continue
            if (isinstance(tensor, nn.Parameter) or name in statistics) and bool((tensor == tensor.flatten()[0]).all()):
                tensor += 0.01 + 0.01 * torch.rand(tensor.shape, generator=generator)
    return changed
