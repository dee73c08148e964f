"""The pruner: nested choices, slices that answer like the dense network, and a model that stays as it was."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruned_nets import NETS, Pool, images, network, normed, pruner
from torch import Tensor, nn

from autoprune.criteria.criterion import criteria, needs_of
from autoprune.errors import BadInput
from autoprune.pruning import Pruner
from autoprune.space import Policy, SearchSpace
from autoprune.tracing import trace

every_net = pytest.mark.parametrize("name", NETS)
SEEDS = (0, 1, 2)


def halved(one: Pruner) -> Policy:
    return one.traced.space.policy([0.5] * len(one.traced.space))


def error(model: nn.Module, dense: nn.Module, x: Tensor) -> float:
    """Mean squared difference of outputs as a share of the dense outputs' variance over the images."""
    with torch.no_grad():
        expected = dense(x)
        return float((model(x) - expected).square().mean() / expected.var(0).mean())


def without_refit(one: Pruner, policy: Policy) -> nn.Module:
    return one.traced.slice(one.model, one.kept(policy))


# Which channels stay.


@every_net
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_kept_units_are_nested_and_as_many_as_the_policy_says(name: str, data: st.DataObject) -> None:
    one = pruner(name)
    pairs = [data.draw(st.tuples(*[st.sampled_from(g.widths)] * 2)) for g in one.traced.space.groups]
    narrow, wide = (one.kept(Policy(tuple(pick(pair) for pair in pairs))) for pick in (min, max))
    for g, group in enumerate(one.traced.space.groups):
        assert len(narrow[g]) == min(pairs[g]) // group.unit
        assert len(wide[g]) == max(pairs[g]) // group.unit
        assert set(narrow[g]) <= set(wide[g]) <= set(range(one.traced.units[g]))
        assert np.all(np.diff(wide[g]) > 0)


@every_net
def test_damage_falls_with_the_width_and_is_none_at_the_dense_one(name: str) -> None:
    one = pruner(name)
    fewer = SearchSpace(tuple(replace(g, widths=g.widths[::-2][::-1]) for g in one.traced.space.groups))
    for whole, some, group in zip(one.damages(one.traced.space), one.damages(fewer), fewer.groups, strict=True):
        assert whole[-1] == 0
        assert (np.diff(whole) <= 0).all()
        assert whole[0] > 0
        assert some.shape == (len(group.widths),)
        assert set(some) <= set(whole)


@pytest.mark.parametrize("widths", [(4,), (9, 12, 10), (4, 4, 4, 4)])
def test_a_policy_of_another_network_is_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="width"):
        pruner("normed").kept(Policy(widths))


def test_channels_without_a_refittable_consumer_are_ranked_by_their_weights() -> None:
    """The grouped convolution reads the stem: norms of both sides decide, each as a share of its weight."""
    one = pruner("grouped")
    assert one.traced.space.groups[0].layers == ("0", "2")
    stem, reader = (one.model.get_parameter(f"{layer}.weight").detach().square() for layer in ("0", "2"))
    rows = stem.sum((1, 2, 3)).reshape(4, 3).sum(0) / stem.sum()  # unit u is channel u of each of the 4 groups
    columns = reader.sum((0, 2, 3)) / reader.sum()
    assert one.ranking[0].order.tolist() == (rows + columns).argsort().tolist()


# The criterion.


def by(criterion: str, name: str = "normed", labels: Tensor | None = None) -> Pruner:
    model = network(name)
    return Pruner(model, trace(model, images(1)), images(64), labels=labels, criterion=criterion)


def test_the_criterion_chooses_which_channels_are_kept() -> None:
    one = by("l1")
    weight = one.model.get_parameter("0.weight").detach().abs().sum((1, 2, 3))
    kept = one.kept(Policy((3, *(g.width for g in one.traced.space.groups[1:]))))
    assert kept[0].tolist() == sorted(weight.argsort()[-3:].tolist())
    assert [len(own) for own in kept[1:]] == [g.width for g in one.traced.space.groups[1:]]


def test_a_criterion_that_asks_the_loss_needs_labels() -> None:
    with pytest.raises(BadInput, match="criterion taylor needs labels"):
        by("taylor")
    assert len(by("taylor", labels=torch.zeros(64, dtype=torch.int64)).ranking) == 3


def test_a_group_that_is_left_whole_needs_no_answer() -> None:
    """Without a batch norm there is no gamma: cutting that group is refused, keeping it is not."""
    one = by("bn-gamma")
    space = one.traced.space
    whole = [(g.width,) if g.name == "6" else g.widths for g in space.groups]
    one.rank(space.with_widths(whole))
    assert len(one.kept(Policy((3, 4, 10)))[2]) == 10
    with pytest.raises(BadInput, match=r"bn-gamma cannot rank 6: no batch norm .*--keep 6"):
        one.kept(Policy((3, 4, 5)))
    with pytest.raises(BadInput, match="bn-gamma cannot rank 6"):
        one.rank(space)


def test_one_pruners_statistics_serve_all_criteria() -> None:
    labels = torch.arange(64) % 5
    one = by("elimination", labels=labels)
    evidence = one.evidence(needs_of(list(criteria().values())))
    for name in ("l2", "taylor", "lda"):
        expected, got = by(name, labels=labels), one.ranked_by(name, evidence)
        for own, other in zip(expected.ranking, got.ranking, strict=True):
            assert own.order.tolist() == other.order.tolist()
    assert one.criterion.name == "elimination"


# What the smaller network answers.


