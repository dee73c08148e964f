"""Operators that move elements: views, slices, splits, concatenations, look-ups. Labels move along."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from autoprune.tracing.labels import LabelArray, compressed, nonempty, on_axis, varying
from autoprune.tracing.rules.paddings import with_constants
from autoprune.tracing.rules.pointwise import combine
from autoprune.tracing.tape import Call, Recorder


def move(recorder: Recorder, call: Call) -> None:
    """Views, permutations, copies: run the same operator on the labels."""
    source = call.args[0]
    recorder.set_origin(call.results[0], recorder.origin(source))
    if recorder.constant(source) is not None:
        recorder.set_constant(call.results[0])
    layers = [_moved(call, source, layer) for layer in recorder.layers(source)]
    kept = [_couple_split(recorder, layer, before) for layer, before in layers]
    recorder.set_layers(call.results[0], nonempty(kept))


def _moved(call: Call, source: Tensor, layer: LabelArray) -> tuple[LabelArray, LabelArray]:
    full = torch.from_numpy(np.broadcast_to(layer, tuple(source.shape)).copy())
    kwargs = {k: v for k, v in call.kwargs.items() if k not in ("dtype", "layout", "device", "pin_memory")}
    moved = call.func(full, *call.args[1:], **kwargs)
    return compressed(moved.contiguous().numpy()), layer


def _couple_split(recorder: Recorder, layer: LabelArray, before: LabelArray) -> LabelArray:
    """An axis split into several keeps its form only if all parts lose the same positions."""
    labels = recorder.tape.labels
    axes = varying(layer)
    if len(axes) > len(varying(before)):
        first = layer
        for axis in axes[:-1]:
            first = first.take([0], axis=axis)
        labels.unify(layer, first, f"{recorder.place} splits their axis into parts of which one cannot lose channels")
        layer = compressed(labels.find(layer))
    return layer


def along(recorder: Recorder, call: Call) -> None:
    """Slices, selections, rolls: like `move`, but positions along their axis are told by number in the model's code."""
    source = call.args[0]
    axis = int(call.argument("dim", 0)) % source.ndim
    if call.results[0].shape != source.shape or call.name == "roll":
        rolled = [d % source.ndim for d in call.argument("dims", [])] if call.name == "roll" else [axis]
        for layer in recorder.layers(source):
            if set(rolled) & set(varying(layer)):
                recorder.tape.labels.fix(layer, f"{recorder.place} picks some of them by number ({call.name})")
    move(recorder, call)


def split(recorder: Recorder, call: Call) -> None:
    """Equal chunks: each loses the same positions, so that the model's own chunking still fits."""
    source, parts = call.args[0], call.results
    axis = int(call.argument("dim", 0)) % source.ndim
    equal = call.name != "split_with_sizes" and len({p.shape[axis] for p in parts}) == 1
    for layer in recorder.layers(source):
        if axis in varying(layer):
            pieces = np.split(layer, np.cumsum([p.shape[axis] for p in parts])[:-1], axis=axis)
            if equal:
                for piece in pieces[1:]:
                    reason = f"{recorder.place} splits their axis into parts of which one cannot lose channels"
                    recorder.tape.labels.unify(piece, pieces[0], reason)
            else:
                recorder.tape.labels.fix(layer, f"{recorder.place} splits their axis at fixed places")
    offset = 0
    for part in parts:
        size = part.shape[axis]
        pieces_of = [
            compressed(layer.take(range(offset, offset + size), axis=axis)) if layer.shape[axis] > 1 else layer
            for layer in recorder.layers(source)
        ]
        recorder.set_layers(part, nonempty(pieces_of))
        recorder.set_origin(part, recorder.origin(source))
        offset += size


def concatenate(recorder: Recorder, call: Call) -> None:
    """Labels are concatenated like the tensors."""
    tensors = [t for t in call.args[0] if t.numel()]
    axis = int(call.argument("dim", 0)) % call.results[0].ndim
    if with_constants(recorder, call, axis):
        return
    others: list[tuple[Tensor, LabelArray]] = []
    along_axis: list[LabelArray] = []
    for tensor in tensors:
        own = np.zeros(_one_axis(tensor, axis), dtype=np.int64)
        for layer in recorder.layers(tensor):
            if varying(layer) == (axis,) or (tensor.shape[axis] == 1 and not varying(layer)):
                own = layer
            elif axis in varying(layer):
                recorder.tape.labels.fix(layer, f"{recorder.place} concatenates them along two axes at once")
            else:
                others.append((tensor, layer))
        along_axis.append(np.broadcast_to(own, _one_axis(tensor, axis)))
    joined = np.concatenate(along_axis, axis=axis)
    reason = f"{recorder.place} concatenates them with something that has no channels there"
    result = combine(recorder, [(t.shape, [layer for s, layer in others if s is t]) for t in tensors], reason)
    recorder.set_layers(call.results[0], nonempty([*result, joined]))


def _one_axis(tensor: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(size if a == axis else 1 for a, size in enumerate(tensor.shape))


def embedding(recorder: Recorder, call: Call) -> None:
    """Rows of a table: its first axis is fixed, its second the channels."""
    weight, out = call.args[0], call.results[0]
    recorder.tape.labels.fix(recorder.channels(weight, 0), f"{recorder.place} looks rows up by number")
    recorder.set_layers(out, nonempty([on_axis(recorder.channels(weight, 1), out.ndim - 1, out.ndim)]))
