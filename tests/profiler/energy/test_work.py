from __future__ import annotations

from functools import cache
from pathlib import Path

import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import CPU, small_network
from torch import nn
from zoo import traced

from autoprune.copies.networks import export_model
from autoprune.cost import CostModel, Kernel
from autoprune.errors import UnknownKernel
from autoprune.profiler.energy.work import Work, work
from autoprune.profiler.runtime.events import read_events
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.runtime.session import random_inputs

# Of the tracer's zoo, what differs in the operators that multiply.
NETWORKS = (
    *("chain", "residual", "dense block", "depthwise separable", "depthwise, two outputs a channel"),
    *("grouped convolution", "channels last", "flattened image", "shared module", "convolution over time"),
    *("linear layers", "transformer", "attention by hand"),
)
# The runtime repacks their filters; what these are, only its graph tells.
DECODERS = ("decoder", "grouped decoder")

Shape = tuple[int, ...]


def kernel(op: str, inputs: tuple[Shape, ...], *outputs: Shape) -> Kernel:
    return Kernel(op, inputs, outputs)


@pytest.mark.parametrize(
    ("op", "inputs", "output", "macs", "floats"),
    [
        ("Conv", ((1, 3, 8, 8), (6, 3, 3, 3), (6,)), (1, 6, 8, 8), 384 * 27, 192 + 162 + 6 + 384),
        ("Conv.nchwc[activation=Relu]", ((1, 16, 4, 4), (16, 1, 3, 3)), (1, 16, 4, 4), 256 * 9, 256 + 144 + 256),
        ("FusedConv.microsoft", ((1, 8, 5), (6, 8, 3)), (1, 6, 3), 18 * 24, 40 + 144 + 18),
        ("ConvTranspose", ((1, 8, 5, 5), (8, 3, 3, 3)), (1, 6, 11, 11), 200 * 27, 200 + 216 + 726),
        ("Gemm[transB=1]", ((2, 5), (3, 5), (3,)), (2, 3), 30, 10 + 15 + 3 + 6),
        ("Gemm[transB=1]", ((2, 5), (3,)), (2, 3), 30, 10 + 15 + 3 + 6),  # its weights are packed
        ("Gemm[transA=1]", ((5, 2), (5, 3)), (2, 3), 30, 10 + 15 + 6),
        ("FusedGemm.microsoft[activation=Relu]", ((2, 5),), (2, 3), 30, 10 + 15 + 6),
        ("MatMul", ((4, 2, 5), (4, 5, 3)), (4, 2, 3), 120, 40 + 60 + 24),
        ("MatMul", ((4, 2, 5),), (4, 2, 3), 120, 40 + 15 + 24),
        ("MatMul", ((2, 5), (5,)), (2,), 10, 10 + 5 + 2),
        ("FusedMatMul.microsoft[transA=1]", ((4, 5, 2), (4, 5, 3)), (4, 2, 3), 120, 40 + 60 + 24),
        ("FusedMatMul.microsoft[transBatchA=1]", ((2, 4, 5), (4, 5, 3)), (4, 2, 3), 120, 40 + 60 + 24),
        ("FusedMatMul.microsoft[transA=1;transBatchA=1]", ((5, 4, 2), (4, 5, 3)), (4, 2, 3), 120, 40 + 60 + 24),
        ("Einsum[equation=bij,bkj->bik]", ((4, 2, 5), (4, 3, 5)), (4, 2, 3), 120, 40 + 60 + 24),
        ("Einsum[equation=ij->i]", ((2, 5),), (2,), 0, 10 + 2),
        ("Relu", ((2, 5),), (2, 5), 0, 20),
        ("Reshape", ((2, 5), (1,)), (10,), 0, 0),
        ("Gather[axis=1]", ((1, 50, 8), ()), (1, 8), 0, 16),
        ("Split[axis=1]", ((1, 6), (3,)), (1, 2), 0, 6 + 3 + 2),
    ],
)
def test_the_work_of_each_kind_of_operator(
    op: str, inputs: tuple[Shape, ...], output: Shape, macs: int, floats: int
) -> None:
    assert work(kernel(op, inputs, output)) == Work(macs, 4 * floats)


