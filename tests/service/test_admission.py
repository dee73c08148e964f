"""Which jobs are taken: nothing that names a file of the server, or code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running_service import spec

from autoprune.client.documents import UploadDocument
from autoprune.errors import BadInput
from autoprune.models import builtin_models
from autoprune.service.admission import admit, device_of
from autoprune.service.settings import BUILTIN_MODELS, Settings

WEIGHTS, TABLE = ("up_" + digit * 32 for digit in "ab")
SETTINGS = Settings.model_validate(
    {
        "data": "place",
        "models": {"tiny": {"name": "mine:net", "options": {"wide": 2}}},
        "tasks": {"digits": {}, "photos": {"name": "imagefolder", "data": "/photos"}},
    }
)


def find(upload: str) -> UploadDocument | None:
    kinds = {WEIGHTS: "weights", TABLE: "table"}
    if upload not in kinds:
        return None
    return UploadDocument.model_validate(
        {"id": upload, "kind": kinds[upload], "bytes": 1, "sha256": "", "owner": "", "created": 0}
    )


def test_names_and_ids_become_what_the_settings_say() -> None:
    asked = spec(model={"weights": WEIGHTS}, task={"name": "photos"}, device={"table": TABLE})
    made = admit(asked, SETTINGS, find)
    assert (made.model.name, made.model.options) == ("mine:net", {"wide": 2})
    assert made.model.weights == Path("place/uploads") / WEIGHTS
    assert (made.task.name, made.task.data) == ("imagefolder", Path("/photos"))
    assert made.task.calibration == asked.task.calibration
    assert made.device.table == Path("place/uploads") / TABLE


REFUSED: dict[str, dict[str, Any]] = {
    "a model that is not listed": {"model": {"name": "resnet56"}},
    "code": {"model": {"name": "os:getcwd"}},
    "code as a task": {"task": {"name": "os:getcwd"}},
    "options of a model": {"model": {"options": {"wide": 4}}},
    "a path of weights": {"model": {"weights": "/etc/passwd"}},
    "a path beside the uploads": {"model": {"weights": f"{WEIGHTS}/../../service.db"}},
    "a table as weights": {"model": {"weights": TABLE}},
    "a path of data": {"task": {"data": "/etc"}},
    "a path of a table": {"device": {"table": "/etc/passwd"}},
    "a path of an agent": {"search": {"agent": "/tmp/agent.toml"}},
    "a path of another agent": {"search": {"warm_start": "agent.toml"}},
    "too many trials": {"search": {"trials": 1_000_000}},
    "too many images": {"task": {"calibration": 10_000_000}},
    "more devices than the limit": {"finetune": {"devices": 1000}},
    "a front alone": {"search": {"budgets": [], "pareto": True}},
    "a path of another device": {"also": ["/etc/passwd:latency=0.5x"]},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_job_may_not_ask_for_is_refused_in_a_line(what: str) -> None:
    with pytest.raises(BadInput) as refused:
        admit(spec(**REFUSED[what]), SETTINGS, find)
    assert len(str(refused.value).splitlines()) == 1


def test_a_device_offers_what_it_has() -> None:
    assert device_of(None, spec(), SETTINGS) == "local"
    with pytest.raises(BadInput, match="offers cpu"):
        device_of("local", spec(device={"provider": "cuda"}), SETTINGS)
    with pytest.raises(BadInput, match="not on the server's list"):
        device_of("elsewhere", None, SETTINGS)


def test_all_built_in_models_are_allowed_by_default() -> None:
    assert builtin_models() == BUILTIN_MODELS == tuple(Settings().models)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"port": 70_000}, "port"), ({"database": "mysql://x"}, "postgresql"), ({"devices": {}}, "devices")],
)
def test_settings_that_break_a_rule_are_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Settings.load(None, **settings)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_only_this_machine_is_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).is_loopback is loopback
