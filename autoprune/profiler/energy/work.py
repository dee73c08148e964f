"""What a kernel does, from its operator and its shapes: multiply-accumulates, and bytes that it reads and writes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from autoprune.cost import Kernel
from autoprune.errors import UnknownKernel

_FLOAT_BYTES = 4  # what is deployed is float32
_Shape = tuple[int, ...]
_Options = Mapping[str, str]

# Give their input another shape, or tell of it, and touch no element.
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Shape"})
# Read of their first input what they write and no more.
_SELECTIONS = frozenset({"Gather", "Slice"})
# By name, operators that multiply and add; those of them without a rule below are not known.
_MULTIPLIES = re.compile("Conv|MatMul|Gemm|Attention|LSTM|GRU|RNN|Einsum")


@dataclass(frozen=True, slots=True)
class Work:
    """Multiply-accumulates of one execution, and the bytes of all tensors that it reads (weights too) and writes."""

    macs: int
    moved_bytes: int


def work(kernel: Kernel) -> Work:
    """The work of `kernel` as it is executed, in float32: where channels are padded to blocks, with the padding.

    Only sums of products count as MACs; activations, pooling and normalisation are told by the bytes
    that they move. Raises `UnknownKernel` for an operator of products whose number its shapes do not tell.
    """
    name, options = _read(kernel.op)
    if name in _VIEWS:
        return Work(0, 0)
    inputs = kernel.outputs if name in _SELECTIONS else kernel.inputs
    moved = sum(map(math.prod, inputs)) + sum(map(math.prod, kernel.outputs))
    if name in _RULES:
        try:
            macs, hidden = _RULES[name](kernel, options)
        except IndexError:  # fewer tensors or axes than the operator has
            raise _unknown(kernel) from None
        return Work(macs, _FLOAT_BYTES * (moved + hidden))
    if _MULTIPLIES.search(name):
        raise _unknown(kernel)
    return Work(0, _FLOAT_BYTES * moved)


def _read(op: str) -> tuple[str, _Options]:
    """Name and options of a kernel's operator: `Conv.nchwc[activation=Relu]` is Conv, and its activation."""
    head, _, rest = op.partition("[")
    options = (text.partition("=") for text in rest.removesuffix("]").split(";") if text)
    return head.partition(".")[0], {name: value for name, _, value in options}


def _unknown(kernel: Kernel) -> UnknownKernel:
    return UnknownKernel(
        f"{kernel}: how many multiply-accumulates it does is not known, and so no energy; "
        "set a budget on latency or MACs in its place"
    )


# A rule gives a kernel's MACs, and the elements of weights that the runtime has packed for itself: those
# are no tensors any more, and its profile leaves them out of the inputs.
_Rule = Callable[[Kernel, _Options], tuple[int, int]]


def _convolution(kernel: Kernel, options: _Options) -> tuple[int, int]:  # noqa: ARG001
    """Every output is a sum over a filter: weights (out, in / groups, *window)."""
    return math.prod(kernel.outputs[0]) * math.prod(_filters(kernel)[1:]), 0


def _transposed_convolution(kernel: Kernel, options: _Options) -> tuple[int, int]:  # noqa: ARG001
    """Every input is spread by a filter: weights (in, out / groups, *window)."""
    return math.prod(kernel.inputs[0]) * math.prod(_filters(kernel)[1:]), 0


def _filters(kernel: Kernel) -> _Shape:
    if len(kernel.inputs) < 2 or len(kernel.inputs[1]) != len(kernel.inputs[0]):
        raise _unknown(kernel)
    return kernel.inputs[1]


def _matrix_product(kernel: Kernel, options: _Options) -> tuple[int, int]:
    """(..., m, k) x (..., k, n); a constant second factor may be packed."""
    inner, columns = _inner(kernel.inputs[0], options), kernel.outputs[0][-1] if kernel.outputs[0] else 1
    return math.prod(kernel.outputs[0]) * inner, 0 if len(kernel.inputs) > 1 else inner * columns


def _affine(kernel: Kernel, options: _Options) -> tuple[int, int]:
    """(m, k) x (k, n) + bias; where the second factor is packed, what follows the first is the bias."""
    inner, columns = _inner(kernel.inputs[0], options), kernel.outputs[0][-1]
    second = (columns, inner) if "transB" in options else (inner, columns)
    return math.prod(kernel.outputs[0]) * inner, 0 if second in kernel.inputs[1:2] else inner * columns


def _inner(first: _Shape, options: _Options) -> int:
    """The length that a product sums over, from the shape of its first factor."""
    if "transA" not in options or len(first) < 2:
        return first[-1]
    return first[0] if "transBatchA" in options else first[-2]


def _einsum(kernel: Kernel, options: _Options) -> tuple[int, int]:
    """One product for each value of all indices together, as in `bij,bkj->bik`."""
    terms = options.get("equation", "").replace(" ", "").partition("->")[0].split(",")
    if [len(term) for term in terms] != [len(shape) for shape in kernel.inputs] or len(terms) > 2:
        raise _unknown(kernel)
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, kernel.inputs, strict=True):
        for index, length in zip(term, shape, strict=True):
            lengths[index] = max(length, lengths.get(index, 1))
    return math.prod(lengths.values()) if len(terms) == 2 else 0, 0


_RULES: Final[Mapping[str, _Rule]] = {
    "Conv": _convolution,
    "FusedConv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "MatMul": _matrix_product,
    "FusedMatMul": _matrix_product,
    "Gemm": _affine,
    "FusedGemm": _affine,
    "Einsum": _einsum,
}
