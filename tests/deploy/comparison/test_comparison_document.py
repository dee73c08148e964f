from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from comparison_example import comparison

from autoprune.budget import Budget
from autoprune.deploy.comparison.document import Comparison, outcomes
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere
from autoprune.errors import BadInput
from autoprune.significance import holm, sign_flip_p

SCHEMA = json.loads(Comparison.schema_file().read_text())


def line(text: str) -> BudgetLine:
    return BudgetLine.of(Budget.parse(text))


def test_the_shipped_schema_is_that_of_the_fields() -> None:
    assert Comparison.schema_file().name == "compare.schema.json"
    assert Comparison.schema_file().read_text() == Comparison.schema_text(), "run Comparison.write_schema()"


@pytest.mark.parametrize("selection", [False, True])
@pytest.mark.parametrize("seeds", [1, 8])
def test_a_comparison_follows_the_schema_and_is_read_back(tmp_path: Path, seeds: int, selection: bool) -> None:
    found = comparison(seeds, selection=selection)
    found.write(tmp_path / "compare.json")
    document = json.loads((tmp_path / "compare.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["schema"] == "autoprune.compare/1"
    assert Comparison.load(tmp_path / "compare.json") == found


def test_the_schema_refuses_missing_and_foreign_keys() -> None:
    document = comparison().model_dump(mode="json", by_alias=True)
    agents = document["agents"]
    for broken in (
        {**document, "remark": "fine"},
        {**document, "schema": "autoprune.compare/2"},
        {**document, "agents": [{k: v for k, v in agents[0].items() if k != "curve"}]},
        {**document, "seeds": []},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_budgets_on_other_devices_stand_beside_the_others() -> None:
    asked = BudgetsElsewhere(device="A phone", table="phone.json", budgets=(line("latency=8ms"), line("energy=0.5x")))
    document = comparison(1, also=(asked,)).model_dump(mode="json", by_alias=True)
    jsonschema.validate(document, SCHEMA)
    assert document["also"] == [
        {
            "device": "A phone",
            "table": "phone.json",
            "budgets": [
                {"metric": "latency", "limit": 8.0, "relative": False},
                {"metric": "energy", "limit": 0.5, "relative": True},
            ],
        }
    ]


def test_a_comparison_of_before_there_were_other_devices_is_read(tmp_path: Path) -> None:
    document = comparison(1).model_dump(mode="json", by_alias=True)
    del document["also"]
    (tmp_path / "compare.json").write_text(json.dumps(document))
    assert Comparison.load(tmp_path / "compare.json") == comparison(1)


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    path.write_text('{"schema": "autoprune.report/1"}')
    with pytest.raises(BadInput, match=r"autoprune\.compare/1"):
        Comparison.load(path)


def test_every_agent_is_compared_with_random_and_with_the_best() -> None:
    rng = np.random.default_rng(2)
    values = {name: rng.normal(mean, 1, 9).tolist() for name, mean in (("random", 0), ("a", 1.5), ("b", 0.2))}
    found = outcomes(values)
    best = max(found, key=lambda name: found[name].mean)
    assert best == "a"
    p_values = [sign_flip_p(np.subtract(values[name], values["random"])) for name in ("a", "b")]
    for name, p, p_holm in zip(("a", "b"), p_values, holm(p_values), strict=True):
        difference = found[name].against_random
        assert difference is not None
        assert (difference.other, difference.p, difference.p_holm) == ("random", p, p_holm)
        assert difference.mean == pytest.approx(np.mean(values[name]) - np.mean(values["random"]))
        assert difference.ci95 is not None
        assert difference.ci95[0] < difference.mean < difference.ci95[1]
    assert found["random"].against_random is None
    assert found["a"].against_best is None
    assert {name: d.other for name in ("b", "random") if (d := found[name].against_best)} == {"b": "a", "random": "a"}


def test_against_the_best_every_pair_counts_as_a_comparison() -> None:
    steps = {f"agent{i}": [float(i)] * 9 for i in range(4)}
    found = outcomes({"random": [-1.0] * 9, **steps})
    worst = [d.p_holm for o in found.values() if (d := o.against_best)]
    assert worst == pytest.approx([10 * 2.0**-8] * 4)  # 5 agents, 10 pairs
    against_random = [d.p_holm for o in found.values() if (d := o.against_random)]
    assert against_random == pytest.approx([4 * 2.0**-8] * 4)


def test_agents_that_find_the_same_are_equal_to_the_best() -> None:
    found = outcomes({"random": [0.5, 0.6], "a": [0.5, 0.6]})
    for outcome in found.values():
        for difference in (outcome.against_random, outcome.against_best):
            assert difference is None or (difference.mean, difference.p) == (0.0, 1.0)
    assert sum(outcome.against_best is None for outcome in found.values()) == 1
