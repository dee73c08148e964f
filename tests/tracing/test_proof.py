"""The proof: networks whose code lies about their channels are found out, whatever the operators look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zoo import PRUNABLE, Apply, Head, Named, conv_bn, plain, traced

from autoprune.tracing import trace
from autoprune.tracing.proof import TOLERANCE, disproved, randomised, slice_error
from autoprune.tracing.slicing import unit_masks


def first_three(x: Tensor) -> Tensor:
    """Takes channels by number where no operator shows it."""
    return torch.from_numpy(x.numpy()[:, :3].copy()).repeat(1, 2, 1, 1)


def by_their_number(x: Tensor) -> Tensor:
    return x * (x.shape[1] / 8)


def bent_unless_there_are_eight(x: Tensor) -> Tensor:
    return x if x.shape[1] == 8 else x.tanh()


def as_a_block_of_eight(x: Tensor) -> Tensor:
    return x.view(2 * (x.shape[0] // 2) + x.shape[0] % 2, 8, *x.shape[2:])


def smaller_if_narrow(x: Tensor) -> Tensor:
    return x if x.shape[1] == 8 else x[:, :, :2]


LIES: dict[str, tuple[Callable[[Tensor], Tensor], int, str]] = {
    "channels by number": (first_three, 6, "answers are off by"),
    "scaled by their number": (by_their_number, 8, "answers are off by"),
    "another path when narrow": (bent_unless_there_are_eight, 8, "answers are off by"),
    "a written number": (as_a_block_of_eight, 8, "counts on all of them: sliced, it does not run (shape"),
    "another size when narrow": (smaller_if_narrow, 8, "answers are off by"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_network_that_lies_is_frozen_with_what_was_seen(lie: str) -> None:
    function, width, words = LIES[lie]
    torch.manual_seed(0)
    net = trace(plain(Apply(function), last=width), torch.randn(1, 3, 8, 8))
    assert net.space.groups == ()
    assert [f.name for f in net.space.frozen] == ["stem"]
    assert words in net.space.frozen[0].reason


def test_a_layer_that_answers_in_another_shape_is_told() -> None:
    torch.manual_seed(0)
    net = trace(plain(Apply(smaller_if_narrow), nn.Conv2d(8, 8, 1)), torch.randn(1, 3, 8, 8))
    assert [g.name for g in net.space.groups] == ["m1"]
    assert "answers in other shapes" in net.space.frozen[0].reason


@pytest.mark.parametrize("middle", [nn.ReLU, nn.SiLU, nn.Sigmoid])
@pytest.mark.parametrize("depth", [4, 40])
def test_a_lie_is_found_however_deep_the_network_behind_it(depth: int, middle: Callable[[], nn.Module]) -> None:
    """Without norms, signals that die out on their way to the output would hide it."""
    layers = [layer for _ in range(depth) for layer in (nn.Conv2d(8, 8, 3, padding=1), middle())]
    torch.manual_seed(0)
    net = trace(plain(Apply(bent_unless_there_are_eight), *layers), torch.randn(1, 3, 8, 8))
    assert "stem" in {f.name for f in net.space.frozen}
    assert len(net.space.groups) == depth


def test_a_lie_behind_a_layer_that_is_still_zero_is_found() -> None:
    """As in networks whose last layer, or last norm of a block, starts at zero."""
    torch.manual_seed(0)
    model = plain(Apply(by_their_number))
    nn.init.zeros_(model.head.fc.weight)  # type: ignore[union-attr, arg-type]
    assert trace(model, torch.randn(1, 3, 8, 8)).space.groups == ()


def test_a_lie_behind_a_softmax_over_many_classes_is_found() -> None:
    """Its outputs are near 1 / 1000, so differences count as shares of the largest."""
    torch.manual_seed(0)
    model = nn.Sequential(plain(Apply(by_their_number), last=8), nn.Linear(5, 1000), nn.Softmax(1))
    assert "0.stem" in {f.name for f in trace(model, torch.randn(1, 3, 8, 8)).space.frozen}


class SomeLie(Named):
    """Twelve blocks with an inner width each; the ones in `liars` count their channels."""

    def __init__(self, liars: set[int]) -> None:
        super().__init__(
            stem=nn.Conv2d(3, 8, 3, padding=1),
            **{f"in{i}": conv_bn(8, 6) for i in range(12)},
            **{f"out{i}": conv_bn(6, 8) for i in range(12)},
            head=Head(8),
        )
        self.liars = liars

    def forward(self, x: Tensor) -> Tensor:
        x = self.run("stem", x)
        for i in range(12):
            y = self.run(f"in{i}", x).relu()
            x = x + self.run(f"out{i}", y * y.shape[1] if i in self.liars else y)
        return self.run("head", x)


@pytest.mark.parametrize("liars", [set(), {0}, {11}, {3, 4}, {0, 5, 6, 10}, set(range(12))])
def test_exactly_the_liars_are_refused(liars: set[int]) -> None:
    torch.manual_seed(0)
    net = trace(SomeLie(liars), torch.randn(1, 3, 8, 8))
    assert {f.name for f in net.space.frozen} == {f"in{i}.0" for i in liars}
    assert len(net.space.groups) == 13 - len(liars)


def test_groups_that_hold_alone_but_not_together_are_told_so() -> None:
    class Jealous(SomeLie):
        """Only one of two blocks may be narrow."""

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.run("in0", x0 := self.run("stem", x)), self.run("in1", x0)
            factor = 1.0 if a.shape[1] == 6 or b.shape[1] == 6 else 3.0
            return self.run("head", factor * (self.run("out0", a) + self.run("out1", b)))

    torch.manual_seed(0)
    net = trace(Jealous(set()), torch.randn(1, 3, 8, 8))
    [frozen] = net.space.frozen
    assert frozen.name in ("in0.0", "in1.0")
    assert frozen.reason.startswith("together with other groups, the sliced network's answers are off by")
    assert len(net.space.groups) == 3


@pytest.mark.parametrize("name", PRUNABLE)
def test_what_holds_holds_at_other_random_weights_and_units_too(name: str) -> None:
    case, model, net = traced(name)
    rng = np.random.default_rng(5)
    kept = [rng.permutation(n)[: max(1, n // 3)] for n in net.units]
    subject = randomised(model, case.example(), seed=5)
    assert slice_error(subject, case.example(), net.axes, net.pads, unit_masks(net.units, kept)) <= TOLERANCE


def test_a_slice_along_the_wrong_channels_is_off() -> None:
    """The comparison itself can fail: one layer of the slice keeps other channels than its producer."""
    case, model, net = traced("chain")
    wrong = tuple(
        replace(a, unit=a.unit[::-1].copy()) if (a.parameter, a.axis) == ("conv2.weight", 1) else a for a in net.axes
    )
    masks = unit_masks(net.units, [np.arange(4), np.arange(6)])
    assert slice_error(model, case.example(), net.axes, net.pads, masks) <= TOLERANCE
    assert slice_error(model, case.example(), wrong, net.pads, masks) > 100 * TOLERANCE
    failed = disproved(model, case.example(), net.space.groups, wrong, net.pads)
    assert list(failed) == ["conv1"]


def test_random_weights_neither_damp_nor_amplify() -> None:
    layers = [layer for _ in range(60) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.Hardswish())]
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        answer = randomised(plain(*layers), x)(x)
    assert 0.01 < float(answer.abs().max()) < 100


def test_random_weights_leave_the_model_alone_and_depend_on_the_seed() -> None:
    case, model, _ = traced("residual")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one, same, other = (randomised(model, case.example(), seed=seed).state_dict() for seed in (3, 3, 4))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert torch.equal(one[name], same[name])
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])
