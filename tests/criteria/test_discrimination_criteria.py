"""Criteria of the classes: Fisher's ratio against scikit-learn's F test, DCP against its loop written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_example import CLASSES, IMAGES, UNITS, random_evidence
from sklearn.feature_selection import f_classif

from autoprune.criteria.criterion import find_criterion
from autoprune.criteria.evidence import Gradients

seeds = pytest.mark.parametrize("seed", range(3))


@seeds
def test_fishers_ratio_is_the_f_statistic_without_its_degrees_of_freedom(seed: int) -> None:
    evidence = random_evidence(seed)
    assert evidence.readers is not None
    assert evidence.labels is not None
    pooled = evidence.readers[0].values.double().mean(1).numpy()
    f, _ = f_classif(pooled, evidence.labels.numpy())
    expected = f * (CLASSES - 1) / (IMAGES - CLASSES)
    assert find_criterion("lda").scores(evidence).tolist() == pytest.approx(expected.tolist())


@seeds
def test_dcp_takes_the_unit_with_the_largest_gradient_of_both_losses(seed: int) -> None:
    evidence = random_evidence(seed)
    assert evidence.gradients is not None
    [consumer] = evidence.consumers
    h, w, rows = consumer.moments.numpy(), consumer.weight.numpy(), consumer.rows.numpy()
    loss = evidence.gradients.read[0].numpy() / np.linalg.norm(evidence.gradients.read[0].numpy())
    taken: list[int] = []
    start, left = np.linalg.norm(h @ w), list(range(UNITS))
    while left:
        v = np.zeros_like(w)
        if used := rows[taken].reshape(-1).tolist():
            v[used] = np.linalg.solve(h[np.ix_(used, used)], (h @ w)[used])
        gradient = loss + h @ (v - w) / start
        best = max(left, key=lambda unit: np.linalg.norm(gradient[rows[unit]]))
        taken.append(best)
        left.remove(best)
    assert torch.argsort(find_criterion("dcp").scores(evidence), descending=True).tolist() == taken


def test_without_a_say_of_the_classes_dcp_selects_as_matching_pursuit_does() -> None:
    """The first unit is the one most aligned with the output; a loss whose gradient is zero changes nothing."""
    evidence = random_evidence()
    assert evidence.gradients is not None
    [consumer] = evidence.consumers
    silent = Gradients(evidence.gradients.gates, evidence.gradients.made, (torch.zeros_like(consumer.weight),))
    first = (consumer.moments @ consumer.weight)[consumer.rows].norm(dim=(1, 2)).argmax()
    assert find_criterion("dcp").scores(replace(evidence, gradients=silent)).argmax() == first
