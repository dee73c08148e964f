"""Which examples hypothesis draws: the same in every run of the tests, others where somebody explores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
PROPERTY = """
import os
from hypothesis import given, strategies as st

@given(st.integers(0, 10**9))
def test_anything(number):
    with open(os.environ["DRAWN"], "a") as file:
        print(number, file=file)
"""


def drawn(folder: Path, *options: str) -> list[str]:
    """The examples of a property that is tested beside the conftest of all tests."""
    (folder / "test_property.py").write_text(PROPERTY)
    numbers = folder / "drawn"
    numbers.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", *options]
    where = {**os.environ, "PYTHONPATH": str(TESTS), "DRAWN": str(numbers)}
    subprocess.run([*command, "test_property.py"], cwd=folder, env=where, check=True, capture_output=True)
    return numbers.read_text().split()


def test_examples_are_the_same_every_time_unless_somebody_explores(tmp_path: Path) -> None:
    usual = drawn(tmp_path)
    assert len(usual) == 100
    assert drawn(tmp_path) == usual
    explored = drawn(tmp_path, "--hypothesis-profile=explore")
    assert len(explored) > 1000
    assert explored[:100] != usual
