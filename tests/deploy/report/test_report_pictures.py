from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_example import SPACE, dense_trial, random_trials

from autoprune.cost import Metric
from autoprune.deploy.report.pictures import channels, frontier, history
from autoprune.space import ChannelGroup, SearchSpace

TRIALS = random_trials(12)
KEPT = {g.name: w for g, w in zip(SPACE.groups, TRIALS[0].policy.widths, strict=True)}
DRAWINGS: dict[str, Callable[[], str]] = {
    "channels": lambda: channels(SPACE, KEPT),
    "history": lambda: history(TRIALS),
    "frontier": lambda: frontier(TRIALS, Metric.LATENCY, "accuracy", chosen=TRIALS[3], dense=dense_trial(), limit=0.6),
}


def parsed(svg: str) -> ElementTree.Element:
    """An XML tree; the page's HTML parser knows the prefix that XML wants declared."""
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter("text")]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_the_same_bytes_every_time(name: str) -> None:
    assert DRAWINGS[name]() == DRAWINGS[name]()


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_one_element_that_names_no_host_and_says_what_it_shows(name: str) -> None:
    svg = DRAWINGS[name]()
    root = parsed(svg)
    assert root.tag == "svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]
    assert "width" not in root.attrib, "the page decides how wide it is"
    assert not re.search(r"https?:|<style|<script|<metadata", svg)


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_colour_follows_the_page(name: str) -> None:
    svg = DRAWINGS[name]()
    bare = re.sub(r"var\(--[a-z]+, #[0-9a-f]{6}\)", "", svg)
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", bare) == []
    assert "var(--line, " in svg


def test_ids_are_unique_across_the_pictures_of_a_page_and_every_reference_has_its_target() -> None:
    ids: list[str] = []
    for draw in DRAWINGS.values():
        svg = draw()
        own = re.findall(r'\bid="([^"]+)"', svg)
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(i, "") for i in own} | {
            ("", i) for i in own
        }
        ids += own
    assert len(ids) == len(set(ids))


def test_channels_names_each_group_and_how_much_of_it_is_kept() -> None:
    shown = texts(channels(SPACE, KEPT))
    for group in SPACE.groups:
        assert group.name in shown
        assert f"{KEPT[group.name]} of {group.width}" in shown


@pytest.mark.parametrize(
    "name", ['<b>"bold"</b>', "$x_1$", "a & b", "features.0.very.long.name.of.a.block.conv_pointwise"]
)
def test_any_group_name_can_be_drawn(name: str) -> None:
    space = SearchSpace((ChannelGroup(name, 8, (4, 8), ()),))
    shown = texts(channels(space, {name: 4}))
    assert name in shown or any("…" in text and text.startswith(name[:10]) for text in shown)


def test_history_rises_to_the_best_reward_and_survives_trials_without_one() -> None:
    rewards = [math.nan, 0.2, math.inf, 0.7, -math.inf, 0.4]
    trials = [replace(t, reward=r) for t, r in zip(TRIALS, rewards, strict=False)]
    assert "0.7 at the end" in parsed(history(trials)).attrib["aria-label"]


def test_history_of_a_search_that_earned_nothing_can_be_drawn() -> None:
    assert parsed(history([replace(t, reward=math.nan) for t in TRIALS])).tag == "svg"


def test_frontier_marks_only_what_it_is_given() -> None:
    assert {"a trial", "dense", "chosen", "budget"} <= set(texts(DRAWINGS["frontier"]()))
    assert not {"dense", "chosen", "budget"} & set(texts(frontier(TRIALS, Metric.MACS, "accuracy")))


def test_frontier_says_what_kind_of_number_it_draws() -> None:
    assert "latency, predicted (ms)" in texts(frontier(TRIALS, Metric.LATENCY, "accuracy"))
    assert "MACs, counted (millions)" in texts(frontier(TRIALS, Metric.MACS, "accuracy"))
    assert "validation accuracy (%)" in texts(frontier(TRIALS, Metric.MACS, "accuracy"))
    assert "validation mean IoU" in texts(frontier(TRIALS, Metric.MACS, "mean IoU"))