@every_net
def test_the_dense_policy_is_the_dense_network(name: str) -> None:
    one, x = pruner(name), images(64, seed=9)
    assert error(one.slice(one.traced.space.dense()), one.model, x) == 0.0
    assert error(one.preview(one.traced.space.dense()), one.model, x) < 1e-4
    assert error(one.apply(one.traced.space.dense()), one.model, x) < 1e-4


@every_net
def test_every_width_runs(name: str) -> None:
    one = pruner(name)
    for policy in (one.traced.space.smallest(), halved(one)):
        for model in (one.slice(policy), one.preview(policy), one.apply(policy)):
            with torch.no_grad():
                assert bool(torch.isfinite(model(images(4))).all())


@pytest.mark.parametrize("name", ["normed", "bare", "residual", "depthwise", "tokens", "shared"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_refit_is_far_better_than_a_plain_slice_of_the_same_channels(name: str, seed: int) -> None:
    one = pruner(name, seed)
    policy, x = halved(one), images(128, seed=9)
    assert error(one.slice(policy), one.model, x) < 0.7 * error(without_refit(one, policy), one.model, x)


@pytest.mark.parametrize("name", ["normed", "bare", "residual", "depthwise"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequential_refit_repairs_more_of_the_calibration_images(name: str, seed: int) -> None:
    one = pruner(name, seed)
    policy = halved(one)
    assert error(one.apply(policy), one.model, images()) < error(one.slice(policy), one.model, images())


def with_twins(scale: float) -> nn.Module:
    """The second half of the first convolution's channels is the first half, `scale` times."""
    torch.manual_seed(0)
    model = normed()
    conv, norm = model[0], model[1]  # type: ignore[index]
    with torch.no_grad():
        model.train()(images())
        conv.weight[4:] = scale * conv.weight[:4]
        for statistic, power in ((norm.running_mean, 1), (norm.running_var, 2)):
            statistic[4:] = scale**power * statistic[:4]
        norm.weight.copy_(torch.linspace(0.5, 1.5, 4).repeat(2))
        norm.bias.copy_(torch.linspace(-0.2, 0.2, 4).repeat(2))
    return model.eval()


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_redundant_channels_go_at_no_cost(scale: float) -> None:
    """One of each pair of twins stays, and the consumer puts the weight of both on it."""
    model = with_twins(scale)
    one = Pruner(model, trace(model, images(1)), images())
    policy, x = Policy((4, 12, 10)), images(64, seed=9)
    assert sorted(unit % 4 for unit in one.kept(policy)[0]) == [0, 1, 2, 3]
    assert error(without_refit(one, policy), model, x) > 0.1
    assert error(one.slice(policy), model, x) < 1e-4
    assert error(one.apply(policy), model, x) < 1e-4


def test_constant_channels_go_at_no_cost() -> None:
    """What never changes is an offset, exactly; without padding, which would make it change at the border."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 3)
    with torch.no_grad():
        conv.weight[[1, 4, 6]] = 0.0
        conv.bias[[1, 4, 6]] = 2.0  # type: ignore[index]
    model = nn.Sequential(conv, nn.ReLU(), nn.Conv2d(8, 6, 3), Pool(), nn.Linear(6, 5))
    one = Pruner(model, trace(model, images(1)), images())
    policy, x = Policy((5, 6)), images(64, seed=9)
    assert one.kept(policy)[0].tolist() == [0, 2, 3, 5, 7]
    assert error(without_refit(one, policy), model, x) > 0.1
    assert error(one.slice(policy), model, x) < 1e-8
    assert error(one.apply(policy), model, x) < 1e-8


# What stays as it was.


@every_net
def test_the_model_is_never_changed(name: str) -> None:
    model = network(name)
    before = copy.deepcopy(model)
    one = Pruner(model, trace(model, images(1)), images(64))
    one.slice(halved(one))
    one.preview(halved(one))
    one.apply(halved(one))
    assert repr(model) == repr(before)
    for (key, now), (_, then) in zip(model.state_dict().items(), before.state_dict().items(), strict=True):
        assert torch.equal(now, then), key
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_model_in_training_mode_stays_in_it_and_is_pruned_as_in_eval_mode() -> None:
    """Calibration in training mode would move the statistics of its norms."""
    model = network("normed").train()
    before = copy.deepcopy(model.state_dict())
    one, same = Pruner(model, trace(model, images(1)), images()), pruner("normed")
    x = images(16, seed=9)
    with torch.no_grad():
        torch.testing.assert_close(one.apply(halved(one))(x), same.apply(halved(same))(x))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@every_net
def test_networks_of_two_policies_share_nothing(name: str) -> None:
    """A result is not changed by what is asked for later."""
    one = pruner(name)
    first = one.apply(halved(one))
    before = copy.deepcopy(first.state_dict())
    one.apply(one.traced.space.smallest())
    one.slice(halved(one))
    one.preview(halved(one))
    assert all(torch.equal(before[key], tensor) for key, tensor in first.state_dict().items())


@every_net
def test_the_same_calibration_and_seed_give_the_same_networks(name: str) -> None:
    model = network(name)
    traced = trace(model, images(1))
    one, same = (Pruner(model, traced, images(), seed=3) for _ in range(2))
    policy = halved(one)
    for way in (Pruner.slice, Pruner.preview, Pruner.apply):
        a, b = way(one, policy), way(same, policy)
        assert all(torch.equal(t, b.state_dict()[key]) for key, t in a.state_dict().items())


def test_given_units_are_kept_as_given() -> None:
    one = pruner("normed")
    kept = [np.array([0, 1, 2]), np.array([5, 3]), np.array([9])]
    model = one.apply_kept(kept)
    assert [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)] == [3, 2, 1]
    torch.testing.assert_close(
        model.get_parameter("0.weight"), one.model.get_parameter("0.weight")[:3], atol=1e-4, rtol=0
    )
