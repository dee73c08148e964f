from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from table_example import digest, example_table

from autoprune.deploy.report.document import TableLine
from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.delivery.report import verify_commands
from autoprune.spec import RunSpec

FOLDER = RunFolder(Path("runs/a run"))
LINE = TableLine.of(example_table(), digest(), FOLDER.table)


def spec(task: str = "digits", **options: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "model": {"name": "resnet20", "options": options},
            "task": {"name": task},
            "search": {"budgets": ["latency=0.5x"]},
        }
    )


@pytest.mark.parametrize("task", ["digits", "my_tasks:birds"])
def test_a_run_that_can_be_named_is_verified_by_its_spec(task: str) -> None:
    assert verify_commands(spec(task, width=8), LINE, FOLDER) == (
        "autoprune tables verify 'runs/a run/table.json' --spec 'runs/a run/spec.toml'",
        "autoprune report 'runs/a run'",
    )


@pytest.mark.parametrize(("task", "options"), [("my own task", {}), ("digits", {"fingerprint": "0123"})])
def test_what_was_handed_over_in_python_has_to_be_named_by_its_user(task: str, options: dict[str, Any]) -> None:
    verify, _ = verify_commands(spec(task, **options), LINE, FOLDER)
    assert verify == "autoprune tables verify 'runs/a run/table.json' --model MODULE:FUNCTION --input 1,3"
