"""What recipes compute, against independent implementations on random tensors."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from small_context import context
from torch import Tensor, nn

from autoprune.tracing import trace
from autoprune.training.channels import Channels
from autoprune.training.initialisation import initialised
from autoprune.training.method import Moment
from autoprune.training.recipes import Context, Pruned
from autoprune.training.recipes.attention import Agent
from autoprune.training.recipes.before import sensitivities
from autoprune.training.recipes.growing import Growing, chosen
from autoprune.training.recipes.gumbel import Gumbel, soft_draw
from autoprune.training.recipes.hard_concrete import hard_concrete, open_probability
from autoprune.training.recipes.masked import size_below, straight_through
from autoprune.training.recipes.penalties import elastic_net, group_lasso, slimming, sparse_group_lasso
from autoprune.training.recipes.rigl import changing, drop_and_grow
from autoprune.training.recipes.single_weights import (
    curvatures,
    prune_by_obd,
    prune_by_wanda,
    saliency,
    wanda,
    without_lowest,
    without_lowest_of_each_output,
)
from autoprune.training.recipes.soft_filters import SoftFilters
from autoprune.training.recipes.soft_threshold import SoftThreshold, soft_threshold
from autoprune.training.recipes.surgery import surgery
from autoprune.training.recipes.variational import VariationalDropout, divergence

SEEDS = st.integers(0, 1000)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seed=SEEDS)
def test_hard_concrete_gates_are_louizos(seed: int) -> None:
    """s = sigmoid((log u - log(1 - u) + log alpha) / (2/3)), stretched to (-0.1, 1.1), clamped: in numpy."""
    log_alpha, u = 3 * torch.randn(7, generator=generator(seed)), torch.rand(7, generator=generator(seed + 1))
    u = u.clamp(1e-3, 1 - 1e-3)
    x, a = u.double().numpy(), log_alpha.double().numpy()
    s = 1 / (1 + np.exp(-(np.log(x / (1 - x)) + a) * 3 / 2))
    np.testing.assert_allclose(hard_concrete(log_alpha, u).numpy(), np.clip(1.2 * s - 0.1, 0, 1), atol=1e-4)


def test_the_probability_that_a_gate_is_open_is_how_often_it_is() -> None:
    log_alpha = torch.tensor([-2.0, 0.0, 1.0])
    draws = hard_concrete(log_alpha, torch.rand(200_000, 3, generator=generator(0)))
    torch.testing.assert_close((draws > 0).float().mean(0), open_probability(log_alpha), atol=5e-3, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_soft_draws_are_distributed_as_a_gumbel_softmax_of_two(temperature: float) -> None:
    rng, logit = np.random.default_rng(0), 0.7
    noise = rng.gumbel(size=(2, 20_000))
    both = np.exp(np.stack([logit + noise[0], noise[1]]) / temperature)
    ours = soft_draw(torch.tensor(logit), torch.rand(20_000, generator=generator(0)), temperature)
    assert stats.ks_2samp(both[0] / both.sum(0), ours.numpy()).pvalue > 0.01


@pytest.mark.parametrize("log_alpha", [-6.0, -3.0, -1.0, 0.0, 2.0])
def test_the_divergence_is_the_integral_that_it_approximates(log_alpha: float) -> None:
    """KL from the log-uniform prior up to a constant: -log(alpha) / 2 + E log|1 + sqrt(alpha) e|, 0 for alpha = inf."""

    def exact(a: float) -> float:
        scale = math.exp(a / 2)
        value, _ = integrate.quad(
            lambda e: math.log(abs(1 + scale * e)) * math.exp(-(e**2) / 2) / math.sqrt(2 * math.pi),
            -12,
            12,
            points=[-1 / scale] if 1 / scale < 12 else None,
            limit=200,
        )
        return -a / 2 + float(value)

    found = float(divergence(torch.tensor(log_alpha))) - float(divergence(torch.tensor(12.0)))
    assert found == pytest.approx(exact(log_alpha) - exact(12.0), abs=0.02)


@given(seed=SEEDS)
def test_soft_thresholding_is_the_proximal_step_of_the_norm(seed: int) -> None:
    size, threshold = torch.rand(9, generator=generator(seed)), torch.tensor(0.4)
    expected = np.maximum(size.numpy() - 0.4, 0.0)
    np.testing.assert_allclose(soft_threshold(size, threshold).numpy(), expected)


def test_a_learned_threshold_shrinks_each_channel_by_it() -> None:
    method, network = SoftThreshold(context().channels), context().dense
    before = context().channels.norms(network)
    after = context().channels.norms(network, method.tensors(network))
    for own, shrunk, s in zip(before, after, method.learned, strict=True):
        gone = torch.sigmoid(s) * own.mean()
        torch.testing.assert_close(shrunk, (own - gone).clamp_min(1e-6), rtol=1e-3, atol=1e-5)


def test_the_group_lassos_gradient_is_the_direction_of_each_channel() -> None:
    """d/dw sqrt(p) ||w|| = sqrt(p) w / ||w||, for a group that one layer alone reads."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(5 * 16, 3))
    traced = trace(network, torch.randn(1, 1, 8, 8))
    weight = network.get_parameter("2.weight")
    (slope,) = torch.autograd.grad(group_lasso(Channels(traced), network), [weight])
    for unit in range(4):
        w = weight[:, unit]
        torch.testing.assert_close(slope[:, unit], 1e-3 * math.sqrt(45) * w / w.norm(), rtol=1e-4, atol=1e-7)


