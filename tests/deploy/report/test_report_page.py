from __future__ import annotations

import html
import math
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from report_example import SPACE, dense_trial, random_trials, report

from autoprune.budget import Budget
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.report.document import Report
from autoprune.deploy.report.page import render
from autoprune.deploy.report.words import generalisation_text, verdict
from autoprune.space import FrozenGroup, SearchSpace

TRIALS = random_trials(20)
FOUND = report(TRIALS[4])


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.classes: list[str] = []
        self.ids: list[str] = []
        self._text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action") and value:
                self.links.append(value)
            if name == "class" and value:
                self.classes += value.split()
            if name == "id" and value:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())


@cache
def rendered() -> str:
    return render(FOUND, TRIALS, SPACE, dense=dense_trial(), spec_toml='name = "run"\n')


def page(found: Report | None = None) -> Page:
    if found is None:
        return Page(rendered())
    return Page(render(found, TRIALS, SPACE, dense=dense_trial(), spec_toml='name = "run"\n'))


def test_the_page_is_the_same_every_time() -> None:
    assert render(FOUND, TRIALS, SPACE, dense=dense_trial(), spec_toml='name = "run"\n') == rendered()


def test_the_page_needs_no_host_and_no_script() -> None:
    shown = page()
    assert not {"script", "link", "img", "iframe"} & set(shown.tags)
    assert all(link.startswith("#") for link in shown.links)
    assert "://" not in rendered()


def test_ids_are_unique() -> None:
    ids = page().ids
    assert len(ids) == len(set(ids))


def test_the_page_shows_verdict_numbers_frozen_groups_device_and_spec() -> None:
    text = page().text
    for part in (
        verdict(FOUND),
        *("Dense", "Pruned", "Fine-tuned", "93.0%", "90.0%", "92.0%"),
        *("counted", "predicted", "measured", "modelled"),
        *(SPACE.frozen[0].name, SPACE.frozen[0].reason),
        *("A processor", '["avx2", "fma"]', 'name = "run"'),
    ):
        assert part in text


def test_a_run_without_finetuning_has_no_column_for_it() -> None:
    assert "Fine-tuned" not in page(FOUND.model_copy(update={"finetuned": None})).text


@pytest.mark.parametrize(("budget", "mark"), [("macs=1x", "yes"), ("macs=1k", "no"), ("energy=1mJ", "open")])
def test_each_budget_is_marked_kept_broken_or_open(budget: str, mark: str) -> None:
    lines = (BudgetLine.of(Budget.parse(budget)),)
    assert mark in page(FOUND.model_copy(update={"budgets": lines})).classes


def test_the_page_tells_how_the_scores_of_the_search_carry_over() -> None:
    text = generalisation_text(FOUND)
    assert text is not None
    assert f"{text[0].upper()}{text[1:]}." in page().text
    assert "The chosen policy scores" not in page(FOUND.model_copy(update={"generalisation": None})).text


def test_trials_without_a_reward_are_counted() -> None:
    broken = [replace(t, reward=math.nan) if t.number in (3, 5) else t for t in TRIALS]
    assert "2 of them earned no finite reward and are not drawn" in Page(render(FOUND, broken, SPACE)).text
    assert "no finite reward" not in page().text


def test_without_trials_only_the_channels_are_drawn() -> None:
    assert Page(render(FOUND, [], SPACE)).tags.count("figure") == 1
    assert page().tags.count("figure") == 3


def test_names_from_outside_are_shown_and_never_become_markup() -> None:
    evil = '<script>alert("x")</script>'
    found = FOUND.model_copy(update={"model": evil, "task": evil, "metric": evil, "device": {evil: [evil]}})
    space = SearchSpace(SPACE.groups, (FrozenGroup(evil, 4, evil),))
    text = render(found, TRIALS, space, spec_toml=evil)
    assert "script" not in Page(text).tags
    assert html.escape(evil).replace("&quot;", "&#34;") in text
