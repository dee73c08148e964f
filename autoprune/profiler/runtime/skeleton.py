"""A network without its weights: what has to be known to time it; free of torch and onnx."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprune.profiler.runtime.protobuf import FLOATS, with_initializers

_SPARE = 7919  # weights start at different places of the drawn numbers, so that none repeat another's


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of weights that a skeleton lacks: `kind` is ONNX's number of its element type."""

    name: str
    kind: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A serialised ONNX model without its weights, and what these are."""

    model: bytes
    weights: tuple[Weight, ...]

    def filled(self) -> bytes:
        """The model with weights drawn at random: a time does not depend on their values, if these are ordinary ones.

        Matrices and filters are normal with the variance that keeps signals alive (He et al., ICCV
        2015: 2 / fan-in); vectors lie in [0.5, 1), so that a variance is never negative. The same
        skeleton gives the same bytes.
        """
        return with_initializers(
            self.model, [(weight.name, _drawn(weight, i)) for i, weight in enumerate(self.weights)]
        )


def _drawn(weight: Weight, place: int) -> NDArray[np.floating[Any]]:
    count = math.prod(weight.shape)
    values: NDArray[np.floating[Any]]
    if len(weight.shape) < 2:
        values = 0.75 + 0.25 * np.sin(np.arange(count) + place)
    else:
        fan_in = math.prod(weight.shape[1:])
        values = np.resize(_normal(place), count) * math.sqrt(2 / max(1, fan_in))
    return np.asarray(values.astype(FLOATS[weight.kind]).reshape(weight.shape))


_NORMAL = np.random.default_rng(0).standard_normal(1 << 16).astype(np.float32)


def _normal(place: int) -> NDArray[np.float32]:
    return np.roll(_NORMAL, place * _SPARE)
