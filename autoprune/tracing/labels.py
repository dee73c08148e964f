"""Channel labels: which positions of which tensor axes must be kept or removed together.

Every position of every parameter axis starts with a label of its own; each operator that runs
says which labels are the same. Label 0 means "no channel here". A class of labels can be fixed,
with the reason in words; whatever is later found equal to it is fixed too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LabelArray = NDArray[np.int64]

NO_LABEL = 0


class Labels:
    """Union-find over labels, vectorised; classes may be fixed for a reason."""

    def __init__(self) -> None:
        self._parent = np.zeros(1, dtype=np.int64)
        self._reason: dict[int, str] = {}

    def fresh(self, n: int) -> LabelArray:
        """`n` new labels, shape [n], each a class of its own."""
        start = len(self._parent)
        new = np.arange(start, start + n, dtype=np.int64)
        self._parent = np.concatenate([self._parent, new])
        return new

    def find(self, labels: LabelArray) -> LabelArray:
        """The class of each label (same shape); `NO_LABEL` stays as it is."""
        roots = self._parent[labels]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parent[labels] = roots
        return roots

    def unify(self, a: LabelArray, b: LabelArray, reason: str) -> None:
        """Make `a` and `b` (broadcast against each other) the same; where one is `NO_LABEL`, fix the other."""
        left, right = np.broadcast_arrays(self.find(a), self.find(b))
        pairs = np.unique(np.stack([left.ravel(), right.ravel()]), axis=1)
        for x, y in pairs.T.tolist():
            if x == NO_LABEL or y == NO_LABEL:
                self._fix(x or y, reason)
            else:
                self._union(x, y)

    def fix(self, labels: LabelArray, reason: str) -> None:
        """No label of `labels` may be removed, for `reason`; the first reason given stays."""
        for label in np.unique(self.find(labels)).tolist():
            self._fix(label, reason)

    def reason(self, label: int) -> str | None:
        """Why this label's class is fixed; None where it is free."""
        return self._reason.get(self._root(label))

    def _root(self, label: int) -> int:
        while self._parent[label] != label:
            label = int(self._parent[label])
        return label

    def _fix(self, label: int, reason: str) -> None:
        if label != NO_LABEL:
            self._reason.setdefault(self._root(label), reason)

    def _union(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a == b:
            return
        low, high = min(a, b), max(a, b)
        self._parent[high] = low
        if high in self._reason:
            self._reason.setdefault(low, self._reason.pop(high))


# A tensor's labels are a tuple of layers: int arrays of the tensor's rank whose axes have length 1
# (the label does not vary there) or the tensor's. Two layers of a tensor never vary on one axis.
Layers = tuple[LabelArray, ...]


def varying(layer: NDArray[Any]) -> tuple[int, ...]:
    """The axes along which a layer's labels differ."""
    return tuple(axis for axis, size in enumerate(layer.shape) if size > 1)


def aligned(layer: LabelArray, rank: int) -> LabelArray:
    """`layer` with axes of length 1 put in front, as broadcasting does, up to `rank` axes."""
    return layer.reshape((1,) * (rank - layer.ndim) + layer.shape)


def on_axis(labels: LabelArray, axis: int, rank: int) -> LabelArray:
    """A layer of `rank` axes whose labels [size] run along one axis."""
    return labels.reshape([-1 if a == axis else 1 for a in range(rank)])


def nonempty(layers: Sequence[LabelArray]) -> Layers:
    """The layers that hold a label at all."""
    return tuple(layer for layer in layers if layer.any())


def compressed(full: LabelArray) -> LabelArray:
    """Shrink to length 1 each axis along which the labels do not vary."""
    for axis in range(full.ndim):
        first = full.take([0], axis=axis)
        if full.shape[axis] > 1 and (full == first).all():
            full = first
    return full
