from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from comparison_example import GAINS, comparison

from autoprune.budget import Budget
from autoprune.deploy.comparison.document import Comparison
from autoprune.deploy.comparison.page import render
from autoprune.deploy.comparison.pictures import curves, differences, selection_differences
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self._text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())


def texts(svg: str) -> list[str]:
    tree = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    return [element.text or "" for element in tree.iter("text")]


@pytest.mark.parametrize("selection", [False, True])
def test_the_page_says_all_and_needs_no_host_and_no_script(selection: bool) -> None:
    found = comparison(9, selection=selection)
    text = render(found, 'name = "run"\n')
    page = Page(text)
    assert text == render(found, 'name = "run"\n')
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "://" not in text
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == (3 if selection else 2)
    for part in (*found.verdict, *GAINS, "9 seeds", "macs=0.5x", 'name = "run"'):
        assert part in page.text
    assert ("refitted" in page.text.split("What each number is")[0]) is selection


def test_the_page_names_budgets_on_other_devices() -> None:
    budget = BudgetLine.of(Budget.parse("latency=0.6x"))
    asked = BudgetsElsewhere(device="A phone (4 threads)", table="phone.json", budgets=(budget,))
    assert "macs=0.5x, latency=0.6x on A phone (4 threads), 9 seeds" in Page(render(comparison(9, also=(asked,)))).text


def test_every_agent_has_a_panel_with_its_mean() -> None:
    found = comparison(9)
    shown = texts(curves(found))
    for agent in found.agents:
        assert f"{agent.agent}  {100 * agent.reward.mean:.2f}%" in shown
    assert "accuracy (%)" in shown


def test_every_agent_but_random_has_a_line_in_the_differences() -> None:
    shown = texts(differences(comparison(9)))
    assert set(GAINS) - {"random"} <= set(shown)
    assert "random" not in shown
    assert "accuracy (%), minus random's" in shown
    assert set(GAINS) - {"random"} <= set(texts(selection_differences(comparison(9, selection=True))))


@pytest.mark.parametrize("count", [2, 4, 5, 18])
def test_any_number_of_agents_can_be_drawn(count: int) -> None:
    gains = {"random": 0.0, **{f"agent{i}": 0.001 * i for i in range(count - 1)}}
    assert len([t for t in texts(curves(comparison(3, gains=gains))) if "%" in t and "(" not in t]) == count


@pytest.mark.parametrize("trials", [1, 2, 7])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_short_comparison_can_be_drawn(trials: int, seeds: int) -> None:
    found = comparison(seeds, trials=trials)
    assert "nan" not in curves(found).lower()
    assert differences(found)


def test_trials_without_a_reward_leave_a_gap() -> None:
    found = comparison(3, reward="kl")
    agents = [
        agent.model_copy(update={"curve": tuple((None, None, *one[2:]) for one in agent.curve)})
        for agent in found.agents
    ]
    drawn = curves(found.model_copy(update={"agents": tuple(agents)}))
    assert "kl (nats)" in texts(drawn)
    assert not re.search(r"\bnan\b", drawn.lower())


def test_names_from_outside_never_become_markup() -> None:
    evil = '<script>alert("x")</script>'
    found: Comparison = comparison(3).model_copy(update={"model": evil, "task": evil, "verdict": (evil,)})
    text = render(found, evil)
    assert "script" not in Page(text).tags
    assert html.escape(evil).replace("&quot;", "&#34;") in text
