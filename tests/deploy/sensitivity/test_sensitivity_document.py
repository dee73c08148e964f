from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensitivity_example import DENSE_SCORE, WIDTH, analysis, group

from autoprune.deploy.sensitivity.document import GroupLine, Sensitivity, at_saving, common_saving

SCHEMA = json.loads(Sensitivity.schema_file().read_text())


def test_the_shipped_schema_is_that_of_the_fields() -> None:
    assert Sensitivity.schema_file().name == "sensitivity.schema.json"
    assert Sensitivity.schema_file().read_text() == Sensitivity.schema_text(), "run Sensitivity.write_schema()"


def test_an_analysis_follows_the_schema_and_is_read_back(tmp_path: Path) -> None:
    analysis().write(tmp_path / "sensitivity.json")
    jsonschema.validate(json.loads((tmp_path / "sensitivity.json").read_text()), SCHEMA)
    assert Sensitivity.load(tmp_path / "sensitivity.json") == analysis()


def test_groups_stay_in_network_order_and_are_ranked_by_what_equal_savings_cost() -> None:
    found = analysis(group("a", 0.1, 0.2), group("b", 0.5, 0.2), group("c", 0.2, 0.1))
    assert [line.group for line in found.groups] == ["a", "b", "c"]
    assert [line.group for line in found.ranked] == ["c", "b", "a"]  # c has to lose twice the share of b


@given(st.floats(0.01, 5), st.floats(0.01, 0.3), st.floats(0.01, 0.99))
def test_a_quadratic_divergence_is_read_off_exactly(damage: float, most_macs: float, part: float) -> None:
    line = group("g", damage, most_macs)
    largest = line.cuts[0].macs_saved
    found = at_saving(line, part * largest, DENSE_SCORE)
    assert found is not None
    gone = part * largest / most_macs
    assert found.kl == pytest.approx(damage * gone**2)
    assert found.width == pytest.approx(WIDTH * (1 - gone))
    assert found.score <= DENSE_SCORE


def test_what_was_tried_is_what_is_read() -> None:
    line = group("g", 0.4, 0.2)
    for cut in line.cuts:
        found = at_saving(line, cut.macs_saved, DENSE_SCORE)
        assert found is not None
        assert (found.width, found.score, found.kl) == pytest.approx((cut.width, cut.score, cut.kl))


def test_a_group_that_cannot_save_so_much_is_not_compared() -> None:
    lines = (*(group(f"g{i}", 0.4, 0.2) for i in range(11)), group("small", 0.4, 0.001))
    found = analysis(*lines)
    assert found.equal_macs_saved == pytest.approx(0.5 * lines[0].cuts[0].macs_saved)
    assert found.groups[-1].equal is None
    assert len(found.ranked) == 11


def test_cuts_without_a_number_are_passed_over() -> None:
    line = group("g", 0.4, 0.2)
    broken = line.cuts[0].model_copy(update={"score": None, "kl": None, "agreement": None})
    rest = line.model_copy(update={"cuts": (broken, *line.cuts[1:])})
    assert at_saving(rest, line.cuts[1].macs_saved, DENSE_SCORE) is not None
    assert at_saving(rest, line.cuts[0].macs_saved, DENSE_SCORE) is None
    assert at_saving(line.model_copy(update={"cuts": (broken,)}), 0.01, DENSE_SCORE) is None


def test_a_group_of_one_width_has_nothing_to_compare() -> None:
    alone = GroupLine(group="alone", width=4, cuts=(), equal=None)
    assert common_saving((alone,)) == 0.0
    assert common_saving(()) == 0.0
    found = analysis(alone)
    assert found.ranked == []
    assert not math.isnan(found.equal_macs_saved)
