"""Norms, pools, reductions and softmaxes: which axes they keep apart, and which they need whole."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from autoprune.tracing.labels import nonempty, varying
from autoprune.tracing.tape import Call, Recorder


def batch_norm(recorder: Recorder, call: Call) -> None:
    """Per channel: its four vectors go with the channels."""
    call.elementwise = True
    _per_channel(recorder, call, [t for t in call.args[1:5] if isinstance(t, Tensor)])


def _per_channel(recorder: Recorder, call: Call, vectors: Sequence[Tensor]) -> None:
    x, out = call.args[0], call.results[0]
    own = recorder.channels(x, 1)
    for vector in vectors:
        recorder.tape.labels.unify(recorder.channels(vector, 0), own, f"{recorder.place} normalises over them")
    recorder.set_layers(out, recorder.layers(x))


def group_norm(recorder: Recorder, call: Call) -> None:
    """Whole norm groups go at once: the statistics of those left are then exactly the same."""
    x = call.args[0]
    per_group = recorder.channels(x, 1).reshape(int(call.argument("group")), -1)
    recorder.tape.labels.unify(per_group, per_group[:, :1], f"{recorder.place} normalises over them in groups")
    _per_channel(recorder, call, [t for t in call.args[1:3] if isinstance(t, Tensor)])


def layer_norm(recorder: Recorder, call: Call) -> None:
    """Fixes the channels that it normalises over: without some of them the others would change."""
    x, first = call.args[0], call.args[0].ndim - len(call.args[1])
    reason = f"{recorder.place} is a layer norm over them: removing one would change all others"
    for layer in recorder.layers(x):
        if any(axis >= first for axis in varying(layer)):
            recorder.tape.labels.fix(layer, reason)
    recorder.fix([t for t in call.args[2:4] if isinstance(t, Tensor)], reason)
    recorder.set_layers(call.results[0], recorder.layers(x))


def pool(recorder: Recorder, call: Call) -> None:
    """Pooling over space: channels stay."""
    layers = recorder.layers(call.args[0])
    rank = call.args[0].ndim
    for layer in layers:
        if any(axis >= rank - 2 for axis in varying(layer)):
            recorder.tape.labels.fix(layer, f"{recorder.place} pools over them")
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
            recorder.tape.labels.fix(layer, f"{recorder.place} reduces over them ({call.name})")
        elif out.ndim == x.ndim:
            kept.append(layer)
        else:
            kept.append(layer.squeeze(tuple(axes)))
    recorder.set_layers(out, nonempty(kept))


def softmax(recorder: Recorder, call: Call) -> None:
    """Fixes the channels that it normalises over."""
    x = call.args[0]
    axis = int(call.args[1]) % x.ndim
    for layer in recorder.layers(x):
        if axis in varying(layer):
            recorder.tape.labels.fix(layer, f"{recorder.place} is a softmax over them")
    recorder.set_layers(call.results[0], recorder.layers(x))
