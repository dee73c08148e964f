from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import pytest
from sensitivity_example import analysis, group

from autoprune.deploy.sensitivity.document import GroupLine
from autoprune.deploy.sensitivity.page import render
from autoprune.deploy.sensitivity.pictures import equal, panels
from autoprune.deploy.sensitivity.words import columns, conclusions, headline, rows


def texts(svg: str) -> list[str]:
    tree = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    return [element.text or "" for element in tree.iter("text")]


def test_the_headline_names_the_ends_of_the_ranking() -> None:
    assert headline(analysis()) == (
        "layer0.conv1 is the most sensitive of 12 channel groups: saving 4.7% of the MACs costs 0.22 nats there, "
        "0.018 in layer11.conv1"
    )


def test_conclusions_name_three_of_each_end_and_what_cannot_be_told() -> None:
    lines = [group(f"g{i}", 1.0 / (i + 1), 0.1) for i in range(11)]
    most, least, apart = conclusions(analysis(*lines, group("small", 0.4, 0.001)))
    assert re.findall(r"g\d+", most) == ["g0", "g1", "g2"]
    assert re.findall(r"g\d+", least) == ["g10", "g9", "g8"]
    assert apart == "Groups that cannot save so much alone: small."
    assert len(conclusions(analysis())) == 2


def test_the_table_has_a_line_a_group_in_network_order() -> None:
    found = analysis()
    assert [name.text for name, _ in rows(found)] == [line.group for line in found.groups]
    assert all(len(cells) == len(columns(found)) for _, cells in rows(found))
    assert [cells[-1].text for _, cells in rows(found)] == [str(i) for i in range(1, 13)]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 54])
def test_any_number_of_groups_can_be_drawn(count: int) -> None:
    found = analysis(*(group(f"layer{i}.conv1", 0.5 / (i + 1), 0.05) for i in range(count)))
    names = {line.group for line in found.groups}
    assert names <= set(texts(panels(found)))
    assert names <= set(texts(equal(found)))
    assert "$" not in panels(found) + equal(found), "a formula that nothing typesets"


def test_groups_that_tell_nothing_are_drawn_empty_and_said_to_be() -> None:
    alone = GroupLine(group="alone", width=4, cuts=(), equal=None)
    assert "cannot save so much" in texts(equal(analysis(alone)))
    assert "alone" in texts(panels(analysis(alone)))
    assert headline(analysis(alone)) == "1 channel group: nothing that can be compared"


def test_the_page_says_all_and_needs_no_host_and_no_script() -> None:
    found = analysis()
    text = render(found, 'name = "run"\n')
    assert text == render(found, 'name = "run"\n')
    assert "://" not in text
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for part in (headline(found), *conclusions(found), "dense accuracy 93.0%", "512 images"):
        assert html.escape(part) in text


def test_names_from_outside_never_become_markup() -> None:
    evil = '<script>alert("x")</script>'
    text = render(analysis(group(evil, 0.5, 0.1)).model_copy(update={"model": evil}), evil)
    assert "<script" not in text
