from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from autoprune.training.group import Group


@given(st.integers(1, 50), st.integers(1, 8))
def test_shares_are_the_whole_and_as_even_as_can_be(count: int, size: int) -> None:
    whole = torch.arange(count)
    shares = [Group(rank, size).share(whole) for rank in range(size)]
    assert torch.equal(torch.cat(shares), whole)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("group", "device", "place"),
    [
        (Group(), "cpu", "cpu"),
        (Group(), "cuda", "cuda"),
        (Group(), "cuda:1", "cuda:1"),
        (Group(1, 2), "cpu", "cpu"),
        (Group(1, 2), "cuda", "cuda:1"),
    ],
)
def test_each_has_a_device_of_its_own(group: Group, device: str, place: str) -> None:
    assert group.place(device) == torch.device(place)


def test_one_that_is_alone_asks_nobody() -> None:
    module, own, group = nn.Linear(2, 2), torch.ones(3), Group()
    assert group.first
    assert group.distributed(module) is module
    assert group.all_of("own") == ["own"]
    total = group.total(own)
    assert torch.equal(total, own)
    assert total is not own
    group.agree(module)
