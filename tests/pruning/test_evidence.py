"""Evidence gathered from networks, against what torch says of them directly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from pruned_nets import images, network
from torch import Tensor, nn
from zoo import ZOO

from autoprune.criteria.criterion import Need
from autoprune.criteria.evidence import Evidence
from autoprune.errors import BadInput
from autoprune.pruning import Pruner
from autoprune.tracing import trace

X = images(64)
LABELS = torch.randint(0, 5, (64,), generator=torch.Generator().manual_seed(4))


def gathered(model: nn.Module, needs: Need, x: Tensor = X, labels: Tensor | None = LABELS) -> tuple[Evidence, ...]:
    return Pruner(model, trace(model, x[:1]), x, labels=labels).evidence(needs)


def gated(model: nn.Module, layers: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network with the channels that each of `layers` reads multiplied by a number each."""

    def times(gate: Tensor) -> Callable[..., tuple[Tensor]]:
        return lambda _, args: (args[0] * gate.view(1, -1, *[1] * (args[0].ndim - 2)),)

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_pre_hook(times(gate)) for name, gate in layers.items()]
    try:
        out: Tensor = model(x)
        return out
    finally:
        for handle in handles:
            handle.remove()


def test_only_what_is_asked_for_is_gathered() -> None:
    model = network("normed")
    [nothing, *_] = gathered(model, Need.WEIGHTS | Need.MOMENTS)
    assert [nothing.readers, nothing.gradients, nothing.curvature, nothing.movement] == [None] * 4
    [some, *_] = gathered(model, Need.ACTIVATIONS)
    assert some.readers
    assert some.gradients is None


def test_the_network_and_its_flags_stay_as_they_were() -> None:
    model = network("normed")
    next(model.parameters()).requires_grad_(False)
    pruner = Pruner(model, trace(model, X[:1]), X, labels=LABELS)
    flags = [p.requires_grad for p in pruner.model.parameters()]
    before = {name: tensor.clone() for name, tensor in pruner.model.state_dict().items()}
    pruner.evidence(Need.ACTIVATIONS | Need.GRADIENTS | Need.CURVATURE | Need.MOVEMENT)
    assert [p.requires_grad for p in pruner.model.parameters()] == flags
    assert all(torch.equal(tensor, before[name]) for name, tensor in pruner.model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in pruner.model.modules())


def test_weights_norms_and_readers_are_those_of_the_layers() -> None:
    model = network("normed")
    first, second, _ = gathered(model, Need.ACTIVATIONS)
    assert torch.equal(first.made[0], model.get_parameter("0.weight").flatten(1).double())
    assert torch.equal(first.scales[0].flatten(), model.get_parameter("1.weight").double())
    assert first.read_by == ("3",)
    assert first.readers is not None
    assert second.readers is not None
    [reader] = first.readers
    read = model.get_parameter("3.weight").transpose(0, 1).flatten(1).double()
    assert torch.equal(reader.weight, read)
    with torch.no_grad():
        expected = torch.stack(list(model[:3](X))).flatten(2)  # type: ignore[index]
    assert reader.values.shape == (64, 64, 8)  # every position of so small an image is kept
    torch.testing.assert_close(reader.values.transpose(1, 2), expected)


def test_gates_are_the_derivative_of_each_images_loss() -> None:
    """By hand, image by image, for the inner channels of a residual block and for the stream that all blocks share."""
    model = network("residual")
    everything = gathered(model, Need.GRADIENTS)
    for evidence in everything:
        assert evidence.gradients is not None
        assert evidence.gradients.gates.shape == (64, evidence.units)
        for image in (0, 17, 63):
            gate = torch.ones(evidence.units, requires_grad=True)
            out = gated(model, dict.fromkeys(evidence.read_by, gate), X[image : image + 1])
            [expected] = torch.autograd.grad(F.cross_entropy(out, LABELS[image : image + 1]), gate)
            torch.testing.assert_close(evidence.gradients.gates[image].float(), expected, rtol=1e-3, atol=1e-6)
    assert max(len(evidence.read_by) for evidence in everything) == 3  # two blocks and the head read the stream


