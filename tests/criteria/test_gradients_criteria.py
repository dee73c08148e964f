"""Criteria of the loss's first derivatives, against loops over images, and on a network against the weights' own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from evidence_example import IMAGES, UNITS, evidence_of, images, random_evidence
from torch import nn

from autoprune.criteria.criterion import find_criterion
from autoprune.criteria.evidence import Evidence

seeds = pytest.mark.parametrize("seed", range(3))


def scores(name: str, evidence: Evidence) -> list[float]:
    return find_criterion(name).scores(evidence).tolist()


def gates(evidence: Evidence) -> list[list[float]]:
    assert evidence.gradients is not None
    return evidence.gradients.gates.tolist()


@seeds
def test_taylor_and_fisher_are_means_over_images(seed: int) -> None:
    evidence = random_evidence(seed)
    rows = gates(evidence)
    assert scores("taylor", evidence) == pytest.approx([sum(abs(r[u]) for r in rows) / IMAGES for u in range(UNITS)])
    fisher = [0.5 * sum(r[u] ** 2 for r in rows) / IMAGES for u in range(UNITS)]
    assert scores("fisher", evidence) == pytest.approx(fisher)


@seeds
def test_taylor2_squares_what_a_minibatch_of_32_says_together(seed: int) -> None:
    evidence = random_evidence(seed)
    rows, batches = gates(evidence), range(0, IMAGES, 32)
    expected = [sum((sum(r[u] for r in rows[b : b + 32]) / 32) ** 2 for b in batches) / 3 for u in range(UNITS)]
    assert scores("taylor2", evidence) == pytest.approx(expected)


@seeds
def test_snip_adds_up_connections_and_movement_what_they_moved(seed: int) -> None:
    evidence = random_evidence(seed)
    assert evidence.gradients is not None
    assert evidence.movement is not None
    sensitivity, moved = [0.0] * UNITS, [0.0] * UNITS
    for weight, gradient, movement in zip(evidence.made, evidence.gradients.made, evidence.movement, strict=True):
        for unit in range(UNITS):
            for w, g, m in zip(weight[unit].tolist(), gradient[unit].tolist(), movement[unit].tolist(), strict=True):
                sensitivity[unit] += abs(w * g)
                moved[unit] += m
    assert scores("snip", evidence) == pytest.approx([s / sum(sensitivity) for s in sensitivity])
    assert scores("movement", evidence) == pytest.approx(moved)


def bare() -> nn.Sequential:
    """Without a bias and a norm, so that a filter's g w is its channel's g a."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, UNITS, 3, bias=False), nn.ReLU(), nn.Conv2d(UNITS, 5, 3, padding=1), nn.Flatten(), nn.Linear(80, 4)
    ).eval()


def test_taylor_of_a_plain_layer_is_g_times_w_of_its_filters() -> None:
    """Each image's gradient by the weights, one after the other, as anyone would compute it."""
    model, (x, labels) = bare(), images()
    first = model[0].weight
    assert isinstance(first, nn.Parameter)
    magnitudes, squares = torch.zeros(UNITS), torch.zeros(UNITS)
    for image, label in zip(x, labels, strict=True):
        [gradient] = torch.autograd.grad(F.cross_entropy(model(image[None]), label[None]), first)
        change = (gradient * first.detach()).sum((1, 2, 3))
        magnitudes, squares = magnitudes + change.abs() / IMAGES, squares + change.square() / IMAGES
    evidence = evidence_of(model, x, labels)[0]
    assert scores("taylor", evidence) == pytest.approx(magnitudes.tolist(), rel=1e-3, abs=1e-7)
    assert scores("fisher", evidence) == pytest.approx((squares / 2).tolist(), rel=1e-3, abs=1e-9)
