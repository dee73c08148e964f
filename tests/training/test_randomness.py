from __future__ import annotations

import torch
from torch import Tensor

from autoprune.training.group import Group
from autoprune.training.randomness import Randomness, seeded

CPU = torch.device("cpu")


def draws(randomness: Randomness) -> dict[str, Tensor]:
    """What the next numbers of each kind are."""
    with randomness.apart():
        apart = torch.rand(4)
    kinds = {"order": randomness.order, "changes": randomness.changes}
    return {"apart": apart, "method": torch.rand(4)} | {
        name: torch.rand(4, generator=own) for name, own in kinds.items()
    }


def test_a_group_shares_the_order_and_a_methods_draws_and_nothing_else() -> None:
    found = []
    for rank in range(2):
        with seeded(3, CPU):
            found.append(draws(Randomness(3, CPU, Group(rank, 2))))
    one, other = found
    assert {name for name in one if torch.equal(one[name], other[name])} == {"order", "method"}


def test_draws_apart_leave_no_trace_and_go_on() -> None:
    randomness = Randomness(3, CPU, Group(0, 2))
    with seeded(3, CPU):
        expected = torch.rand(4)
    with seeded(3, CPU):
        first, second = draws(randomness), draws(randomness)
    assert torch.equal(first["method"], expected)
    assert not torch.equal(first["apart"], second["apart"])


def test_one_that_is_alone_draws_from_one_generator_and_the_global_one() -> None:
    randomness = Randomness(3, CPU, Group())
    assert randomness.order is randomness.changes
    with seeded(3, CPU):
        expected = torch.rand(4)
    with seeded(3, CPU):
        assert torch.equal(draws(randomness)["apart"], expected)


def test_the_state_is_all_that_the_next_draws_depend_on() -> None:
    randomness = Randomness(3, CPU, Group())
    with seeded(0, CPU):
        draws(randomness)
        state = randomness.state()
        expected = draws(randomness)
    with seeded(1, CPU):
        other = Randomness(4, CPU, Group())
        other.go_on(state)
        found = draws(other)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_seed_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    with seeded(0, CPU):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