def read_of(tensor: Callable[[str], Tensor]) -> list[Tensor]:
    """What reads each unit of the small network, looked up in its slices: of each weight's `tensor`, float64."""
    traced = context().traced
    found: list[list[Tensor]] = [[] for _ in range(sum(traced.units))]
    starts = np.cumsum([0, *traced.units])
    for axis in traced.axes:
        if axis.contracted:
            weight = tensor(axis.parameter).detach().double()
            for place, (group, unit) in enumerate(zip(axis.group, axis.unit, strict=True)):
                if group >= 0:
                    found[starts[group] + unit].append(weight.select(axis.axis, place).flatten())
    return [torch.cat(own) for own in found]


class TestPenalties:
    """On the small network's weights."""

    def reading(self) -> list[Tensor]:
        return read_of(context().dense.get_parameter)

    def test_group_lasso(self) -> None:
        expected = 1e-3 * sum(math.sqrt(len(w)) * float(w.norm()) for w in self.reading())
        assert float(group_lasso(context().channels, context().dense).detach()) == pytest.approx(expected, rel=1e-4)

    def test_sparse_group_lasso_and_elastic_net(self) -> None:
        w = self.reading()
        single, squared = sum(float(x.abs().sum()) for x in w), sum(float(x.square().sum()) for x in w)
        lasso = float(group_lasso(context().channels, context().dense).detach())
        found = float(sparse_group_lasso(context().channels, context().dense).detach())
        assert found == pytest.approx(0.5 * lasso + 0.5 * 1e-3 * single, rel=1e-4)
        elastic = float(elastic_net(context().channels, context().dense).detach())
        assert elastic == pytest.approx(1e-4 * (0.5 * single + 0.25 * squared), rel=1e-4)

    def test_slimming_is_the_sum_of_the_gammas(self) -> None:
        expected = 1e-3 * sum(float(own.detach().sum()) for own in context().channels.scales(context().dense))
        assert float(slimming(context().channels, context().dense).detach()) == pytest.approx(expected, rel=1e-5)

    def test_what_is_to_go_has_the_smallest_l1_norms_of_its_group(self) -> None:
        policy, kept = chosen(context())
        assert sum(map(len, kept)) < sum(context().traced.units)
        norms = torch.split(torch.stack([w.abs().sum() for w in self.reading()]), list(context().traced.units))
        for own, stays in zip(norms, kept, strict=True):
            goes = np.setdiff1d(np.arange(len(own)), stays)
            assert not len(goes) or own[goes].max() <= own[stays].min()
        assert policy.widths == tuple(map(len, kept))

    def test_a_growing_penalty_is_on_what_goes_alone_and_grows(self) -> None:
        kept = [np.arange(1, units) for units in context().traced.units]
        method = Growing(context(), kept)
        starts = np.cumsum([0, *context().traced.units[:-1]])
        going = sum(float(self.reading()[start].square().sum()) for start in starts)
        early, late = (float(method.penalty(context().dense, Moment(s, 10, 1, 1)).detach()) for s in (2, 8))
        assert early == pytest.approx(0.2 / 2 * going, rel=1e-4)
        assert late == pytest.approx(4 * early)


def test_snip_is_weight_times_gradient_of_all_that_reads_a_channel() -> None:
    """|dL/dc| of a gate c on weights w is |sum w dL/dw|, here of an untrained network and one batch."""
    start = initialised(context().dense, 3)
    found = sensitivities(context(), copy.deepcopy(start))
    inputs, targets = context().data.train.batch(torch.arange(256))
    start.train()
    weights = dict(start.named_parameters())
    slopes = torch.autograd.grad(torch.nn.functional.cross_entropy(start(inputs), targets), list(weights.values()))
    products = {name: weight * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)}
    expected = [abs(float(own.sum())) for own in read_of(products.__getitem__)]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-3, atol=1e-6)


