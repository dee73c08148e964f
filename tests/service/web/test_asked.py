from __future__ import annotations

from test_history import job

from autoprune.client.documents import TableDocument
from autoprune.cost import Metric
from autoprune.service.web.numbers.asked import Asked, AskedBudget, spec_tree, tables_for
from autoprune.service.web.numbers.listing import Filter, is_shown
from autoprune.spec import RunSpec


def test_what_the_form_asks_for_is_a_run_spec() -> None:
    budgets = [AskedBudget(Metric.MACS, share=0.35), AskedBudget(Metric.LATENCY, amount=" 8 ms")]
    asked = Asked("mine", "resnet56", "digits", "local", "cpu", "evolution", budgets=budgets, images=64)
    spec = RunSpec.parse(spec_tree(asked))
    assert [str(budget) for budget in spec.search.budgets] == ["macs=0.35x", "latency=8"]
    assert (spec.task.calibration, spec.task.selection) == (64, 64)
    assert spec.device.table is None


def test_a_table_and_weights_are_named_where_they_are_chosen() -> None:
    asked = Asked("mine", "m", "t", "local", "cpu", "tpe", table="dev/t", foreign=True, weights="up_1")
    spec = RunSpec.parse(spec_tree(asked))
    assert (str(spec.device.table), spec.device.allow_foreign_table, str(spec.model.weights)) == ("dev/t", True, "up_1")


def test_tables_are_offered_for_the_models_that_they_hold() -> None:
    network = {"name": "a", "digest": "d", "input_shape": (1,), "within_5pct": None}
    rest = {"device": "", "provider": "cpu", "threads": 1, "runtime": "", "created": "", "kernels": 1}
    table = TableDocument.model_validate({"name": "t", "networks": (network,), **rest})
    assert tables_for("a", [table]) == [(table, "d")]
    assert tables_for("b", [table]) == []


def test_a_list_is_filtered_by_state_and_part_of_a_name() -> None:
    one = job(name="Half", owner="ann", state="done")
    assert is_shown(one, Filter())
    assert is_shown(one, Filter(state="done", name="hal"))
    assert is_shown(one, Filter(name="ANN"))
    assert not is_shown(one, Filter(state="running"))
    assert not is_shown(one, Filter(name="x"))
