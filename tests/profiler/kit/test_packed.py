from __future__ import annotations

import io
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import CPU, small_blueprint

from autoprune.cost import Extent
from autoprune.errors import BadInput
from autoprune.profiler.kit.packed import PackedNetworks
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.runtime.protobuf import FLOATS, Node, write_model
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.runtime.skeleton import Skeleton, Weight
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace

names = st.text(min_size=1, max_size=12)
sizes = st.integers(1, 9)
extents = st.builds(Extent, st.integers(-9, 9), st.lists(st.tuples(sizes, sizes), max_size=3).map(tuple))
weights = st.builds(Weight, names, st.sampled_from(sorted(FLOATS)), st.lists(sizes, max_size=4).map(tuple))
skeletons = st.builds(Skeleton, st.binary(max_size=20), st.lists(weights, max_size=4).map(tuple))
policies = st.lists(sizes, max_size=3).map(lambda widths: Policy(tuple(widths)))


@st.composite
def groups(draw: st.DrawFn) -> ChannelGroup:
    unit = draw(sizes)
    widths = tuple(unit * n for n in sorted(draw(st.sets(sizes, min_size=1))))
    return ChannelGroup(draw(names), widths[-1], widths, tuple(draw(st.lists(names))), unit)


@st.composite
def packed(draw: st.DrawFn) -> PackedNetworks:
    held = draw(st.lists(groups(), max_size=3, unique_by=lambda group: group.name))
    frozen = draw(st.lists(st.builds(FrozenGroup, names, sizes, names), max_size=2))
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=4)))
    space = SearchSpace(tuple(held), tuple(frozen))
    blueprint = Blueprint(draw(names), draw(names), shape, space, tuple(draw(st.lists(extents, max_size=3))))
    return PackedNetworks(blueprint, draw(st.dictionaries(policies, skeletons, max_size=5)))


def archive(files: dict[str, bytes]) -> ZipFile:
    made = ZipFile(io.BytesIO(), "w")
    for name, content in files.items():
        made.writestr(name, content)
    return made


@given(packed())
def test_what_was_packed_is_read(networks: PackedNetworks) -> None:
    assert PackedNetworks.read(archive(networks.files())) == networks


def double(width: int) -> Skeleton:
    """A network that convolves an image (1, 3, 4, 4) to `width` channels."""
    node = Node.of("Conv", ("image", "filters"), "out", pads=(0, 0, 0, 0))
    model = write_model([node], ("image", (1, 3, 4, 4)), ("out", (1, width, 4, 4)))
    return Skeleton(model, (Weight("filters", 1, (width, 3, 1, 1)),))


def test_a_network_is_filled_when_it_is_asked_for() -> None:
    policy = Policy((8, 16))
    networks = PackedNetworks(small_blueprint(), {policy: double(8)})
    [answer] = Session(networks(policy), CPU).run()
    assert answer.shape == (1, 8, 4, 4)


def test_a_network_that_is_not_there_is_refused_by_name() -> None:
    networks = PackedNetworks(small_blueprint(), {Policy((8, 16)): double(8)})
    with pytest.raises(BadInput, match=r"\[4, 16\] is not among the 1 in the kit"):
        networks(Policy((4, 16)))


def test_what_copies_share_is_written_once() -> None:
    model = bytes(range(200))
    shapes = [Skeleton(model, (Weight("a.long.name.of.a.weight", 1, (n, 3, 3, 3)),)) for n in range(1, 100)]
    networks = PackedNetworks(small_blueprint(), {Policy((n, 16)): one for n, one in enumerate(shapes, start=1)})
    files = networks.files()
    assert files["models.bin"] == model
    assert files["networks.json"].count(b"a.long.name.of.a.weight") == 1
