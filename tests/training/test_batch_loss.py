"""Mixed precision: what layers compute in, and what stays float32. On the CPU, in bfloat16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.models import fingerprint
from autoprune.spec import TrainingSpec
from autoprune.training import Data, Epoch, fit
from autoprune.training.batch_loss import BatchLoss, computing_type
from autoprune.training.batches import Batch
from autoprune.training.loss import Loss
from autoprune.training.method import Method, Moment
from autoprune.training.mixup import Labels

START = Moment(0, 1, 1, 1)


class Watching(Method):
    """Notes in which types the network computes and the penalty is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, torch.dtype] = {}

    def watch(self, network: nn.Module) -> None:
        network.register_forward_hook(lambda *of: self.seen.update(network=of[-1].dtype))

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        weight = next(network.parameters())
        product = weight.flatten(1) @ weight.flatten(1).T  # a product of matrices is what lower precision is for
        self.seen.update(penalty=product.dtype)
        return product.sum()


def network() -> nn.Module:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten())
    return nn.Sequential(features, nn.Linear(216, 10))


def batch(weight: float = 1.0) -> Batch:
    inputs = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(inputs, Labels(torch.arange(8)), weight)


def train(precision: str, model: nn.Module | None = None, **more: Any) -> nn.Module:
    data = Data(Subset(digits().train, torch.arange(200)))
    spec = TrainingSpec(epochs=3, learning_rate=0.05, batch=32)
    return fit(model or network(), data, spec.model_copy(update={"precision": precision}), **more)


@pytest.mark.parametrize(
    ("precision", "device", "computing"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.float16),
        ("float32", "cuda", torch.float32),
        ("bfloat16", "cuda", torch.bfloat16),
        ("bfloat16", "cpu", torch.bfloat16),
    ],
)
def test_auto_is_mixed_on_a_gpu_only(precision: Any, device: str, computing: torch.dtype) -> None:
    spec = TrainingSpec(device=device, precision=precision)
    assert computing_type(spec, torch.device(device)) == computing


@pytest.mark.parametrize("computing", [torch.float32, torch.bfloat16])
def test_layers_compute_in_it_and_losses_penalties_and_gradients_do_not(computing: torch.dtype) -> None:
    model, method = network(), Watching()
    method.watch(model)
    falling, loss = BatchLoss(model, method, Loss(), computing)(batch(), START)
    falling.backward()
    assert method.seen == {"network": computing, "penalty": torch.float32}
    assert falling.dtype == loss.dtype == torch.float32
    assert not loss.requires_grad
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}


def test_the_loss_weighs_and_the_penalty_does_not() -> None:
    method = Watching()
    model = network().eval()
    once, thrice = (BatchLoss(model, method, Loss())(batch(weight), START) for weight in (1.0, 3.0))
    assert float(once[1]) == float(thrice[1])
    assert float((thrice[0] - once[0]).detach()) == pytest.approx(2 * float(once[1]), rel=1e-4)


def test_the_loss_falls_about_as_it_does_in_float32() -> None:
    told: dict[str, list[Epoch]] = {"float32": [], "bfloat16": []}
    trained = {precision: train(precision, on_epoch=told[precision].append) for precision in told}
    assert {p.dtype for p in trained["bfloat16"].parameters()} == {torch.float32}
    assert fingerprint(trained["bfloat16"]) != fingerprint(trained["float32"])
    for lower, full in zip(told["bfloat16"], told["float32"], strict=True):
        assert lower.loss == pytest.approx(full.loss, rel=0.02)
    assert told["bfloat16"][-1].loss < 0.7 * told["bfloat16"][0].loss


def interrupt(epoch: Epoch) -> None:
    if epoch.number == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_an_interrupted_training_ends_with_the_same_bits(precision: str, tmp_path: Path) -> None:
    """In float16 the scale of the loss is part of the state; convolutions in it are slow on a CPU, this has none."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    kept = tmp_path / "training"
    job: dict[str, Any] = {"precision": precision, "model": network() if precision == "bfloat16" else linear}
    with pytest.raises(KeyboardInterrupt):
        train(**job, kept=kept, on_epoch=interrupt)
    assert fingerprint(train(**job, kept=kept)) == fingerprint(train(**job))
    if precision == "float16":
        with safe_open(kept, framework="pt") as file:
            numbers = json.loads(file.metadata()["numbers"])
        assert numbers["scale"]["_growth_tracker"] == 3 * 7  # steps without an overflow
