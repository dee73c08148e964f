"""Products: convolutions, matrix products and attention, which sum over channels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from autoprune.tracing.labels import LabelArray, aligned, nonempty, on_axis, varying
from autoprune.tracing.rules.pointwise import combine
from autoprune.tracing.tape import Call, Contraction, Recorder

INPUT_REASON = "they come from the network's input, or from something without channels"


def convolution(recorder: Recorder, call: Call) -> Contraction:
    """A convolution: dense, depthwise, grouped or transposed."""
    x, weight, bias = call.args[0], call.args[1], call.args[2]
    groups, transposed = int(call.argument("groups", 1)), bool(call.argument("transposed", False))
    labels, out = recorder.tape.labels, call.results[0]
    for axis in range(x.ndim):
        if axis != 1:
            labels.fix(recorder.channels(x, axis), f"{recorder.place} convolves over them")
    for axis in range(2, weight.ndim):
        labels.fix(recorder.channels(weight, axis), f"{recorder.place} convolves over them")
    incoming = recorder.channels(x, 1)
    rows, columns = (1, 0) if transposed else (0, 1)
    produced, consumed = recorder.channels(weight, rows), recorder.channels(weight, columns)
    if is_depthwise(call):
        labels.unify(np.repeat(incoming, out.shape[1] // groups), produced, INPUT_REASON)
    elif groups == 1:
        labels.unify(incoming, consumed, INPUT_REASON)
        recorder.contract(weight, consumed)
    elif not transposed:
        _grouped(recorder, incoming, consumed, produced, groups)
        recorder.contract(weight, consumed)
    else:
        recorder.fix([x, weight], f"{recorder.place} is a grouped transposed convolution")
        recorder.contract(weight, consumed)
        produced = np.tile(produced, groups)
    if bias is not None:
        labels.unify(recorder.channels(bias, 0), produced, f"{recorder.place} adds a bias to them")
    recorder.set_layers(out, nonempty([on_axis(produced, 1, out.ndim)]))
    return _work(call, consumed)


def is_depthwise(call: Call) -> bool:
    """Whether each output channel of the convolution reads one input channel."""
    groups, transposed = int(call.argument("groups", 1)), bool(call.argument("transposed", False))
    return groups > 1 and not transposed and call.args[1].shape[1] == 1


def _work(call: Call, consumed: LabelArray) -> Contraction:
    """What a convolution multiplies; `consumed` are the labels of its weight's input channels."""
    x, weight, out = call.args[0], call.args[1], call.results[0]
    groups, transposed = int(call.argument("groups", 1)), bool(call.argument("transposed", False))
    depthwise = is_depthwise(call)
    inner = None if depthwise or (transposed and groups > 1) else consumed
    taps = int(np.prod(weight.shape[2:], dtype=np.int64)) * (1 if inner is not None else len(consumed))
    # A transposed convolution multiplies at each position of its input, a plain one at each of its output.
    places, made = (int(np.prod(t.shape[2:], dtype=np.int64)) for t in (x, out))
    return Contraction(
        read=tuple(x.shape),
        inner=inner,
        factor=taps * places if transposed else taps,
        divisor=made * (groups if inner is None else 1) if transposed else 1,
        stride=int(call.argument("stride", [1])[0]),
        kernel=int(weight.shape[2]) if weight.ndim > 2 else 1,
        depthwise=depthwise,
    )


def _grouped(recorder: Recorder, incoming: LabelArray, consumed: LabelArray, produced: LabelArray, groups: int) -> None:
    """Each convolution group loses the same positions, so that the groups stay equally wide."""
    labels, reason = recorder.tape.labels, f"{recorder.place} is a grouped convolution over them"
    per_group = incoming.reshape(groups, -1)
    labels.unify(per_group, per_group[:1], reason)
    labels.unify(per_group[0], consumed, INPUT_REASON)
    rows = produced.reshape(groups, -1)
    labels.unify(rows, rows[:1], reason)


def matmul(recorder: Recorder, call: Call) -> Contraction:
    """mm, bmm and addmm: the last axis of one against the last but one of the other."""
    *bias, a, b = call.args[: 3 if call.name in ("addmm", "baddbmm") else 2]
    return _product(recorder, call, a, b, -2, -1, bias[0] if bias else None)


def linear(recorder: Recorder, call: Call) -> Contraction:
    """`linear`, where it arrives whole: x [..., in] against weight [out, in]."""
    return _product(recorder, call, call.args[0], call.args[1], -1, -2, call.argument("bias"))


def _product(
    recorder: Recorder, call: Call, a: Tensor, b: Tensor, inner_axis: int, outer_axis: int, bias: Tensor | None
) -> Contraction:
    labels, out = recorder.tape.labels, call.results[0]
    left, right = recorder.channels(a, -1), recorder.channels(b, inner_axis)
    labels.unify(left, right, INPUT_REASON)
    if recorder.origin(a) is None and recorder.origin(b) is None:
        labels.fix(right, f"{recorder.place} multiplies them with other activations, as attention does")
    recorder.contract(b, right)
    recorder.contract(a, left)
    made = [on_axis(recorder.channels(b, outer_axis), out.ndim - 1, out.ndim)]
    for layer in recorder.layers(a):  # rows of `a` are rows of the product
        if a.ndim - 1 not in varying(layer) and varying(layer):
            made.append(layer)
    for layer in recorder.layers(b):
        if set(varying(layer)) - {(inner_axis % b.ndim), (outer_axis % b.ndim)}:
            labels.fix(layer, f"{recorder.place} multiplies batches of them")
    if bias is not None:
        own = [aligned(v, out.ndim) for v in recorder.layers(bias)]
        shape = (1,) * (out.ndim - bias.ndim) + tuple(bias.shape)
        made = combine(recorder, [(out.shape, nonempty(made)), (shape, own)], f"{recorder.place} adds a bias")
    recorder.set_layers(out, nonempty(made))
    labelled = bool(right.any())
    return Contraction(tuple(a.shape), inner=right if labelled else None, factor=1 if labelled else a.shape[-1])


def attention(recorder: Recorder, call: Call) -> Contraction:
    """Fused attention: softmax(Q K^T) V with Q [..., L, E], K [..., S, E], V [..., S, D]; heads stay whole."""
    query, key, value = call.args[:3]
    recorder.fix([query, key, value], f"{recorder.place} computes attention with them, whose heads stay whole")
    depth, places, width = query.shape[-1], key.shape[-2], value.shape[-1]
    return Contraction(tuple(query.shape), inner=None, factor=places * (depth + width), divisor=width)
