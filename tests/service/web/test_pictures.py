from __future__ import annotations

import xml.etree.ElementTree as ET

from test_trials import SEARCH, trial

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.service.web.drawing import pictures
from autoprune.service.web.drawing.bars import bars
from autoprune.service.web.numbers.foretelling import foretell, uniform_networks
from autoprune.service.web.numbers.layers import Layer, layers_so_far
from autoprune.service.web.numbers.trials import trades
from autoprune.tables.installed import table_paths
from autoprune.tables.reading import read_table
from autoprune.tables.review import Review


def parsed(svg: str) -> ET.Element:
    """The picture, which is well-formed and tells what it shows to who cannot see it."""
    element = ET.fromstring(svg)
    assert element.get("role") == "img"
    assert element.get("aria-label")
    assert "nan" not in svg
    return element


def texts(element: ET.Element) -> set[str]:
    return {text.text or "" for text in element.iter("text")}


def test_a_search_is_drawn_with_its_best() -> None:
    drawn = parsed(pictures.history(SEARCH))
    assert {"trial", "reward", "a trial", "best so far"} <= texts(drawn)
    assert "0.5 at the end" in str(drawn.get("aria-label"))
    parsed(pictures.history([trial(0, None)]))


def test_many_trials_make_no_heavy_picture() -> None:
    assert len(pictures.history([trial(i, i % 7 / 7) for i in range(10_000)])) < 60_000


def test_a_front_names_its_trials() -> None:
    found = trades([trial(0, 0.5, 0.5, latency=2.0), trial(1, 0.9, 0.9, latency=4.0)], Metric.LATENCY)
    assert [title.text for title in parsed(pictures.front(found)).iter("title")] == ["0.5 at 2.00 ms", "0.9 at 4.00 ms"]


def test_two_searches_are_told_apart_by_name() -> None:
    both = {"<one>": SEARCH, "two": [trial(0, 0.3, 0.3, macs=1e6)]}
    assert {"<one>", "two"} <= texts(parsed(pictures.histories(both)))
    parsed(pictures.fronts(both, Metric.MACS))


def test_bars_say_how_many_channels_are_kept() -> None:
    drawn = parsed(bars([Layer("a&b", 3, 8), Layer("c", 8, 8)]))
    assert {"a&b", "3 of 8", "8 of 8"} <= texts(drawn)
    assert layers_so_far([("a", 8)], [3]) == (Layer("a", 3, 8),)
    assert layers_so_far([], [3]) == ()


def test_a_table_is_drawn_and_foretells_uniform_widths() -> None:
    path = next(path for path in table_paths() if "resnet56" in path.name)
    table = read_table(path)
    digest = next(iter(table.networks))
    review = Review.of(table, digest)
    parsed(pictures.stairs(review.stairs[1], review.profile.groups[1].name))
    assert review.profile.verification is not None
    parsed(pictures.fidelity(review.profile.verification))

    networks = uniform_networks(table, digest)
    assert networks[-1].kept == 1
    for metric in (Metric.LATENCY, Metric.MACS, Metric.ENERGY):
        found = foretell(networks, Budget(metric, 0.5, relative=True))
        assert found is not None
        assert found.kept_by is not None
        assert found.kept_by.costs[metric] <= found.limit == 0.5 * networks[-1].costs[metric]
        parsed(pictures.foretold(networks, found))
        assert foretell(networks, Budget(metric, found.limit)) == found
    assert foretell(networks, Budget(Metric.PARAMS, 0.5, relative=True)) is None
    impossible = foretell(networks, Budget(Metric.LATENCY, 0.001, relative=True))
    assert impossible is not None
    assert impossible.kept_by is None
