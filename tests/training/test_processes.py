"""Training by two processes, for real: on the CPU, where it is the same code as on GPUs but for their names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from autoprune.errors import AutopruneError, BadInput, Diverged
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.models import fingerprint
from autoprune.spec import TrainingSpec
from autoprune.training import Data, Epoch, fit
from autoprune.training.data import Samples
from autoprune.training.method import Method, Moment

if (os.cpu_count() or 1) < 2:
    pytest.skip("two processes need two processors", allow_module_level=True)

SPEC = TrainingSpec(epochs=3, learning_rate=0.05, batch=32, clip=1.0)


class Agreeing(Method):
    """Gates that are learned and drawn; fails once the processes that train differ in anything but their images."""

    drawn: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.ones(6))
        self.register_buffer("drawn", torch.zeros(3))

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        noise = 0.1 * torch.rand(6) if self.training else torch.zeros(6)
        return {"0.weight": network.get_parameter("0.weight") * (self.gates + noise).view(6, 1, 1, 1)}

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        return 0.1 * self.gates.abs().sum() + 1e-3 * network.get_parameter("5.weight").square().sum()

    def after_backward(self, network: nn.Module, at: Moment) -> None:  # noqa: ARG002
        self.drawn.copy_(torch.rand(3))
        same_for_all({name: p.grad for name, p in (*network.named_parameters(), *self.named_parameters())})

    def after_step(self, network: nn.Module, at: Moment) -> None:  # noqa: ARG002
        same_for_all({**network.state_dict(), **self.state_dict()})

    def after_epoch(self, network: nn.Module, at: Moment) -> None:  # noqa: ARG002
        """What the second decides otherwise than the first must not count."""
        if dist.is_initialized():
            with torch.no_grad():
                self.gates.add_(dist.get_rank())
                network.get_parameter("5.weight").add_(dist.get_rank())


def same_for_all(own: dict[str, Tensor | None]) -> None:
    if not dist.is_initialized():
        return
    found: list[dict[str, Tensor]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(found, own)
    differing = [name for name in own if not torch.equal(found[0][name], found[1][name])]
    assert not differing, f"not the same in both processes: {differing}"


def network(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    features = (nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(dropout), nn.Flatten())
    return nn.Sequential(*features, nn.Linear(216, 10))


def data(augmented: bool = False) -> Data:
    """91 digits, so that the last batch is smaller and its shares differ in length; 100 others judge."""
    task = digits()
    judging = Subset(task.train, torch.arange(100, 200))
    return Data(Subset(task.train, torch.arange(91)), judging, task.augment if augmented else None)


class Doubles:
    """Samples in float64, in which rounding is no excuse."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        inputs, targets = self._samples.batch(indices)
        return inputs.double(), targets


def random_training(kept: Path | None, on_epoch: Any = None) -> nn.Module:
    """Draws whatever can be drawn."""
    spec = SPEC.model_copy(update={"devices": 2, "mixup": True})
    return fit(network(0.3), data(True), spec, method=Agreeing(), seed=3, kept=kept, on_epoch=on_epoch)


@pytest.mark.parametrize("frozen", [False, True])
def test_two_processes_train_the_same_network_as_one(frozen: bool) -> None:
    """But for rounding, which is far smaller here than in float32."""
    start, samples = network().double(), data()
    assert samples.judging is not None
    doubles = Data(Doubles(samples.train), Doubles(samples.judging))
    trained, methods, told = [], [Agreeing().double(), Agreeing().double()], [list[Epoch](), list[Epoch]()]
    for devices, method, epochs in zip((1, 2), methods, told, strict=True):
        spec = SPEC.model_copy(update={"devices": devices, "frozen_norms": frozen, "distillation": 0.3})
        more: dict[str, Any] = {"teacher": network().double(), "method": method, "on_epoch": epochs.append}
        trained.append(fit(start, doubles, spec, seed=3, **more))
    assert fingerprint(trained[1]) != fingerprint(start)
    assert not any(module.training for module in (*trained[1].modules(), methods[1]))
    for one, two in (trained, methods):
        for name, tensor in one.state_dict().items():
            torch.testing.assert_close(two.state_dict()[name], tensor, rtol=1e-9, atol=1e-12)
    for before, after in zip(*told, strict=True):
        assert asdict(after) == pytest.approx(asdict(before), rel=1e-9)


def stopped(kept: Path, number: signal.Signals, epoch: int) -> subprocess.CompletedProcess[str]:
    """Train in a session of its own, all of which gets SIGINT after `epoch`, or only the first process SIGKILL.

    Returns when the last process that could still write to its pipes has gone.
    """
    code = f"""
import os, pathlib, signal, sys, torch, test_processes
torch.set_num_threads({torch.get_num_threads()})
signal.signal(signal.SIGINT, signal.default_int_handler)
def tell(epoch):
    if epoch.number == {epoch}:
        {"os.killpg(0, signal.SIGINT)" if number is signal.SIGINT else "os.kill(os.getpid(), signal.SIGKILL)"}
try:
    test_processes.random_training(pathlib.Path({str(kept)!r}), tell)
except KeyboardInterrupt:
    sys.exit(130)
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_interrupted_and_killed_it_goes_on_to_the_same_bits_and_leaves_no_process(tmp_path: Path) -> None:
    kept, told = tmp_path / "training", list[Epoch]()
    interrupted = stopped(kept, signal.SIGINT, 1)
    assert (interrupted.returncode, interrupted.stdout, interrupted.stderr) == (130, "", "")
    killed = stopped(kept, signal.SIGKILL, 2)
    assert (killed.returncode, killed.stdout, killed.stderr) == (-signal.SIGKILL, "", "")
    resumed = random_training(kept, told.append)
    assert [epoch.number for epoch in told] in ([3], [])  # the third may have been over before all were gone
    assert fingerprint(resumed) == fingerprint(random_training(None))


def test_what_goes_wrong_in_them_is_raised_here() -> None:
    with pytest.raises(Diverged, match=r"training diverged in epoch 1 .* lower the learning rate"):
        fit(network(), data(), SPEC.model_copy(update={"devices": 2, "learning_rate": 1e30, "clip": None}))


def deadly(inputs: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return inputs


def test_a_process_that_is_lost_is_told_of() -> None:
    with pytest.raises(AutopruneError, match="a process of this training was ended by SIGKILL; where memory ran out"):
        fit(network(), Data(data().train, augment=deadly), SPEC.model_copy(update={"devices": 2}))


def test_what_cannot_be_sent_is_refused_before_any_process_begins() -> None:
    local = Data(data().train, augment=lambda inputs, _: inputs)
    with pytest.raises(BadInput, match=r"cannot be: .*lambda.* at the top of a module, or give devices = 1"):
        fit(network(), local, SPEC.model_copy(update={"devices": 2}))


def test_several_gpus_train_as_well() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    spec = SPEC.model_copy(update={"device": "cuda", "devices": 2, "precision": "float32"})
    one, two = (fit(network(), data(), spec.model_copy(update={"devices": devices})) for devices in (1, 2))
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
