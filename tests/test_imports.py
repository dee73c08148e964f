"""What importing brings along: the nouns are light, and torch comes only with the rooms that use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import autoprune
from autoprune import profiler

NOUNS = (
    "errors",
    "space",
    "cost",
    "kernel_sum",
    "objective",
    "feasible",
    "trial",
    "features",
    "progress",
    "device",
    "files",
)
PROFILER = sorted(f"autoprune.profiler.{path.stem}" for path in Path(profiler.__path__[0]).glob("[a-z]*.py"))


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in a fresh interpreter after `statement`."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import autoprune") & {"torch", "numpy", "onnx", "onnxruntime", "optuna", "pydantic"}


def test_the_nouns_need_numpy_alone() -> None:
    loaded = loaded_by("import " + ", ".join(f"autoprune.{noun}" for noun in NOUNS))
    assert "numpy" in loaded
    assert not loaded & {"torch", "onnx", "onnxruntime", "optuna", "gymnasium", "stable_baselines3", "pydantic"}


@pytest.mark.parametrize("module", PROFILER)
def test_the_profiler_needs_numpy_and_onnxruntime_alone(module: str) -> None:
    """What a device need not have is not imported, neither by us nor for us."""
    heavy = {"torch", "onnx", "scipy", "pydantic", "typer", "rich", "optuna", "matplotlib", "sklearn"}
    assert not loaded_by(f"import {module}") & heavy


def test_a_spec_is_read_without_torch() -> None:
    loaded = loaded_by("import autoprune.spec")
    assert "pydantic" in loaded
    assert "torch" not in loaded


def test_the_client_needs_neither_torch_nor_the_servers_libraries() -> None:
    loaded = loaded_by("import autoprune.client")
    assert "httpx" in loaded
    assert not loaded & {"torch", "fastapi", "starlette", "sqlalchemy", "dbos", "optuna"}


def test_the_server_brings_no_torch() -> None:
    loaded = loaded_by("import autoprune.service.serving")
    assert "fastapi" in loaded
    assert not loaded & {"torch", "optuna", "scipy", "stable_baselines3"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        autoprune.nothing  # noqa: B018 - the access is what is tested