@given(seed=SEEDS)
def test_agents_are_squeeze_and_excitation(seed: int) -> None:
    """s = sigmoid(W2 relu(W1 z) + b) in numpy."""
    agent, z = Agent(8), torch.rand(8, generator=generator(seed))
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator(seed + 1)))
        found = agent(z).numpy()
    squeeze, excite, bias = (p.detach().double().numpy() for p in (agent.squeeze, agent.excite, agent.bias))
    s = excite @ np.maximum(squeeze @ z.double().numpy(), 0) + bias
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-s)), rtol=1e-4, atol=1e-6)


def test_gumbel_gates_are_open_or_closed_and_have_the_soft_draws_slope() -> None:
    gates = Gumbel(context().channels, 0.5).train()
    torch.manual_seed(0)
    drawn = gates.gates()
    torch.manual_seed(0)
    soft = soft_draw(gates.learned, torch.rand_like(gates.learned), 1.0)
    assert set(drawn.tolist()) == {0.0, 1.0}
    assert torch.equal(drawn, (soft > 0.5).float())
    (slope,) = torch.autograd.grad(drawn.sum(), [gates.learned])
    torch.testing.assert_close(slope, (soft * (1 - soft)).detach())  # of a sigmoid


def test_variational_noise_has_mean_one_and_variance_alpha() -> None:
    gates = VariationalDropout(context().channels).train()
    with torch.no_grad():
        gates.learned.fill_(math.log(0.25))
        torch.manual_seed(0)
        drawn = torch.stack([gates.gates() for _ in range(2_000)])
    assert float(drawn.mean()) == pytest.approx(1, abs=0.02)
    assert float(drawn.var()) == pytest.approx(0.25, rel=0.03)


def test_soft_filters_are_zeroed_by_l2_norm_until_the_budgets_are_kept() -> None:
    """Of each group as many of the smallest as the budgets ask for, and nothing else is touched."""
    network, method = copy.deepcopy(context().dense), SoftFilters(context())
    norms = [float(own.norm()) for own in read_of(network.get_parameter)]
    method.after_epoch(network, Moment(1, 2, 1, 2))
    left = [float(own.norm()) for own in read_of(network.get_parameter)]
    for units, start in zip(context().traced.units, np.cumsum([0, *context().traced.units]), strict=False):
        order = sorted(range(start, start + units), key=lambda u: norms[u])
        zeroed = [u for u in order if left[u] == 0]
        assert zeroed == order[: len(zeroed)]
    assert 0 < left.count(0.0) < len(left)


@given(seed=SEEDS, share=st.floats(0, 1))
def test_rigl_drops_the_smallest_and_grows_the_steepest(seed: int, share: float) -> None:
    """Algorithm 1 of the paper with sorted lists: what grows is looked for among all that is not open any more."""
    rng = np.random.default_rng(seed)
    mask = (rng.random(30) < 0.5).astype(np.float32)
    size, slope = rng.random(30), rng.random(30)
    new = drop_and_grow(torch.from_numpy(mask), torch.from_numpy(size), torch.from_numpy(slope), share).numpy()
    opened = sorted((i for i in range(30) if mask[i]), key=lambda i: size[i])
    moved = round(share * len(opened))
    active = set(opened[moved:])
    grown = sorted((i for i in range(30) if i not in active), key=lambda i: -slope[i])[:moved]
    assert {i for i in range(30) if new[i]} == active | set(grown)
    assert new.sum() == mask.sum()


def test_rigl_takes_back_what_it_dropped_where_the_loss_asks_for_it() -> None:
    mask, size = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.1, 0.2, 0.0])
    assert drop_and_grow(mask, size, torch.tensor([9.0, 0.0, 1.0]), 0.5).tolist() == [1, 1, 0]
    assert drop_and_grow(mask, size, torch.tensor([1.0, 0.0, 9.0]), 0.5).tolist() == [0, 1, 1]


@given(done=st.floats(0, 1), later=st.floats(0, 1))
def test_rigl_changes_less_and_less(done: float, later: float) -> None:
    early, late = sorted((done, later))
    assert changing(0.0) == pytest.approx(0.3)
    assert changing(early) >= changing(late) >= 0
    assert changing(0.8) == 0


@given(seed=SEEDS)
def test_surgery_closes_below_opens_above_and_leaves_the_rest(seed: int) -> None:
    weight = torch.randn(40, generator=generator(seed))
    mask = (torch.rand(40, generator=generator(seed + 1)) < 0.5).float()
    for w, before, after in zip(weight.tolist(), mask.tolist(), surgery(weight, mask, 0.5).tolist(), strict=True):
        assert after == (0 if abs(w) < 0.45 else 1 if abs(w) >= 0.55 else before)


