from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autoprune.errors import BadInput
from autoprune.evaluation.registry import builtin_tasks, load_task
from autoprune.spec import TaskSpec

_USER_CODE = """
from dataclasses import replace
from autoprune.evaluation.digits import digits

def mine(name="mine", data=None):
    return replace(digits(), name=f"{name} {data}")

def wrong_type():
    return 3
"""


@pytest.fixture(autouse=True)
def _user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usertasks.py").write_text(_USER_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "usertasks", raising=False)


def test_a_builtin_task_by_name() -> None:
    assert "digits" in builtin_tasks()
    assert load_task(TaskSpec(name="digits")).name == "digits"


def test_a_function_of_the_users_gets_options_and_data() -> None:
    spec = TaskSpec(name="usertasks:mine", data=Path("images"), options={"name": "ours"})
    assert load_task(spec).name == "ours images"
    assert load_task(TaskSpec(name="usertasks:mine")).name == "mine None"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (TaskSpec(name="digit"), "unknown task 'digit'; choose digits, cifar10, imagefolder"),
        (TaskSpec(name="digits", data=Path("x")), "task digits takes no data, got x"),
        (TaskSpec(name="digits", options={"pixels": 9}), r"digits\(pixels=9\) failed: TypeError"),
        (TaskSpec(name="cifar10"), "task cifar10 needs data"),
        (TaskSpec(name="cifar10", data=Path("absent.npz")), "no such file or folder"),
        (TaskSpec(name="imagefolder", data=Path(), options={"crop": "big"}), "no such folder"),
        (TaskSpec(name="usertasks:wrong_type"), "returned a int, not an autoprune.evaluation.Task"),
        (TaskSpec(name="usertasks:absent"), "has no 'absent'"),
    ],
)
def test_what_cannot_be_loaded_says_why(spec: TaskSpec, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_task(spec)
