"""A front for people: its words, its rows, its page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import jsonschema
import pytest
from report_example import SPACE, dense_trial, random_trials

from autoprune.cost import Metric
from autoprune.deploy.front.document import FrontFile, Point
from autoprune.deploy.front.page import render_front
from autoprune.deploy.front.words import columns, headline, rows
from autoprune.errors import BadInput
from autoprune.front import front
from autoprune.trial import Trial

COMMAND = "autoprune retarget 'runs/a <run>' --budget macs=0.5x"


def point(trial: Trial, selection: float | None = None, best: bool | None = None) -> Point:
    return Point(
        policy=dict(zip((g.name for g in SPACE.groups), trial.policy.widths, strict=True)),
        reward=trial.reward,
        validation=trial.quality.score,
        selection=selection,
        selection_ci95=None if selection is None else (selection - 0.02, selection + 0.02),
        best=best,
        costs=trial.cost.known,
    )


def example(*traded: Metric) -> FrontFile:
    """A front of which every second point was refitted, and the third of these is beaten."""
    best = front(random_trials(60), traded)
    points = [point(t) if i % 2 else point(t, t.quality.score + 0.01, i != 4) for i, t in enumerate(best)]
    return FrontFile(
        model="net<1>",
        task="digits",
        metric="accuracy",
        traded=traded,
        budgets=(),
        dense=point(dense_trial(), 0.93),
        points=tuple(points),
    )


@pytest.mark.parametrize("traded", [(Metric.MACS,), (Metric.LATENCY, Metric.PARAMS)])
def test_it_is_written_and_read_as_its_schema_says(traded: tuple[Metric, ...], tmp_path: Path) -> None:
    found = example(*traded)
    found.write(tmp_path / "front.json")
    assert FrontFile.load(tmp_path / "front.json") == found
    schema = json.loads(FrontFile.schema_file().read_text())
    jsonschema.validate(json.loads((tmp_path / "front.json").read_text()), schema)


def test_another_files_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "front.json").write_text('{"schema": "autoprune.report/1"}')
    with pytest.raises(BadInput, match=r"expected a file of schema 'autoprune\.front/1', got 'autoprune\.report/1'"):
        FrontFile.load(tmp_path / "front.json")


def test_the_headline_tells_from_where_to_where_it_reaches() -> None:
    found = example(Metric.MACS)
    first, last = found.refitted[0], found.refitted[-1]
    assert first.selection is not None
    assert last.selection is not None
    low, high = (p.costs[Metric.MACS] / found.dense.costs[Metric.MACS] for p in (first, last))
    assert headline(found) == (
        f"accuracy against MACs: {len(found.refitted)} networks, "
        f"{low:.2f}× ({100 * first.selection:.1f}%) to {high:.2f}× ({100 * last.selection:.1f}%)"
    )
    assert headline(example(Metric.LATENCY, Metric.PARAMS)).startswith("accuracy against latency and parameters: ")


def test_rows_are_what_was_refitted_and_the_dense_network() -> None:
    found = example(Metric.LATENCY, Metric.PARAMS)
    table = rows(found)
    assert len(table) == len(found.refitted) + 1
    assert all(len(row) == len(columns(found)) for row in table)
    assert [row[-1].text for row in table] == [
        *("" if p.best else "beaten by another" for p in found.refitted),
        "dense",
    ]
    assert [cell.notes for cell in table[-1][:2]] == [("1.00×",), ("1.00×",)]
    assert table[0][2].text == f"{100 * (found.refitted[0].selection or 0):.1f}%"


@pytest.mark.parametrize("traded", [(Metric.MACS,), (Metric.LATENCY, Metric.PARAMS)])
def test_the_page_needs_nothing_else_and_is_the_same_every_time(traded: tuple[Metric, ...]) -> None:
    found = example(*traded)
    page = render_front(found, COMMAND, 'name = "run"\n')
    assert page == render_front(found, COMMAND, 'name = "run"\n')
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert page.count("<svg") == 1
    assert html.escape(COMMAND, quote=False).replace("'", "&#39;") in page
    assert "net&lt;1&gt;" in page
    assert html.escape(headline(found)) in page


def test_a_front_of_one_network_is_drawn_too() -> None:
    found = example(Metric.MACS)
    alone = found.model_copy(update={"points": found.refitted[:1]})
    assert headline(alone) == "accuracy against MACs: 1 network"
    assert "<svg" in render_front(alone, COMMAND)
    empty = found.model_copy(update={"points": ()})
    assert headline(empty) == "accuracy against MACs: 0 networks"
    assert "<svg" in render_front(empty, COMMAND)