def test_gradients_of_weights_are_those_of_the_mean_loss() -> None:
    model = network("normed")
    first, _, _ = gathered(model, Need.GRADIENTS)
    made, read = model.get_parameter("0.weight"), model.get_parameter("3.weight")
    expected = torch.autograd.grad(F.cross_entropy(model(X), LABELS), [made, read])
    assert first.gradients is not None
    torch.testing.assert_close(first.gradients.made[0].float(), expected[0].flatten(1), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(first.gradients.read[0].float(), expected[1].flatten(1).T, rtol=1e-3, atol=1e-6)


def smooth() -> nn.Module:
    """A tiny network whose Hessian is worth computing whole."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 5)).eval()


def test_hutchinsons_estimate_lies_about_the_whole_hessians_diagonal_as_far_as_it_should() -> None:
    """16 batches of the same 32 images, 4 probes each: element i varies by the root of sum_j H_ij^2 / 64, j not i."""
    model, x = smooth(), torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 5, (32,), generator=torch.Generator().manual_seed(1))
    [evidence] = gathered(model, Need.CURVATURE, x.repeat(16, 1), labels.repeat(16))
    assert evidence.curvature is not None
    weights = [model.get_parameter(f"{layer}.weight").detach() for layer in (0, 2)]

    def of_weights(w: Tensor) -> Tensor:
        tensors = {"0.weight": w[:12].view(4, 3), "2.weight": w[12:].view(5, 4)}
        return F.cross_entropy(torch.func.functional_call(model, tensors, x), labels)

    def of_gates(gate: Tensor) -> Tensor:
        return F.cross_entropy(gated(model, {"2": gate}, x), labels)

    whole = torch.autograd.functional.hessian(of_weights, torch.cat([w.flatten() for w in weights]))  # type: ignore[no-untyped-call]
    assert_drawn_about(evidence.curvature.made[0].flatten(), whole, 12)
    whole = torch.autograd.functional.hessian(of_gates, torch.ones(4))  # type: ignore[no-untyped-call]
    assert_drawn_about(evidence.curvature.gates, whole, 4)


def assert_drawn_about(estimate: Tensor, whole: Tensor, first: int) -> None:
    """That the first elements of the diagonal of `whole` were estimated with 64 probes."""
    diagonal = whole.diagonal()
    deviation = ((whole.square().sum(1) - diagonal.square()) / 64).sqrt()[:first]
    off = (estimate.float() - diagonal[:first]) / deviation
    assert off.abs().max() < 3.5
    assert off.square().mean() < 3


def test_movement_adds_up_minus_w_g_along_sgd() -> None:
    model, x = smooth(), torch.randn(96, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 5, (96,), generator=torch.Generator().manual_seed(1))
    [evidence] = gathered(model, Need.MOVEMENT, x, labels)
    assert evidence.movement is not None
    order, total = torch.randperm(96, generator=torch.Generator().manual_seed(0)), torch.zeros(4, 3)
    for batch in torch.split(order, 32):
        parameters = list(model.parameters())
        gradients = torch.autograd.grad(F.cross_entropy(model(x[batch]), labels[batch]), parameters)
        total -= parameters[0].detach() * gradients[0]
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=1e-3)
    torch.testing.assert_close(evidence.movement[0].float(), total, rtol=1e-4, atol=1e-6)


def test_a_layer_that_runs_twice_is_two_readers() -> None:
    model = network("shared")
    [evidence] = [e for e in gathered(model, Need.ACTIVATIONS) if "shared" in e.read_by]
    assert evidence.readers is not None
    assert len(evidence.readers) == len(evidence.read_by) + 1


def test_every_pixel_of_a_flattened_channel_is_its_units() -> None:
    case = ZOO["flattened image"]
    model, x = case.model(), torch.randn(16, *case.shape[1:], generator=torch.Generator().manual_seed(0))
    evidence = gathered(model, Need.ACTIVATIONS, x, None)[0]
    assert evidence.readers is not None
    with torch.no_grad():
        pixels = F.max_pool2d(F.relu(model.get_submodule("conv")(x)), 2).flatten(2)
    torch.testing.assert_close(evidence.readers[0].values.transpose(1, 2), pixels)


def test_the_same_seed_gathers_the_same_and_another_draws_other_positions() -> None:
    model = network("normed")
    traced = trace(model, X[:1])
    needs = Need.ACTIVATIONS | Need.CURVATURE

    def once(seed: int) -> Evidence:
        return Pruner(model, traced, X, labels=LABELS, seed=seed).evidence(needs)[0]

    one, same, other = once(0), once(0), once(1)
    assert one.curvature is not None
    assert same.curvature is not None
    assert other.curvature is not None
    assert torch.equal(one.curvature.made[0], same.curvature.made[0])
    assert not torch.equal(one.curvature.made[0], other.curvature.made[0])
    assert one.seed == same.seed != other.seed


def test_derivatives_without_labels_are_refused() -> None:
    with pytest.raises(BadInput, match="labels"):
        gathered(network("normed"), Need.GRADIENTS, labels=None)