@given(seed=SEEDS, share=st.floats(0, 1))
def test_a_share_of_all_weights_does_not_exceed_its_size(seed: int, share: float) -> None:
    weight = torch.randn(4, 10, generator=generator(seed))
    assert int((weight.abs() <= size_below(weight, share)).sum()) == round(40 * share)


def test_what_is_masked_computes_with_zero_and_has_its_gradient() -> None:
    weight = nn.Parameter(torch.randn(5, generator=generator(0)))
    mask, factor = torch.tensor([1.0, 0, 1, 0, 1]), torch.arange(1.0, 6)
    masked = straight_through(weight, mask)
    assert torch.equal(masked, weight * mask)
    (slope,) = torch.autograd.grad((masked * factor).sum(), [weight])
    assert torch.equal(slope, factor)


@given(seed=SEEDS)
def test_wandas_score_of_a_convolution_is_that_of_the_patches_it_reads(seed: int) -> None:
    """|W_ij| times the norm of feature j over all patches: in numpy, patch by patch."""
    weight, x = torch.randn(3, 2, 2, 2, generator=generator(seed)), torch.randn(4, 2, 5, 5, generator=generator(seed))
    patches = [x[n, :, i : i + 2, j : j + 2].flatten() for n in range(4) for i in range(4) for j in range(4)]
    norms = torch.stack(patches).norm(dim=0)
    expected = np.abs(weight.numpy()) * norms.view(2, 2, 2).numpy()
    np.testing.assert_allclose(wanda(weight, norms).numpy(), expected, rtol=1e-6)


def test_the_saliency_is_what_a_quadratic_loss_rises_by() -> None:
    h, w = torch.tensor([2.0, 0.5, 0.0]), torch.tensor([1.0, -3.0, 4.0])
    assert saliency(w, h).tolist() == [1.0, 2.25, 0.0]


@given(seed=SEEDS, share=st.floats(0, 1))
def test_the_lowest_scores_go_of_all_tensors_together_or_of_each_output(seed: int, share: float) -> None:
    scores = {"a": torch.rand(3, 4, generator=generator(seed)), "b": torch.rand(5, 2, 2, generator=generator(seed + 1))}
    masks = without_lowest(scores, share)
    gone = torch.cat([scores[n][m == 0] for n, m in masks.items()])
    left = torch.cat([scores[n][m == 1] for n, m in masks.items()])
    assert len(gone) == round(share * 32)
    assert not len(gone) or not len(left) or gone.max() <= left.min()
    own = without_lowest_of_each_output(scores["b"], share)
    for row, mask in zip(scores["b"].flatten(1), own.flatten(1), strict=True):
        assert int((mask == 0).sum()) == round(share * 4)
        assert not (mask == 0).any() or not mask.any() or row[mask == 0].max() <= row[mask == 1].min()


def test_the_curvature_of_the_last_layer_is_that_of_autograd() -> None:
    """There the network is linear, so that Gauss-Newton is the Hessian: `torch.autograd.functional.hessian`."""
    small = context()
    name = next(name for name, p in small.dense.named_parameters() if p.ndim == 2)
    seeds = [replace(small, seed=seed) for seed in range(12)]
    estimated = torch.stack([curvatures(seeded, (name,))[name] for seeded in seeds]).mean(0)
    inputs, targets = small.data.train.batch(torch.arange(512))

    def loss(weight: Tensor) -> Tensor:
        outputs = torch.func.functional_call(small.dense, {name: weight}, (inputs,))
        return nn.functional.cross_entropy(outputs, targets)

    weight = small.dense.get_parameter(name).detach()
    whole = torch.autograd.functional.hessian(loss, weight)  # type: ignore[no-untyped-call]
    exact = whole.reshape(weight.numel(), -1).diagonal().view_as(weight)
    assert np.corrcoef(estimated.flatten().numpy(), exact.flatten().numpy())[0, 1] > 0.95
    assert float(estimated.sum()) == pytest.approx(float(exact.sum()), rel=0.1)


@pytest.mark.parametrize("prune", [prune_by_obd, prune_by_wanda])
def test_single_weights_that_went_are_zero_before_channels_are_cut(prune: Callable[[Context], Pruned]) -> None:
    small, read_by = context(), context().channels.read_by
    sparse = prune(small).sparse
    assert sparse is not None
    weights = torch.cat([sparse.network.get_parameter(name).detach().flatten() for name in read_by])
    assert float((weights == 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    total = sum(p.numel() for p in sparse.network.parameters())
    assert sparse.sparsity == pytest.approx(float((weights == 0).sum()) / total)
