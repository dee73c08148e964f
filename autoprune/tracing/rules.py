"""What each ATen operator means for channel labels.

Four kinds: operators that move elements (the labels move along), elementwise ones (labels of the
operands are the same), contractions (labels that are summed over are the same in both operands),
and reductions or norms. Everything else fixes the channels it reads: unknown never means wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from autoprune.tracing.labels import NO_LABEL, LabelArray, Layers, aligned, compressed, varying
from autoprune.tracing.tape import Call, Contraction, Recorder

Rule = Callable[[Recorder, Call], Contraction | None]


def apply_rule(recorder: Recorder, call: Call) -> Contraction | None:
    """Pass labels through one operator; returns what it summed over, if it is a contraction."""
    return RULES.get(call.name, unknown)(recorder, call)


def where(recorder: Recorder) -> str:
    """The running module, for a reason's text."""
    return f"module {recorder.module!r}" if recorder.module else "the model itself"


def fix_all(recorder: Recorder, tensors: Sequence[Tensor], reason: str) -> None:
    """Fix every label of `tensors`."""
    for tensor in tensors:
        for layer in recorder.layers(tensor):
            recorder.tape.labels.fix(layer, reason)


def unknown(recorder: Recorder, call: Call) -> None:
    """An operator without a rule: its channels stay as they are."""
    fix_all(recorder, call.tensors, f"{where(recorder)} runs {call.name}, which needs all of them")


# Elements move, labels move along.


def move(recorder: Recorder, call: Call) -> None:
    """Views, permutations, copies: run the same operator on the labels."""
    source = call.args[0]
    recorder.set_origin(call.results[0], recorder.origin(source))
    layers = [_moved(call, source, layer) for layer in recorder.layers(source)]
    kept = [_couple_split(recorder, layer, before) for layer, before in layers]
    recorder.set_layers(call.results[0], _nonempty(kept))


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
        labels.unify(layer, first, f"{where(recorder)} splits their axis")
        layer = compressed(labels.find(layer))
    return layer


def _nonempty(layers: Sequence[LabelArray]) -> Layers:
    return tuple(layer for layer in layers if layer.any())


def along(recorder: Recorder, call: Call) -> None:
    """Slices, selections, rolls: like `move`, but positions along their axis are told by number in the model's code."""
    source = call.args[0]
    axis = int(call.argument("dim", 0)) % source.ndim
    if call.results[0].shape != source.shape or call.name == "roll":
        rolled = [d % source.ndim for d in call.argument("dims", [])] if call.name == "roll" else [axis]
        for layer in recorder.layers(source):
            if set(rolled) & set(varying(layer)):
                recorder.tape.labels.fix(layer, f"{where(recorder)} picks some of them by number ({call.name})")
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
                    recorder.tape.labels.unify(piece, pieces[0], f"{where(recorder)} splits their axis")
            else:
                recorder.tape.labels.fix(layer, f"{where(recorder)} splits their axis at fixed places")
    offset = 0
    for part in parts:
        size = part.shape[axis]
        pieces_of = [
            compressed(layer.take(range(offset, offset + size), axis=axis)) if layer.shape[axis] > 1 else layer
            for layer in recorder.layers(source)
        ]
        recorder.set_layers(part, _nonempty(pieces_of))
        recorder.set_origin(part, recorder.origin(source))
        offset += size


def concatenate(recorder: Recorder, call: Call) -> None:
    """Labels are concatenated like the tensors."""
    tensors = [t for t in call.args[0] if t.numel()]
    axis = int(call.argument("dim", 0)) % call.results[0].ndim
    others: list[tuple[Tensor, LabelArray]] = []
    along_axis: list[LabelArray] = []
    for tensor in tensors:
        own = np.zeros(_one_axis(tensor, axis), dtype=np.int64)
        for layer in recorder.layers(tensor):
            if varying(layer) == (axis,) or (tensor.shape[axis] == 1 and not varying(layer)):
                own = layer
            elif axis in varying(layer):
                recorder.tape.labels.fix(layer, f"{where(recorder)} concatenates them along two axes at once")
            else:
                others.append((tensor, layer))
        along_axis.append(np.broadcast_to(own, _one_axis(tensor, axis)))
    joined = np.concatenate(along_axis, axis=axis)
    reason = f"{where(recorder)} concatenates them with something that has no channels there"
    result = _combine(recorder, [(t.shape, [layer for s, layer in others if s is t]) for t in tensors], reason)
    recorder.set_layers(call.results[0], _nonempty([*result, joined]))


