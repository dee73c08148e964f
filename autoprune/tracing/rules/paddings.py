"""Operators that put constants around channels, and those that make such constants.

A padding call in the model's own code can be handed to a `ChannelPad`, which pads fewer channels in a
narrower network: each padded channel gets a label of its own. Other paddings fix what they pad.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from autoprune.tracing.labels import LabelArray, nonempty, on_axis, varying
from autoprune.tracing.padding import Padding
from autoprune.tracing.rules.pointwise import elementwise
from autoprune.tracing.tape import Call, Recorder


def pad(recorder: Recorder, call: Call) -> None:
    """Padding of spatial axes leaves labels as they are, padding of channels gives new ones."""
    source, amounts, out = call.args[0], list(call.args[1]), call.results[0]
    padded = {source.ndim - 1 - i // 2 for i, amount in enumerate(amounts) if amount}
    layers = []
    for layer in recorder.layers(source):
        axes = varying(layer)
        if not padded & set(axes):
            layers.append(layer)
        elif len(axes) == 1:
            made = _padded_channels(recorder, call, layer.reshape(-1), axes[0], alone=len(padded) == 1)
            layers.append(on_axis(made, axes[0], out.ndim))
        else:
            recorder.tape.labels.fix(layer, _reason(recorder))
    recorder.set_layers(out, nonempty(layers))


def _padded_channels(recorder: Recorder, call: Call, own: LabelArray, axis: int, *, alone: bool) -> LabelArray:
    """Labels along the padded `axis`; `alone` says that no other axis is padded by the same call."""
    source, amounts, labels = call.args[0], list(call.args[1]), recorder.tape.labels
    place = 2 * (source.ndim - 1 - axis)
    before, after = amounts[place : place + 2]
    if call.name != "constant_pad_nd" or min(before, after) < 0 or recorder.origin(source) is not None:
        labels.fix(own, _reason(recorder))
        own, before, after = own[:0], call.results[0].shape[axis], 0
    elif alone and recorder.pad_call:
        return _channel_pad(recorder, own, Padding(before, after, axis - source.ndim, float(call.argument("value", 0))))
    new = [labels.fresh(before), labels.fresh(after)]
    for fixed in new:  # and with them whatever is added to them later
        labels.fix(fixed, _reason(recorder))
    return np.concatenate([new[0], own, new[1]])


def with_constants(recorder: Recorder, call: Call, axis: int) -> bool:
    """Whether a concatenation joins the channels of one tensor with nothing but constants; if so, it is a padding."""
    tensors: Sequence[Tensor] = call.args[0]
    values = [recorder.constant(t) for t in tensors]
    others = [i for i, value in enumerate(values) if value is None]
    if recorder.pad_call is None or len(others) != 1 or len(set(values)) != 2:
        return False
    [operand] = others
    source, value = tensors[operand], next(v for v in values if v is not None)
    own = [layer for layer in recorder.layers(source) if axis in varying(layer)]
    if recorder.origin(source) is not None or [varying(layer) for layer in own] != [(axis,)]:
        return False
    before = sum(t.shape[axis] for t in tensors[:operand])
    after = sum(t.shape[axis] for t in tensors[operand + 1 :])
    made = _channel_pad(recorder, own[0].reshape(-1), Padding(before, after, axis - source.ndim, value, operand))
    rest = [layer for layer in recorder.layers(source) if axis not in varying(layer)]
    recorder.set_layers(call.results[0], nonempty([*rest, on_axis(made, axis, source.ndim)]))
    call.tensors = [source]  # a `ChannelPad` reads nothing else
    return True


def _channel_pad(recorder: Recorder, own: LabelArray, padding: Padding) -> LabelArray:
    """Labels of what the running padding call makes of channels `own`, which are noted on the tape."""
    tape, call = recorder.tape, recorder.pad_call
    assert call is not None
    made = np.concatenate([tape.labels.fresh(padding.before), own, tape.labels.fresh(padding.after)])
    known, before = tape.pads.setdefault(call, (padding, made))
    if known == padding:
        tape.labels.unify(made, before, _reason(recorder))
    else:
        for other in (made, before):
            tape.labels.fix(other, f"{recorder.place} pads them otherwise each time that it runs")
    return made


def _reason(recorder: Recorder) -> str:
    return f"{recorder.place} pads them with a fixed number of zero channels"


def constant(recorder: Recorder, call: Call) -> None:
    """Tensors full of one number; one that is made in the likeness of channels has their labels."""
    [result] = call.results
    like = call.tensors[0] if call.name.endswith("_like") else result
    recorder.set_layers(result, recorder.layers(like))
    recorder.set_constant(result)


def multiply(recorder: Recorder, call: Call) -> None:
    """A product; what is multiplied by the number 0 is a constant."""
    elementwise(recorder, call)
    if any(not isinstance(factor, Tensor) and factor == 0 for factor in call.args):
        recorder.set_constant(call.results[0])
