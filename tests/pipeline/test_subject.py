"""The dense network of a run: what of it is pruned, timed and exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_networks import CPU
from zoo import PADDINGS, Padded

from autoprune.copies.family import NetworkFamily
from autoprune.copies.networks import networks
from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.parity import require_parity
from autoprune.pipeline.subject import Network
from autoprune.profiler.runtime.session import Session
from autoprune.space import Policy


@pytest.fixture(scope="module", params=["F.pad", "zeros by shape"])
def padded(request: pytest.FixtureRequest) -> Network:
    """A network whose shortcut pads 8 channels to 16."""
    torch.manual_seed(0)
    return Network.of("padded", Padded(PADDINGS[request.param]), (3, 8, 8))


def test_a_sliced_shortcut_is_exported_as_a_plain_pad(padded: Network, tmp_path: Path) -> None:
    small = padded.traced.slice(padded.model, [np.array([1, 4, 6]), np.arange(5), np.array([0, 3, 5, 6, 7])])
    export_onnx(small, padded.example, tmp_path / "small.onnx")
    require_parity(small, tmp_path / "small.onnx", padded.images(8))
    graph = onnx.load(tmp_path / "small.onnx").graph
    assert [node.op_type for node in graph.node].count("Pad") == 1
    assert "Concat" not in {node.op_type for node in graph.node}


def test_copies_for_timing_are_made_from_a_few_exports(padded: Network) -> None:
    """Their amounts of padding are affine functions of the widths, and they are as long as the pruned networks."""
    space = padded.traced.space
    made = networks(padded.bare, space, (1, 3, 8, 8))
    assert isinstance(made, NetworkFamily)
    for widths in ((8, 10, 8), (3, 5, 1), (1, 10, 7)):
        policy = Policy(widths)
        [logits] = Session(made(policy), CPU).run()
        assert logits.shape == (1, 5)
        kept = [np.arange(width) for width in widths]
        pruned = padded.traced.slice(padded.model, kept)
        shapes = {name: tuple(tensor.shape) for name, tensor in pruned.state_dict().items()}
        assert shapes == {name: tuple(tensor.shape) for name, tensor in padded.bare(policy).state_dict().items()}