def _one_axis(tensor: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(size if a == axis else 1 for a, size in enumerate(tensor.shape))


def pad(recorder: Recorder, call: Call) -> None:
    """Padding of spatial axes; channels that are padded are fixed, as the amount stands in the model's code."""
    source = call.args[0]
    amounts = list(call.args[1])
    padded = {source.ndim - 1 - i // 2 for i, amount in enumerate(amounts) if amount}
    labels, out = recorder.tape.labels, call.results[0]
    layers = []
    for layer in recorder.layers(source):
        axes = varying(layer)
        if padded & set(axes):
            reason = f"{where(recorder)} pads them with a fixed number of zero channels"
            labels.fix(layer, reason)
            if len(axes) == 1:  # so that what is added to them later is fixed for the same reason
                layer = _on_axis(labels.fresh(out.shape[axes[0]]), axes[0], out.ndim)
                labels.fix(layer, reason)
        if not padded & set(axes) or len(axes) == 1:
            layers.append(layer)
    recorder.set_layers(out, _nonempty(layers))


# Elementwise: what is added or multiplied together goes together.


def elementwise(recorder: Recorder, call: Call) -> None:
    """Labels of the operands, broadcast against each other, are the same."""
    call.elementwise = True
    result = call.results[0]
    tensors = [t for t in call.tensors if t.ndim]
    reason = f"{where(recorder)} combines them ({call.name.rstrip('_')}) with something that has no channels there"
    operands = [
        ((1,) * (result.ndim - t.ndim) + tuple(t.shape), [aligned(v, result.ndim) for v in recorder.layers(t)])
        for t in tensors
    ]
    layers = _combine(recorder, operands, reason)
    if not any(result is t for t in tensors) or recorder.origin(result) is None:
        recorder.set_layers(result, _nonempty(layers))


def _combine(
    recorder: Recorder, operands: Sequence[tuple[Sequence[int], Sequence[LabelArray]]], reason: str
) -> list[LabelArray]:
    """Unify the layers of operands [(shape, layers)] of one rank; what one operand lacks is fixed."""
    labels = recorder.tape.labels
    found: list[LabelArray] = []
    for _, layers in operands:
        for layer in layers:
            partners = [i for i, known in enumerate(found) if set(varying(known)) & set(varying(layer))]
            same = [i for i in partners if varying(found[i]) == varying(layer)]
            if not partners:
                found.append(layer)
            elif same:
                labels.unify(layer, found[same[0]], reason)
            else:
                labels.fix(layer, reason)
                for i in partners:
                    labels.fix(found[i], reason)
    for layer in found:
        for shape, layers in operands:
            has = any(varying(own) == varying(layer) for own in layers)
            if not has and any(shape[axis] > 1 for axis in varying(layer)):
                labels.fix(layer, reason)
    return found


# Contractions: convolutions and matrix products.


def channels(recorder: Recorder, tensor: Tensor, axis: int) -> LabelArray:
    """Labels [size] along one axis; layers that also vary elsewhere are fixed. `NO_LABEL` where there are none."""
    axis %= tensor.ndim
    found = np.full(tensor.shape[axis], NO_LABEL, dtype=np.int64)
    for layer in recorder.layers(tensor):
        if varying(layer) == (axis,):
            found = layer.reshape(-1)
        elif axis in varying(layer):
            recorder.tape.labels.fix(layer, f"{where(recorder)} mixes them with another axis")
    return found


def convolution(recorder: Recorder, call: Call) -> Contraction:
    """A convolution: dense, depthwise, grouped or transposed."""
    x, weight, bias = call.args[0], call.args[1], call.args[2]
    groups, transposed = int(call.argument("groups", 1)), bool(call.argument("transposed", False))
    labels, out = recorder.tape.labels, call.results[0]
    for axis in range(x.ndim):
        if axis != 1:
            labels.fix(channels(recorder, x, axis), f"{where(recorder)} convolves over them")
    for axis in range(2, weight.ndim):
        labels.fix(channels(recorder, weight, axis), f"{where(recorder)} convolves over them")
    incoming = channels(recorder, x, 1)
    rows, columns = (1, 0) if transposed else (0, 1)
    produced, consumed = channels(recorder, weight, rows), channels(recorder, weight, columns)
    depthwise = groups > 1 and not transposed and weight.shape[1] == 1
    if depthwise:
        labels.unify(np.repeat(incoming, out.shape[1] // groups), produced, INPUT_REASON)
    elif groups == 1:
        labels.unify(incoming, consumed, INPUT_REASON)
        recorder.contract(weight, consumed)
    elif not transposed:
        _grouped(recorder, incoming, consumed, produced, groups)
        recorder.contract(weight, consumed)
    else:
        fix_all(recorder, call.tensors, f"{where(recorder)} is a grouped transposed convolution")
    if bias is not None:
        labels.unify(channels(recorder, bias, 0), produced, f"{where(recorder)} adds a bias to them")
    recorder.set_layers(out, _nonempty([_on_axis(produced, 1, out.ndim)]))
    taps = int(np.prod(weight.shape[2:], dtype=np.int64))
    # A transposed convolution multiplies each input element, a plain one makes each output element.
    factor = taps if not transposed else taps * int(np.prod(x.shape[2:])) // max(1, int(np.prod(out.shape[2:])))
    return Contraction(
        inner=None if depthwise else consumed,
        factor=factor,
        stride=int(call.argument("stride", [1])[0]),
        kernel=int(weight.shape[2]) if weight.ndim > 2 else 1,
        depthwise=depthwise,
    )


INPUT_REASON = "they come from the network's input, or from something without channels"


def _grouped(recorder: Recorder, incoming: LabelArray, consumed: LabelArray, produced: LabelArray, groups: int) -> None:
    """Each convolution group loses the same positions, so that the groups stay equally wide."""
    labels, reason = recorder.tape.labels, f"{where(recorder)} is a grouped convolution over them"
    per_group = incoming.reshape(groups, -1)
    labels.unify(per_group, per_group[:1], reason)
    labels.unify(per_group[0], consumed, INPUT_REASON)
    rows = produced.reshape(groups, -1)
    labels.unify(rows, rows[:1], reason)


def _on_axis(labels: LabelArray, axis: int, rank: int) -> LabelArray:
    return labels.reshape([-1 if a == axis else 1 for a in range(rank)])


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
    left, right = channels(recorder, a, -1), channels(recorder, b, inner_axis)
    labels.unify(left, right, INPUT_REASON)
    recorder.contract(b, right)
    recorder.contract(a, left)
    made = [_on_axis(channels(recorder, b, outer_axis), out.ndim - 1, out.ndim)]
    for layer in recorder.layers(a):  # rows of `a` are rows of the product
        if a.ndim - 1 not in varying(layer) and varying(layer):
            made.append(layer)
    for layer in recorder.layers(b):
        if set(varying(layer)) - {(inner_axis % b.ndim), (outer_axis % b.ndim)}:
            labels.fix(layer, f"{where(recorder)} multiplies batches of them")
    if bias is not None:
        own = [aligned(v, out.ndim) for v in recorder.layers(bias)]
        shape = (1,) * (out.ndim - bias.ndim) + tuple(bias.shape)
        made = _combine(recorder, [(out.shape, _nonempty(made)), (shape, own)], f"{where(recorder)} adds a bias")
    recorder.set_layers(out, _nonempty(made))
    return Contraction(inner=right if right.any() else None, factor=1 if right.any() else a.shape[-1])


# Norms, pools, reductions.


def batch_norm(recorder: Recorder, call: Call) -> None:
    """Per channel: its four vectors go with the channels."""
    call.elementwise = True
    _per_channel(recorder, call, [t for t in call.args[1:5] if isinstance(t, Tensor)])


def _per_channel(recorder: Recorder, call: Call, vectors: Sequence[Tensor]) -> None:
    x, out = call.args[0], call.results[0]
    own = channels(recorder, x, 1)
    for vector in vectors:
        recorder.tape.labels.unify(channels(recorder, vector, 0), own, f"{where(recorder)} normalises over them")
    recorder.set_layers(out, recorder.layers(x))


def group_norm(recorder: Recorder, call: Call) -> None:
    """Whole norm groups go at once: the statistics of those left are then exactly the same."""
    x = call.args[0]
    per_group = channels(recorder, x, 1).reshape(int(call.argument("group")), -1)
    recorder.tape.labels.unify(per_group, per_group[:, :1], f"{where(recorder)} normalises over them in groups")
    _per_channel(recorder, call, [t for t in call.args[1:3] if isinstance(t, Tensor)])


def layer_norm(recorder: Recorder, call: Call) -> None:
    """Fixes the channels that it normalises over: without some of them the others would change."""
    x, first = call.args[0], call.args[0].ndim - len(call.args[1])
    reason = f"{where(recorder)} is a layer norm over them: removing one would change all others"
    for layer in recorder.layers(x):
        if any(axis >= first for axis in varying(layer)):
            recorder.tape.labels.fix(layer, reason)
    fix_all(recorder, [t for t in call.args[2:4] if isinstance(t, Tensor)], reason)
    recorder.set_layers(call.results[0], recorder.layers(x))


def pool(recorder: Recorder, call: Call) -> None:
    """Pooling over space: channels stay."""
    layers = recorder.layers(call.args[0])
    rank = call.args[0].ndim
    for layer in layers:
        if any(axis >= rank - 2 for axis in varying(layer)):
            recorder.tape.labels.fix(layer, f"{where(recorder)} pools over them")
    recorder.set_layers(call.results[0], tuple(v for v in layers if all(axis < rank - 2 for axis in varying(v))))


def reduce(recorder: Recorder, call: Call) -> None:
    """Means, sums and maxima over some axes."""
    x, out = call.args[0], call.results[0]
    given = call.argument("dim")
    dims = given if isinstance(given, (list, tuple)) else [given] if given is not None else []
    axes = {d % x.ndim for d in dims} or set(range(x.ndim))
    kept = []
    for layer in recorder.layers(x):
        if axes & set(varying(layer)):
            recorder.tape.labels.fix(layer, f"{where(recorder)} reduces over them ({call.name})")
        elif out.ndim == x.ndim:
            kept.append(layer)
        else:
            kept.append(layer.squeeze(tuple(axes)))
    recorder.set_layers(out, _nonempty(kept))


def softmax(recorder: Recorder, call: Call) -> None:
    """Fixes the channels that it normalises over."""
    x = call.args[0]
    axis = int(call.args[1]) % x.ndim
    for layer in recorder.layers(x):
        if axis in varying(layer):
            recorder.tape.labels.fix(layer, f"{where(recorder)} is a softmax over them")
    recorder.set_layers(call.results[0], recorder.layers(x))


def embedding(recorder: Recorder, call: Call) -> None:
    """Rows of a table: its first axis is fixed, its second the channels."""
    weight, out = call.args[0], call.results[0]
    recorder.tape.labels.fix(channels(recorder, weight, 0), f"{where(recorder)} looks rows up by number")
    recorder.set_layers(out, _nonempty([_on_axis(channels(recorder, weight, 1), out.ndim - 1, out.ndim)]))


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


def _with_in_place(names: str) -> str:
    return f"{names} {' '.join(name + '_' for name in names.split())}"


RULES: dict[str, Rule] = {
    **_table(move, "view _unsafe_view reshape expand permute transpose t unsqueeze squeeze clone contiguous alias"),
    **_table(move, "detach repeat flatten unflatten lift_fresh _to_copy flip"),
    **_table(along, "slice select roll narrow index_select"),
    **_table(split, "split split_with_sizes chunk"),
    **_table(concatenate, "cat"),
    **_table(pad, "constant_pad_nd reflection_pad2d replication_pad2d"),
    **_table(
        elementwise,
        _with_in_place(
            "add sub mul div rsub pow exp log sqrt rsqrt sigmoid tanh relu relu6 leaky_relu elu selu gelu silu mish "
            "hardtanh hardswish hardsigmoid clamp clamp_min clamp_max abs neg softplus maximum minimum copy erf "
            "square reciprocal dropout"
        ),
    ),
    **_table(elementwise, "_prelu_kernel where"),
    **_table(convolution, "convolution"),
    **_table(matmul, "mm bmm addmm baddbmm"),
    **_table(linear, "linear"),
    **_table(
        batch_norm, "native_batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit cudnn_batch_norm"
    ),
    **_table(group_norm, "native_group_norm"),
    **_table(layer_norm, "native_layer_norm"),
    **_table(pool, "max_pool2d_with_indices max_pool2d avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d"),
    **_table(pool, "upsample_nearest2d upsample_bilinear2d"),
    **_table(reduce, "mean sum amax amin"),
    **_table(softmax, "_softmax _log_softmax"),
    **_table(embedding, "embedding"),
}
