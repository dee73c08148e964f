"""`module:function` references to the user's own code."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from autoprune.errors import AutopruneError, BadInput


def is_reference(name: str) -> bool:
    """Whether `name` has the form `module:function`."""
    return ":" in name


def load_function(reference: str) -> Callable[..., Any]:
    """The callable that `reference` (`package.module:function`) names.

    The current folder is put on `sys.path`, as `python -m` would, so that a file beside the spec is
    found. Raises `BadInput` for a reference that is malformed, cannot be imported or is not callable.
    """
    module_name, _, attribute = reference.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *attribute.split("."))):
        raise BadInput(f"a reference reads module:function, got {reference!r}")
    found: Any = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadInput(f"module {module_name} has no {attribute!r}; check the name after the colon")
        found = getattr(found, part)
    if not callable(found):
        raise BadInput(f"{reference} is not a function but of type {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def takes(function: Callable[..., Any], parameter: str) -> bool:
    """Whether `function` has a parameter of this name; some compiled callables do not tell, and take none."""
    try:
        return parameter in inspect.signature(function).parameters
    except ValueError:
        return False


def call(function: Callable[..., Any], options: Mapping[str, Any], name: str) -> Any:
    """`function(**options)`; whatever it raises becomes a `BadInput` that tells `name`, its options and the error."""
    try:
        return function(**options)
    except AutopruneError:
        raise
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise BadInput(f"{name}({given}) failed: {type(error).__name__}: {error}") from error


def _import(module_name: str) -> Any:
    folder = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if folder not in sys.path:
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise BadInput(f"no module {module_name!r} in {folder} or among the installed packages") from None
        raise BadInput(f"module {module_name} could not be imported: {error}") from error
    except Exception as error:
        raise BadInput(f"module {module_name} could not be imported: {type(error).__name__}: {error}") from error
