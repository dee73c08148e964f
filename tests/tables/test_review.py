from __future__ import annotations

import dataclasses

import pytest
from table_example import digest, example_network, example_rows, example_table

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput
from autoprune.profiler.table.network_profile import Anchor, NetworkProfile, ProfiledGroup
from autoprune.tables.review import Review, find_group, find_network

RELU_16 = Kernel("Relu", ((1, 16),), ((1, 16),))


def renamed(name: str, *groups: str) -> NetworkProfile:
    """The example's network under other names; its batch is 8."""
    held = zip(example_network().groups, groups, strict=True)
    changed = tuple(dataclasses.replace(group, name=new) for group, new in held)
    return dataclasses.replace(example_network(name), groups=changed, input_shape=(8, 3))


def test_a_review_counts_the_widths_that_the_stairs_leave() -> None:
    whole = Review.of(example_table(), digest())
    assert (whole.offered_widths, whole.measured_widths) == (5, 5)
    slow = Review.of(example_table({**example_rows(), RELU_16: Measurement(2.0, 0.01, 5)}), digest())
    assert (slow.offered_widths, slow.measured_widths) == (4, 5)
    assert [step.width for step in slow.stairs[0] if step.worth_offering] == [8, 24]


def test_a_review_tells_where_predictions_come_from() -> None:
    known = Review.of(example_table(), digest()).coverage
    assert (known.measured, known.interpolated, known.unknown) == (1, 0, 0)
    lacking = Review.of(example_table({k: t for k, t in example_rows().items() if k != RELU_16}), digest()).coverage
    assert lacking.measured < 1
    assert lacking.measured + lacking.interpolated + lacking.unknown == pytest.approx(1)


def test_a_network_is_found_by_name_digest_or_its_beginning() -> None:
    table = example_table(networks={digest(): example_network(), "fedc" * 4: renamed("other", "a", "b")})
    assert find_network(table, "small") == find_network(table, digest()) == find_network(table, "0123") == digest()
    assert find_network(table, "other") == "fedc" * 4


@pytest.mark.parametrize(
    ("wanted", "says"),
    [("smal", "did you mean small?"), ("zebra", "it has 0123456789abcdef (small at 1×3)"), ("", "it has 0123")],
)
def test_a_network_that_is_not_there_is_told_with_those_that_are(wanted: str, says: str) -> None:
    with pytest.raises(BadInput) as raised:
        find_network(example_table(), wanted)
    assert says in str(raised.value)


def test_a_name_of_several_networks_asks_for_a_digest() -> None:
    table = example_table(networks={"a" * 16: example_network(), "b" * 16: renamed("small", "inner", "outer")})
    with pytest.raises(BadInput, match=r"names 2 networks.*a{16} \(small at 1×3\), b{16} \(small at 8×3\)"):
        find_network(table, "small")


def test_a_group_is_found_in_the_network_that_has_it() -> None:
    table = example_table(networks={digest(): example_network(), "fedc" * 4: renamed("other", "a", "outer")})
    assert find_group(table, "inner") == (digest(), 0)
    assert find_group(table, "a") == ("fedc" * 4, 0)
    assert find_group(table, "outer", "other") == ("fedc" * 4, 1)
    with pytest.raises(BadInput, match=r"2 networks .* choose with --network: .*small at 1×3.*other at 8×3"):
        find_group(table, "outer")


@pytest.mark.parametrize(
    ("layer", "network", "says"),
    [
        ("iner", None, "did you mean inner?"),
        ("zebra", None, "it has inner, outer"),
        ("inner", "smal", "did you mean small?"),
        ("inner", "zebra", "the table holds no network 'zebra'"),
    ],
)
def test_a_group_that_is_not_there_is_told_with_those_that_are(layer: str, network: str | None, says: str) -> None:
    with pytest.raises(BadInput) as raised:
        find_group(example_table(), layer, network)
    assert says in str(raised.value)


def test_many_groups_are_not_all_listed() -> None:
    groups = tuple(ProfiledGroup(f"layer{i}", 8, 1, (8,)) for i in range(40))
    table = example_table(
        networks={digest(): dataclasses.replace(example_network(), groups=groups, anchors=(Anchor((8,) * 40, 1.0),))}
    )
    with pytest.raises(BadInput, match=r"layer11 and 28 more$"):
        find_group(table, "zebra")
