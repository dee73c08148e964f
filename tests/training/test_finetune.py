from __future__ import annotations

from typing import Any

import torch
from torch import nn

from autoprune.evaluation.digits import digits
from autoprune.evaluation.splits import draw_splits
from autoprune.models import fingerprint, load_model
from autoprune.spec import FinetuneSpec, ModelSpec, TaskSpec, TrainingSpec
from autoprune.training import Data, Epoch, fit
from autoprune.training.checkpoint import judge
from autoprune.training.data import correct

_TASK = digits()
_SPLITS = draw_splits(_TASK, TaskSpec(name="digits", calibration=64, validation=298, selection=149), seed=0)


def _dense() -> nn.Module:
    network = load_model(ModelSpec(name="digits_cnn", options={"widths": [8, 8, 16]}))
    return fit(network, Data(_SPLITS.train), TrainingSpec(epochs=4, learning_rate=0.05, batch=32))


def _damaged(dense: nn.Module) -> nn.Module:
    """The network with half of the channels of one layer zeroed."""
    copy = load_model(ModelSpec(name="digits_cnn", options={"widths": [8, 8, 16]}))
    copy.load_state_dict(dense.state_dict())
    with torch.no_grad():
        copy.get_parameter("block2.conv1.weight")[:4] = 0
        copy.get_parameter("block3.project.weight")[:8] = 0
    return copy


def _finetune(model: nn.Module, teacher: nn.Module, spec: FinetuneSpec, seed: int = 0, **more: Any) -> nn.Module:
    data = Data(_SPLITS.train, _SPLITS.selection, _TASK.strongest)
    return fit(model, data, spec, teacher=teacher, seed=seed, **more)


def test_a_damaged_network_recovers_with_its_teacher() -> None:
    dense = _dense()
    damaged = _damaged(dense)
    told: list[Epoch] = []
    spec = FinetuneSpec(epochs=3, learning_rate=0.02, batch=32)
    mended = _finetune(damaged, dense, spec, on_epoch=told.append)
    assert len(told) == 3
    before, after = (judge(network, _SPLITS.validation, correct)[0] for network in (damaged, mended))
    assert after > before + 0.02


def test_it_never_ends_below_its_start_on_the_split_that_judges() -> None:
    """A rate at which every epoch makes the network worse."""
    dense, told = _dense(), list[Epoch]()
    start = judge(dense, _SPLITS.selection, correct)[0]
    spec = FinetuneSpec(epochs=2, learning_rate=0.5, momentum=0.0, batch=32, distillation=0.0)
    end = _finetune(dense, dense, spec, seed=1, on_epoch=told.append)
    assert all(epoch.validation_score is not None and epoch.validation_score < start for epoch in told)
    assert judge(end, _SPLITS.selection, correct)[0] == start


def test_norms_keep_the_statistics_that_they_were_refitted_with() -> None:
    dense = _dense()
    damaged = _damaged(dense)
    mended = _finetune(damaged, dense, FinetuneSpec(epochs=1, batch=32))
    moved = _finetune(damaged, dense, FinetuneSpec(epochs=1, batch=32, frozen_norms=False))
    for name, statistic in damaged.named_buffers():
        if "running" in name:
            assert torch.equal(mended.get_buffer(name), statistic)
            assert not torch.equal(moved.get_buffer(name), statistic)


def test_the_seed_decides() -> None:
    dense = load_model(ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}))
    spec = FinetuneSpec(epochs=1, distillation=0.0)
    first, again, other = (fingerprint(_finetune(dense, dense, spec, seed=seed)) for seed in (5, 5, 6))
    assert first == again != other
