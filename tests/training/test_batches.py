from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from autoprune.training import Data
from autoprune.training.batches import Batch, Batches
from autoprune.training.group import Group
from autoprune.training.randomness import Randomness

CPU = torch.device("cpu")


class Numbers:
    """Sample i is the number i, of class i."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return indices.float()[:, None], indices


def batches(count: int, size: int, group: Group, seed: int = 0) -> Batches:
    return Batches(Data(Numbers(count)), size, False, Randomness(seed, CPU, group), group)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 4))
def test_the_shares_of_all_are_the_batches_of_one(count: int, size: int, members: int) -> None:
    shared = [list(batches(count, size, Group(rank, members))) for rank in range(members)]
    for whole, *parts in zip(batches(count, size, Group()), *shared, strict=False):
        together = torch.cat([part.inputs for part in parts])
        assert torch.equal(together, whole.inputs)
        assert whole.weight == 1
        means = [part.weight * part.inputs.mean() for part in parts if len(part.labels)]
        assert float(sum(means)) / members == pytest.approx(float(whole.inputs.mean()))


@pytest.mark.parametrize(
    ("count", "members", "lengths"),
    [(7, 1, [3, 3]), (8, 1, [3, 3, 2]), (8, 2, [3, 3, 2]), (8, 3, [3, 3]), (9, 3, [3, 3, 3]), (1, 1, [1])],
)
def test_a_last_batch_too_small_to_be_shared_or_normed_is_left_out(
    count: int, members: int, lengths: list[int]
) -> None:
    all_shares = [list(batches(count, 3, Group(rank, members))) for rank in range(members)]
    assert [sum(len(share.labels) for share in shares) for shares in zip(*all_shares, strict=True)] == lengths
    assert len(batches(count, 3, Group(0, members))) == len(lengths)


def test_each_pass_has_another_order_which_the_seed_decides() -> None:
    def passes(seed: int) -> list[list[int]]:
        made = batches(20, 20, Group(), seed)
        return [batch.labels.targets.tolist() for _ in range(2) for batch in made]

    first, second = passes(0)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(20))
    assert passes(0) == [first, second] != passes(1)


def test_every_process_changes_its_own_samples_in_its_own_way() -> None:
    def noisy(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return torch.rand(inputs.shape, generator=generator)

    def of(rank: int) -> Batch:
        group = Group(rank, 2)
        made = Batches(Data(Numbers(8), augment=noisy), 8, True, Randomness(0, CPU, group), group)
        return next(iter(made))

    first, second = of(0), of(1)
    assert not torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.inputs, of(0).inputs)
    assert first.labels.others is not None
    assert set(first.labels.others.tolist()) == set(first.labels.targets.tolist())
