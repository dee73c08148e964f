"""Which jobs are taken: names from the allow-lists, files by the ids of uploads, numbers within the limits."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from autoprune.client.documents import MeasureRequest, UploadDocument, UploadKind, VerifyRequest
from autoprune.errors import BadInput
from autoprune.searchers.agents import load_agent
from autoprune.service.settings import Settings
from autoprune.spec import OtherDeviceSpec, RunSpec
from autoprune.tables.installed import table_paths

FindUpload = Callable[[str], UploadDocument | None]

_UPLOAD = re.compile(r"^up_[0-9a-f]{32}$")
_PACKED = ".json.gz"


def upload_path(settings: Settings, upload: str) -> Path:
    """Where the upload with this id lies."""
    return settings.uploads / upload


def admit(spec: RunSpec, settings: Settings, find: FindUpload) -> RunSpec:
    """The spec as it is carried out, names and ids resolved; raises `BadInput` where a job may not ask for that."""
    _within_limits(spec, settings)
    if not spec.chooses:
        raise BadInput("search: a front alone chooses no network to deliver; give budgets or a floor too")
    _known("model.name", spec.model.name, settings.models)
    _known("task.name", spec.task.name, settings.tasks)
    _nothing_of_the_servers(spec)
    for field, agent in (("search.agent", spec.search.agent), ("search.warm_start", spec.search.warm_start)):
        _plain_name(field, agent or "knapsack")
    _require_agent(spec.search.agent, spec.search.warm_start)
    uploaded = None if spec.model.weights is None else _file(str(spec.model.weights), "weights", settings, find)
    table = None if spec.device.table is None else table_file(str(spec.device.table), settings, find)
    return spec.model_copy(
        update={
            "model": settings.models[spec.model.name].spec(spec.model.name, uploaded),
            "task": settings.tasks[spec.task.name].spec(spec.task.name, spec.task),
            "device": spec.device.model_copy(update={"table": table}),
            "also": tuple(_elsewhere(other, settings, find) for other in spec.also),
        }
    )


def admit_verification(asked: VerifyRequest, settings: Settings, find: FindUpload) -> Path:
    """The table to verify; raises `BadInput` where a job may not ask for that."""
    _known("model", asked.model, settings.models)
    return table_file(asked.table, settings, find)


def admit_measurement(asked: MeasureRequest, settings: Settings, find: FindUpload) -> list[Path]:
    """The networks to measure; raises `BadInput` where a job may not ask for that."""
    if asked.threads > settings.limits.threads:
        raise BadInput(f"threads: at most {settings.limits.threads} on this server, got {asked.threads}")
    return [_file(network, "network", settings, find) for network in asked.networks]


def device_of(name: str | None, spec: RunSpec | None, settings: Settings) -> str:
    """The device that a job is for, by default the first; raises `BadInput` where it cannot do what the spec asks."""
    chosen = name if name is not None else next(iter(settings.devices))
    _known("device", chosen, settings.devices)
    offered = settings.devices[chosen].provider
    if spec is not None and spec.device.provider != offered:
        raise BadInput(f"device.provider: {chosen} offers {offered}, got {spec.device.provider!r}")
    return chosen


def table_file(name: str, settings: Settings, find: FindUpload) -> Path:
    """The table of that upload, or the installed one of that name; raises `BadInput` where there is neither."""
    if _UPLOAD.match(name):
        return _file(name, "table", settings, find)
    installed = {table_name(path): path for path in table_paths()}
    if name not in installed:
        raise BadInput(f"no table {name[:80]!r}: give an upload's id, or a name that GET /v1/tables lists")
    return installed[name]


def table_name(path: Path) -> str:
    """What an installed table is called: DEVICE/NAME."""
    return f"{path.parent.name}/{path.name.removesuffix(_PACKED).removesuffix('.json')}"


def _elsewhere(other: OtherDeviceSpec, settings: Settings, find: FindUpload) -> OtherDeviceSpec:
    return other.model_copy(update={"table": table_file(str(other.table), settings, find)})


def _file(upload: str, kind: UploadKind, settings: Settings, find: FindUpload) -> Path:
    """The file of an upload of this kind. What is no id is never looked at as a path."""
    found = find(upload) if _UPLOAD.match(upload) else None
    if found is None:
        raise BadInput(f"no upload {upload[:80]!r}: files are given by the id that POST /v1/uploads answers")
    if found.kind != kind:
        raise BadInput(f"upload {upload} holds {found.kind}, this takes {kind}")
    return upload_path(settings, upload)


def _known(field: str, name: str, allowed: Iterable[str]) -> None:
    names = list(allowed)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"this server allows {', '.join(names)}"
        raise BadInput(f"{field}: {name[:80]!r} is not on the server's list; {hint}")


@functools.lru_cache(maxsize=1000)
def _require_agent(agent: str, warm_start: str | None) -> None:
    """Raise `BadInput` for an agent that there is not; those that come with the package do not change."""
    load_agent(agent, warm_start)


def _plain_name(field: str, agent: str) -> None:
    if not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", part) for part in agent.split("+")):
        raise BadInput(f"{field}: an agent is given by its name, got {agent[:80]!r}")


def _nothing_of_the_servers(spec: RunSpec) -> None:
    """Options are arguments of code, and data lie on the server: both are for its settings to give."""
    if spec.model.options or spec.task.options:
        raise BadInput("options of models and tasks are set in the server's settings; leave `options` out")
    if spec.task.data is not None:
        raise BadInput("task.data: where data lie is set in the server's settings; leave `data` out")


def _within_limits(spec: RunSpec, settings: Settings) -> None:
    limits, search, task, device = settings.limits, spec.search, spec.task, spec.device
    asked: dict[str, tuple[float, float]] = {
        "search.trials": (search.trials, limits.trials),
        "search.finalists": (search.finalists, limits.trials),
        "search.levels": (search.levels, limits.trials),
        "task.calibration": (task.calibration, limits.images),
        "task.validation": (task.validation, limits.images),
        "task.selection": (task.selection, limits.images),
        "finetune.epochs": (spec.finetune.epochs, limits.epochs),
        "finetune.batch": (spec.finetune.batch, limits.images),
        "finetune.devices": (spec.finetune.devices, limits.devices),
        "reconstruction.steps": (spec.reconstruction.steps, limits.steps),
        "reconstruction.together": (spec.reconstruction.together, limits.steps),
        "reconstruction.batch": (spec.reconstruction.batch, limits.images),
        "device.seconds": (device.seconds, limits.seconds),
        "device.threads": (device.threads, limits.threads),
        "device.batch": (device.batch, limits.batch),
        "also": (len(spec.also), 16),
        "search.keep": (len(spec.search.keep), 1000),
    }
    for field, (value, most) in asked.items():
        if value > most:
            raise BadInput(f"{field}: at most {most:g} on this server, got {value:g}")
