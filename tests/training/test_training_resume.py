"""A training that is killed goes on from its last epoch, and ends with the very same network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autoprune.errors import BadInput, CorruptFile
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.models import fingerprint
from autoprune.spec import TrainingSpec
from autoprune.training import Data, Epoch, fit
from autoprune.training.method import Method, Moment

SPEC = TrainingSpec(epochs=3, learning_rate=0.05, batch=32, mixup=True, clip=1.0)


class Doubled(Method):
    """Has a parameter, draws at random, and remembers how often it was called."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros(()))

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        noise = 0.1 * torch.rand(()) if self.training else torch.zeros(())
        return {"3.weight": network.get_parameter("3.weight") * (self.scale + noise)}

    def after_step(self, network: nn.Module, at: Moment) -> None:  # noqa: ARG002
        self.calls.add_(1)


def network() -> nn.Module:
    torch.manual_seed(0)
    features = (nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Dropout(0.3))
    return nn.Sequential(*features, nn.Linear(216, 10), nn.BatchNorm1d(10))


def train(kept: Path | None, on_epoch: int = 0) -> nn.Module:
    """Trains on 97 digits; kills its own process once so many epochs are kept."""
    task = digits()
    data = Data(Subset(task.train, torch.arange(97)), Subset(task.train, torch.arange(100, 200)), task.augment)

    def tell(epoch: Epoch) -> None:
        if epoch.number == on_epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    return fit(network(), data, SPEC, method=Doubled(), seed=3, kept=kept, on_epoch=tell)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state that a process left which was killed after its second epoch."""
    kept = tmp_path_factory.mktemp("killed") / "training.safetensors"
    code = f"""
import pathlib, torch, test_training_resume
torch.set_num_threads({torch.get_num_threads()})  # the same network only on as many as this process has
test_training_resume.train(pathlib.Path({str(kept)!r}), on_epoch=2)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False)
    assert process.returncode == -signal.SIGKILL
    return kept


def test_killed_and_resumed_is_the_same_network_to_the_last_bit(killed: Path) -> None:
    assert fingerprint(train(killed)) == fingerprint(train(None))


def test_a_finished_training_is_only_read(killed: Path) -> None:
    train(killed)
    assert fingerprint(train(killed, on_epoch=3)) == fingerprint(train(None))  # a third epoch would kill this process


def test_another_trainings_state_is_refused(killed: Path) -> None:
    with pytest.raises(BadInput, match="state of another training"):
        fit(network(), Data(digits().train), SPEC, seed=4, kept=killed)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"\x09\0\0\0\0\0\0\0{")
    with pytest.raises(CorruptFile, match="remove it to start over"):
        train(tmp_path / "state")
