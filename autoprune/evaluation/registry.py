"""From a task's name to the task."""

from __future__ import annotations

from collections.abc import Callable

from autoprune.errors import BadInput
from autoprune.evaluation.cifar10 import cifar10
from autoprune.evaluation.digits import digits
from autoprune.evaluation.imagefolder import imagefolder
from autoprune.evaluation.task import Task
from autoprune.models.imported import call, is_reference, load_function, takes
from autoprune.spec import TaskSpec

_BUILTIN: dict[str, Callable[..., Task]] = {"digits": digits, "cifar10": cifar10, "imagefolder": imagefolder}


def builtin_tasks() -> tuple[str, ...]:
    """Names of the tasks that come with this package."""
    return tuple(_BUILTIN)


def load_task(spec: TaskSpec) -> Task:
    """The task that `spec` names: built-in, or `module:function` returning a `Task`.

    The function gets the spec's options, and its `data` where given. Raises `BadInput` for unknown
    names and options, absent data, and whatever a user's function raises.
    """
    function = _function(spec.name)
    options = dict(spec.options)
    if spec.data is not None:
        if not takes(function, "data"):
            raise BadInput(f"task {spec.name} takes no data, got {spec.data}; leave `data` out")
        options["data"] = spec.data
    elif spec.name in _BUILTIN and takes(function, "data"):
        raise BadInput(f"task {spec.name} needs data; give the file or folder that holds it")
    task = call(function, options, spec.name)
    if not isinstance(task, Task):
        raise BadInput(f"task {spec.name} returned a {type(task).__name__}, not an autoprune.evaluation.Task")
    return task


def _function(name: str) -> Callable[..., Task]:
    if name in _BUILTIN:
        return _BUILTIN[name]
    if is_reference(name):
        return load_function(name)
    raise BadInput(f"unknown task {name!r}; choose {', '.join(_BUILTIN)}, or module:function")
