"""Size on disk: the bytes of a network's ONNX file, for any policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from autoprune.cost import CostModel, CountPlan, Metric, Volume
from autoprune.deploy.onnx_file.export import onnx_bytes
from autoprune.tracing import Traced
from autoprune.tracing.counts import FLOAT_BYTES


def with_file_size(counts: CountPlan, model: nn.Module, traced: Traced, example: Tensor) -> CountPlan:
    """`counts` with the bytes that the ONNX file of any policy takes.

    The weights are counted as the exporter stores them. The rest of a file is the graph, which is
    the same for every policy but for a few digits: it is what the file of a network that was sliced
    but keeps everything, exported here for inputs like `example`, holds beside its weights.
    """
    weights = replace(counts, stored=tuple(_weights(counts, model, traced)))
    counted = CostModel(traced.space, weights).cost(traced.space.dense()).of(Metric.SIZE)
    whole = traced.slice(model, [np.arange(units) for units in traced.units])
    graph = Volume("graph", len(onnx_bytes(whole, example)) - round(counted), ())
    return replace(weights, stored=(*weights.stored, graph))


def _weights(counts: CountPlan, model: nn.Module, traced: Traced) -> Iterator[Volume]:
    """Bytes of what is stored of each parameter, and of the statistics of batch norms that stay operators.

    The exporter makes a batch norm behind a layer part of that layer: its scale goes into the
    weight, and all else of it into one bias, the layer's own where it has one.
    """
    layer_of = {norm: layer for layer, norm in traced.norm_after.items()}
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    for volume in counts.params:
        owner, _, kind = volume.layer.rpartition(".")
        if owner in layer_of and (kind == "weight" or f"{layer_of[owner]}.bias" in parameters):
            continue
        has_statistics = owner not in layer_of and kind == "weight" and f"{owner}.running_mean" in buffers
        yield replace(volume, factor=(3 if has_statistics else 1) * FLOAT_BYTES * volume.factor)
