from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from autoprune.training.mixup import Labels, mix


@given(count=st.integers(1, 9), seed=st.integers(0, 1000))
def test_inputs_and_labels_are_mixed_alike(count: int, seed: int) -> None:
    """One-hot inputs are their own labels, so what was mixed into the one must stand in the other."""
    targets = torch.arange(count)
    inputs, labels = mix(F.one_hot(targets, count).float(), targets, torch.Generator().manual_seed(seed))
    assert labels.others is not None
    assert labels.share is not None
    expected = torch.zeros(count, count)
    for row, (own, other, share) in enumerate(zip(labels.targets, labels.others, labels.share, strict=True)):
        expected[row, own] += share
        expected[row, other] += 1 - share
    torch.testing.assert_close(inputs, expected)


@given(seed=st.integers(0, 1000))
def test_the_loss_is_that_of_the_mixed_probabilities(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs, targets = torch.randn(6, 4, generator=generator), torch.randint(4, (6,), generator=generator)
    _, labels = mix(torch.zeros(6, 1, 2, 2), targets, generator)
    assert labels.others is not None
    assert labels.share is not None
    share = labels.share[:, None]
    wanted = share * F.one_hot(targets, 4) + (1 - share) * F.one_hot(labels.others, 4)
    torch.testing.assert_close(labels.cross_entropy(outputs), F.cross_entropy(outputs, wanted))


def test_unmixed_labels_are_the_plain_loss() -> None:
    outputs, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    assert len(Labels(targets)) == 6
    torch.testing.assert_close(Labels(targets).cross_entropy(outputs), F.cross_entropy(outputs, targets))
