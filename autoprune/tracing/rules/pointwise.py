"""Pointwise operators: what is added, multiplied or chosen between element by element goes together."""

from __future__ import annotations

from collections.abc import Sequence

from autoprune.tracing.labels import LabelArray, aligned, nonempty, varying
from autoprune.tracing.tape import Call, Recorder


def elementwise(recorder: Recorder, call: Call) -> None:
    """Labels of the operands, broadcast against each other, are the same."""
    call.elementwise = True
    result = call.results[0]
    tensors = [t for t in call.tensors if t.ndim]
    reason = f"{recorder.place} combines them ({call.name.rstrip('_')}) with something that has no channels there"
    operands = [
        ((1,) * (result.ndim - t.ndim) + tuple(t.shape), [aligned(v, result.ndim) for v in recorder.layers(t)])
        for t in tensors
    ]
    layers = combine(recorder, operands, reason)
    if not any(result is t for t in tensors) or recorder.origin(result) is None:
        recorder.set_layers(result, nonempty(layers))


def combine(
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