@pytest.mark.parametrize(
    ("op", "inputs", "output"),
    [
        ("LSTM", ((6, 1, 8), (1, 20, 8), (1, 20, 5)), (6, 1, 1, 5)),
        ("Attention.microsoft", ((1, 6, 8), (24,)), (1, 6, 8)),
        ("QLinearConv", ((1, 3, 8, 8), (), ()), (1, 6, 8, 8)),
        ("Conv", ((1, 3, 8, 8), (6,)), (1, 6, 8, 8)),  # the filters are not told
        ("Einsum[equation=...ij,kj->...ik]", ((4, 2, 5), (3, 5)), (4, 2, 3)),
    ],
)
def test_products_that_cannot_be_counted_are_not_counted_as_none(
    op: str, inputs: tuple[Shape, ...], output: Shape
) -> None:
    with pytest.raises(UnknownKernel, match="multiply-accumulates"):
        work(kernel(op, inputs, output))


shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@given(
    st.sampled_from(["Conv", "ConvTranspose", "Gemm", "MatMul", "FusedMatMul", "Einsum", "Gather", "Relu", "LSTM", ""]),
    st.sampled_from(["", "[transA=1]", "[transA=1;transBatchA=1]", "[equation=ij,jk->ik]", "[equation=]", "[", "[=;"]),
    st.lists(shapes, max_size=3),
    st.lists(shapes, max_size=2),
)
def test_a_kernel_of_any_shape_has_a_work_or_is_unknown(
    op: str, options: str, inputs: list[Shape], outputs: list[Shape]
) -> None:
    try:
        found = work(Kernel(op + options, tuple(inputs), tuple(outputs)))
    except UnknownKernel:
        return
    assert found.macs >= 0
    assert found.moved_bytes >= 0


sizes = st.integers(1, 64)


@given(sizes, sizes, sizes)
def test_a_product_does_the_same_work_whether_its_weights_are_packed_or_not(m: int, k: int, n: int) -> None:
    plain, packed = (work(kernel("MatMul", factors, (m, n))) for factors in (((m, k), (k, n)), ((m, k),)))
    assert plain == packed == Work(m * k * n, 4 * (m * k + k * n + m * n))


@cache
def network_of(name: str) -> bytes:
    """A network of the tracer's zoo, for one image, its parameters such that the exporter folds none of them."""
    case, model, _ = traced(name)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return bytes(export_model(model, case.example()[:1]).SerializeToString())


def executed_without_blocks(network: bytes, folder: Path) -> list[Kernel]:
    """The kernels of a network that the runtime must not lay out in blocks of channels, and so cannot pad."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    session.run(None, random_inputs(session, 1, seed=0))
    events = read_events(Path(session.end_profiling())).values()
    return [Kernel(event.op, event.inputs, event.outputs) for event in events]


def counted_macs(name: str) -> int:
    _, _, net = traced(name)
    return round(CostModel(net.space, net.counts).cost(net.space.dense()).macs)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_executed_does_what_the_tracer_counted(name: str, tmp_path: Path) -> None:
    kernels = executed_without_blocks(network_of(name), tmp_path)
    assert sum(work(one).macs for one in kernels) == counted_macs(name)


@pytest.mark.parametrize("name", [*NETWORKS, *DECODERS])
def test_channels_padded_to_blocks_only_add_work(name: str) -> None:
    executed = observe(network_of(name), CPU).kernels
    assert counted_macs(name) <= sum(work(one).macs for one in executed) <= 4 * counted_macs(name)


def test_a_network_moves_at_least_its_weights_its_input_and_its_output() -> None:
    weights = 32 * 27 + 32 * 32 * 9 * 2 + 48 * 32 * 9 + 48 * 64 * 10
    executed = observe(small_network(32, 48), CPU).kernels
    assert sum(work(one).moved_bytes for one in executed) >= 4 * (weights + 3 * 256 + 10)
