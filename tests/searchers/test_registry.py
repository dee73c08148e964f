from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from toy import toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.registry import BUILTIN, build_searcher, known_searchers
from autoprune.trial import Trial

PLUGIN = """
class Smallest:
    def __init__(self, times: int = 1) -> None:
        self.times = times

    def search(self, problem):
        problem.evaluate([problem.space.smallest()] * self.times)
"""


def install(folder: Path, *lines: str) -> None:
    """A package on disk, as an installer leaves it, that offers searchers by entry point."""
    info = folder / "prunes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prunes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[autoprune.searchers]", *lines]) + "\n")
    (folder / "prunes_plugin.py").write_text(PLUGIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_every_searcher_is_built_from_its_name(name: str) -> None:
    assert callable(build_searcher(name, {}).search)


def test_naming_the_searchers_imports_none_of_them() -> None:
    code = (
        "import sys; from autoprune.searchers.registry import known_searchers; known_searchers(); "
        "print([m for m in ('torch', 'stable_baselines3', 'gymnasium', 'optuna', 'cmaes') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'bandit'.*annealing, ddpg, evolution, genetic, gp, knapsack"):
        build_searcher("bandit", {})


@pytest.mark.parametrize("name", BUILTIN)
def test_unknown_settings_are_all_named(name: str) -> None:
    with pytest.raises(BadInput, match="'breadth', 'depth'"):
        build_searcher(name, {"depth": 3, "breadth": 4})


def test_a_package_may_offer_a_searcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "smallest = prunes_plugin:Smallest")
    monkeypatch.syspath_prepend(tmp_path)
    kept: list[Trial] = []
    problem = toy_problem(kept=kept)
    build_searcher("smallest", {"times": 2}).search(problem)
    assert [trial.policy for trial in kept] == [problem.space.smallest()] * 2
    with pytest.raises(BadInput, match=r"no setting 'deep'; it knows times"):
        build_searcher("smallest", {"deep": True})


def test_two_searchers_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "random = prunes_plugin:Smallest")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=r"two searchers are called 'random'.*known: annealing"):
        known_searchers()


def test_a_searcher_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "gone = prunes_plugin:Gone")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=r"'gone' \(prunes_plugin:Gone\) cannot be imported"):
        build_searcher("gone", {})
