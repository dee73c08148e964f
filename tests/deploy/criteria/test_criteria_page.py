"""A comparison of criteria for people: the words, the picture, the page."""

from __future__ import annotations

import html
import re

import pytest
from criteria_example import NAMES, comparison, row

from autoprune.deploy.criteria.document import CriterionRow
from autoprune.deploy.criteria.page import render
from autoprune.deploy.criteria.pictures import stages
from autoprune.deploy.criteria.words import columns, conclusions, headline, rows


def test_the_headline_names_the_best_and_how_many_chance_may_have_put_behind_it() -> None:
    assert headline(comparison()) == (
        "elimination comes first of 4 criteria, refitted: 80.5%, 3 others within chance of it"
    )
    apart = comparison(row("best", 20), row("other", 0))
    assert headline(apart) == "best comes first of 2 criteria, refitted: 89.0%"
    assert headline(comparison(row("l2", 1), row("lamp", 1))).endswith("another within chance of it")


def test_conclusions_tell_each_stage_where_random_stands_and_what_chance_does() -> None:
    sliced, refitted, chance = conclusions(comparison())
    assert sliced.startswith("Sliced alone, best on the selection split: elimination 22.0%, taylor 21.0%, l1 20.0%")
    assert refitted.endswith("the worst is random with 79.0%; random is number 4 of 4.")
    assert "1017 test images" in chance
    assert "2 seeds" in chance


def test_who_has_no_answer_is_told_and_alone_leaves_nothing_to_compare() -> None:
    silent = CriterionRow(criterion="bn-gamma", seed=0, unanswered="it cannot rank conv1")
    assert conclusions(comparison(row("l1", 1), silent))[-2] == "bn-gamma has no answer: it cannot rank conv1."
    assert headline(comparison(silent)) == "no criterion has an answer for this network"
    assert "it cannot rank conv1" in render(comparison(silent))


def test_the_table_has_a_line_a_criterion_and_a_cell_a_stage() -> None:
    found = comparison()
    assert [name.text for name, _ in rows(found)] == list(reversed(NAMES))
    assert all(len(cells) == len(columns(found)) == 3 for _, cells in rows(found))
    assert rows(found)[0][1][1].text == "80.5% (81.5%)"


@pytest.mark.parametrize("count", [1, 2, 29])
def test_any_number_of_criteria_can_be_drawn(count: int) -> None:
    drawn = stages(comparison(*(row(f"c{i}", i) for i in range(count))))
    assert all(f">c{i}<" in drawn for i in range(count))


def test_the_page_says_all_and_needs_no_host_and_no_script() -> None:
    found = comparison()
    text = render(found, 'name = "run"\n')
    assert text == render(found, 'name = "run"\n')
    assert "://" not in text
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    for part in (headline(found), *conclusions(found), "Molchanov et al., ICLR 2017", "dense accuracy 92.0%"):
        assert html.escape(part) in text


def test_names_from_outside_never_become_markup() -> None:
    evil = '<script>alert("x")</script>'
    assert "<script" not in render(comparison(row(evil, 1)).model_copy(update={"model": evil}), evil)
