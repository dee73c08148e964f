"""Counting: MACs, parameters and live activation bytes of a traced network, as functions of the policy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autoprune.cost import CountPlan, Extent, Volume
from autoprune.tracing.groups import Membership
from autoprune.tracing.labels import varying
from autoprune.tracing.tape import Operation, Tape, TensorInfo

FLOAT_BYTES = 4  # what is deployed is float32, whatever dtype was traced


def count(tape: Tape, membership: Membership, parameters: Mapping[str, tuple[int, ...]]) -> CountPlan:
    """The counting plan of a tape; `parameters` are the shapes of what is stored (buffers are not)."""
    counter = _Counter(tape, membership)
    tensors, live = counter.memory()
    return CountPlan(
        macs=tuple(v for op in tape.operations if (v := counter.macs(op))),
        params=tuple(counter.parameter(name, shape) for name, shape in parameters.items()),
        tensors=tensors,
        live=live,
    )


class _Counter:
    def __init__(self, tape: Tape, membership: Membership) -> None:
        self._tape, self._membership = tape, membership

    def macs(self, op: Operation) -> Volume | None:
        if op.contraction is None:
            return None
        contraction, out = op.contraction, op.made[0]
        extents = self._extents(out)
        if contraction.inner is not None:
            extents = (*extents, self._membership.extent(self._tape.labels.find(contraction.inner)))
        return Volume(op.module, contraction.factor * _constant(out) // contraction.divisor, extents)

    def parameter(self, name: str, shape: tuple[int, ...]) -> Volume:
        axes = self._tape.axes.get(name, {})
        extents = tuple(self._membership.extent(self._tape.labels.find(own)) for own in axes.values())
        rest = int(np.prod([size for axis, size in enumerate(shape) if axis not in axes], dtype=np.int64))
        return Volume(name, rest, extents)

    def memory(self) -> tuple[tuple[Volume, ...], tuple[tuple[int, ...], ...]]:
        """Bytes of each storage, and for each operator the storages alive while it runs."""
        operations = self._tape.operations
        storages: dict[int, TensorInfo] = {}
        last: dict[int, int] = {}
        first: dict[int, int] = {}
        for step, op in enumerate(operations):
            for info in op.made:
                known = storages.setdefault(info.storage, info)
                if np.prod(info.shape) > np.prod(known.shape):
                    storages[info.storage] = info
                first.setdefault(info.storage, step)
                last.setdefault(info.storage, step)
            for storage in op.reads:
                if any(info.storage != storage for info in op.made) or not op.made:  # a view reads nothing
                    last[storage] = step
        last.update(dict.fromkeys(self._tape.output_storages & storages.keys(), len(operations)))
        # What nobody reads (the places of a pool's maxima, a norm's statistics) no runtime makes.
        storages = {s: info for s, info in storages.items() if last[s] > first[s]}
        index = {storage: i for i, storage in enumerate(storages)}
        volumes = tuple(Volume("", FLOAT_BYTES * _constant(t), self._extents(t)) for t in storages.values())
        live = []
        for step, op in enumerate(operations):
            alive = {s for s in storages if first[s] <= step <= last[s]}
            if op.overwrites and op.made:  # the result takes the place of an input that dies here
                alive -= {s for s in op.reads if last.get(s) == step and first.get(s, step) < step}
            live.append(tuple(sorted(index[s] for s in alive)))
        return volumes, tuple(live)

    def _extents(self, info: TensorInfo) -> tuple[Extent, ...]:
        return tuple(self._membership.extent(self._tape.labels.find(layer)) for layer in info.layers)


def _constant(info: TensorInfo) -> int:
    """Elements of a tensor along the axes that carry no labels."""
    labelled = {axis for layer in info.layers for axis in varying(layer)}
    return int(np.prod([size for axis, size in enumerate(info.shape) if axis not in labelled], dtype=np.int64))
