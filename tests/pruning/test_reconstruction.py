"""Block reconstruction: closer to the dense network, never further, and the same for the same seed."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pruned_nets import Block, images
from torch import Tensor, nn

from autoprune.models.resnet_cifar import resnet20
from autoprune.models.weights import load_weights
from autoprune.pruning import Pruner, reconstruction
from autoprune.pruning.blocks import find_blocks
from autoprune.pruning.learning import Steps
from autoprune.space import Policy
from autoprune.spec import ReconstructionSpec
from autoprune.tracing import trace

QUICK = ReconstructionSpec(steps=150, together=0, batch=16)
STEPS = Steps(count=150, learning_rate=3e-3, batch=16)


class Residual(nn.Module):
    """Two residual blocks between a stem and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), Block(8, 12), Block(8, 12)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.second(self.first(torch.relu(self.stem(x)))).mean((2, 3)))
        return logits


def residual() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Residual().eval()


@pytest.fixture(scope="module")
def pruner() -> Pruner:
    model, x = residual(), images(192)
    return Pruner(model, trace(model, x[:1]), x)


def halved(pruner: Pruner, *, streams: bool = False) -> Policy:
    """Half of what lies inside of the blocks, and of the residual streams too if asked for."""
    groups = pruner.traced.space.groups
    return pruner.traced.space.policy([0.5 if streams or g.name.endswith(".conv1") else 1.0 for g in groups])


def error(model: nn.Module, dense: nn.Module, x: Tensor) -> float:
    """Mean squared difference of the outputs."""
    with torch.no_grad():
        return float((model(x) - dense(x)).square().mean())


@pytest.mark.parametrize(("streams", "share"), [(False, 0.9), (True, 1.0)])
def test_the_network_comes_closer_to_the_dense_one_on_unseen_images(
    pruner: Pruner, streams: bool, share: float
) -> None:
    policy, unseen = halved(pruner, streams=streams), images(128, seed=1)
    refitted = pruner.apply(policy)
    better = pruner.reconstruct(refitted, pruner.kept(policy), QUICK)
    assert error(better, pruner.model, unseen) < share * error(refitted, pruner.model, unseen)


def test_together_the_last_block_comes_closer_than_one_by_one(pruner: Pruner) -> None:
    policy = halved(pruner)
    refitted, kept = pruner.apply(policy), pruner.kept(policy)
    alone = pruner.reconstruct(refitted, kept, QUICK)
    together = pruner.reconstruct(refitted, kept, QUICK.model_copy(update={"together": 150}))
    wanted = last_block(pruner.model)
    assert F.mse_loss(last_block(together), wanted) < 0.97 * F.mse_loss(last_block(alone), wanted)


def last_block(model: nn.Module) -> Tensor:
    """What the second block answers to unseen images [128, 8, 8, 8]."""
    made: list[Tensor] = []
    handle = model.get_submodule("second").register_forward_hook(lambda _, __, out: made.append(out))
    with torch.no_grad():
        model(images(128, seed=1))
    handle.remove()
    return made[0]


@pytest.mark.parametrize("together", [0, 30])
def test_what_is_given_stays_as_it_was(pruner: Pruner, together: int) -> None:
    policy, settings = halved(pruner), QUICK.model_copy(update={"together": together})
    refitted = pruner.apply(policy)
    before, dense = copy.deepcopy(refitted.state_dict()), copy.deepcopy(pruner.model.state_dict())
    result = pruner.reconstruct(refitted, pruner.kept(policy), settings)
    for one, other in ((refitted.state_dict(), before), (pruner.model.state_dict(), dense)):
        assert all(torch.equal(one[name], other[name]) for name in other)
    wanted = [p.requires_grad for p in refitted.parameters()]
    assert [p.requires_grad for p in result.parameters()] == wanted
    assert all(p.grad is None for p in result.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in result.modules())


def test_the_same_seed_gives_the_same_weights(pruner: Pruner) -> None:
    policy = halved(pruner)
    refitted, kept = pruner.apply(policy), pruner.kept(policy)
    one, other = (pruner.reconstruct(refitted, kept, QUICK).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_blocks_that_training_would_spoil_keep_their_weights(pruner: Pruner) -> None:
    policy = halved(pruner)
    refitted, kept = pruner.apply(policy), pruner.kept(policy)
    spoilt = pruner.reconstruct(
        refitted, kept, ReconstructionSpec(steps=20, together=20, batch=16, learning_rate=100.0)
    )
    blocks = [name for name in spoilt.state_dict() if name.startswith(("first.", "second."))]
    assert blocks
    assert all(torch.equal(spoilt.state_dict()[name], refitted.state_dict()[name]) for name in blocks)


def test_every_block_is_told_when_it_is_done(pruner: Pruner) -> None:
    policy, told = halved(pruner), []
    pruner.reconstruct(pruner.apply(policy), pruner.kept(policy), QUICK, on_block=lambda *args: told.append(args))
    assert told == [(1, 2, "first"), (2, 2, "second")]
    together = QUICK.model_copy(update={"steps": 1, "together": 1})
    pruner.reconstruct(pruner.apply(policy), pruner.kept(policy), together, on_block=lambda *args: told.append(args))
    assert told[2:] == [(1, 2, "first"), (2, 2, "second"), (2, 2, "then all together")]


def test_no_more_images_are_used_than_memory_is_allowed(pruner: Pruner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image takes 8 x 8 x 8 floats at a block's end."""
    monkeypatch.setattr(reconstruction, "_MOST_BYTES", 24 * 4 * 8 * 8 * 8)
    policy, seen = halved(pruner), []
    small = pruner.apply(policy)
    small.first.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))  # type: ignore[union-attr]
    blocks = find_blocks(small, pruner.traced.order, images(1))
    seen.clear()
    reconstruction.reconstruct(small, pruner.model, blocks, images(192), {}, STEPS, seed=0)
    assert seen == [24]


def test_a_failure_of_either_network_is_raised_and_leaves_no_thread_behind(pruner: Pruner) -> None:
    policy = halved(pruner)
    small, broken = pruner.apply(policy), copy.deepcopy(pruner.model)
    blocks = find_blocks(small, pruner.traced.order, images(1))

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    broken.second.register_forward_pre_hook(fail)  # type: ignore[union-attr]
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        reconstruction.reconstruct(small, broken, blocks, images(32), {}, STEPS, seed=0)
    small.second.register_forward_pre_hook(fail)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="out of memory"):
        reconstruction.reconstruct(small, pruner.model, blocks, images(32), {}, STEPS, seed=0)
    assert threading.active_count() == before


def test_a_real_network_comes_closer_than_any_refit_brings_it(shared: Path) -> None:
    model = resnet20().eval()
    load_weights(model, shared / "models" / "cifar10_resnet20.safetensors")
    with np.load(shared / "data" / "cifar10_subset.npz") as data:
        pixels = torch.from_numpy(data["train_x"][:512])
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = (pixels / 255 - mean) / std
    pruner = Pruner(model, trace(model, x[:1]), x[:384])
    half = halved(pruner)
    refitted = pruner.apply(half)
    better = pruner.reconstruct(refitted, pruner.kept(half), ReconstructionSpec(steps=100, together=0))
    assert error(better, model, x[384:]) < 0.9 * error(refitted, model, x[384:])
