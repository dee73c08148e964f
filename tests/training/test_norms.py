"""The formula; that several processes share it is what `test_processes` shows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autoprune.training.group import Group
from autoprune.training.norms import SynchronisedNorms

NORMS = [
    (nn.BatchNorm1d(3), (5, 3)),
    (nn.BatchNorm1d(3), (5, 3, 4)),
    (nn.BatchNorm2d(3), (5, 3, 4, 2)),
    (nn.BatchNorm3d(3), (2, 3, 4, 2, 2)),
    (nn.BatchNorm2d(3, affine=False), (5, 3, 4, 2)),
    (nn.BatchNorm2d(3, momentum=None), (5, 3, 4, 2)),
    (nn.BatchNorm2d(3, track_running_stats=False), (5, 3, 4, 2)),
]


def passed(norm: nn.Module, inputs: Tensor, synchronised: bool) -> list[Tensor]:
    """Two passes: outputs, gradients of inputs and parameters, and what the norm then remembers."""
    norm.load_state_dict({name: torch.full_like(t, 0.5) for name, t in norm.state_dict().items()})
    norm.zero_grad()
    inputs = inputs.clone().requires_grad_()
    for _ in range(2):
        if synchronised:
            with SynchronisedNorms(Group()):
                outputs = norm(inputs)
        else:
            outputs = norm(inputs)
        (outputs.float() ** 3).sum().backward()
    assert inputs.grad is not None
    grown = [p.grad for p in norm.parameters() if p.grad is not None]
    return [outputs, inputs.grad, *grown, *(t.clone() for t in norm.buffers())]


@pytest.mark.parametrize(("norm", "shape"), NORMS)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_of_one_process_it_is_pytorchs_batch_norm(norm: nn.Module, shape: tuple[int, ...], mean: float) -> None:
    inputs = mean + 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = [passed(norm, inputs, synchronised) for synchronised in (True, False)]
    for ours, torchs in zip(*found, strict=True):
        assert ours.dtype == torchs.dtype
        torch.testing.assert_close(ours, torchs, rtol=2e-3 if mean else 1e-4, atol=1e-4)


def test_halves_stay_halves() -> None:
    inputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = [passed(nn.BatchNorm1d(3), inputs, synchronised) for synchronised in (True, False)]
    assert found[0][0].dtype == torch.bfloat16
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=2e-2, atol=2e-2)


def test_norms_that_do_not_train_are_left_alone() -> None:
    norm, inputs = nn.BatchNorm2d(3).eval(), torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with SynchronisedNorms(Group()):
        found = norm(inputs)
    assert torch.equal(found, norm(inputs))
    assert norm.num_batches_tracked == 0
