from __future__ import annotations

from report_example import random_trials

from autoprune.deploy.document.standing import CostLine, Energy
from autoprune.deploy.words.costs import cost_rows


def test_costs_that_another_device_s_table_predicts_name_it() -> None:
    costs = CostLine.of(random_trials(1)[0].cost, energy=Energy(value=5.0, source="modelled"))
    assert [(row.name, row.kind) for row in cost_rows([costs, costs], device="A phone")] == [
        ("MACs", "counted"),
        ("parameters", "counted"),
        ("latency", "predicted, A phone"),
        ("energy", "modelled, A phone"),
        ("activation memory", "counted"),
    ]
