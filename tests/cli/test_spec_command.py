"""Commands that take a spec: their own options, the flags that mean nothing to them, and what lies beneath a spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner

from autoprune.cli import main
from autoprune.cli.flags import spec_command

if TYPE_CHECKING:
    from autoprune.spec import RunSpec

SPEC = '[model]\nname = "digits_cnn"\n[task]\nname = "digits"\n'
BUDGETS = '[search]\nbudgets = ["macs=0.5x"]\n'


@pytest.fixture
def seen() -> list[tuple[str, Path, bool, int]]:
    return []


@pytest.fixture
def app(seen: list[tuple[str, Path, bool, int]]) -> typer.Typer:
    found = typer.Typer()

    @found.command()
    @spec_command(folder="{name}-rounds", without=("--agent",), beneath={"search": {"budgets": ["macs=1x"]}})
    def rounds(
        spec: RunSpec, out: Path, as_json: bool, count: Annotated[int, typer.Option("--count", min=1)] = 3
    ) -> None:
        """Go round."""
        seen.append((str(spec.search.budgets[0]), out, as_json, count))

    return found


def test_an_option_of_its_own_has_its_default_and_its_rule(
    app: typer.Typer, seen: list[tuple[str, Path, bool, int]], tmp_path: Path
) -> None:
    (tmp_path / "spec.toml").write_text(f'name = "own"\n{SPEC}{BUDGETS}')
    run = CliRunner().invoke
    assert run(app, [str(tmp_path / "spec.toml")]).exit_code == 0
    assert run(app, [str(tmp_path / "spec.toml"), "--count", "5", "--out", "there", "--json"]).exit_code == 0
    assert run(app, [str(tmp_path / "spec.toml"), "--count", "0"]).exit_code == 2
    assert seen == [("macs=0.5x", Path("runs/own-rounds"), False, 3), ("macs=0.5x", Path("there"), True, 5)]


def test_what_lies_beneath_counts_where_the_spec_says_nothing(
    app: typer.Typer, seen: list[tuple[str, Path, bool, int]], tmp_path: Path
) -> None:
    (tmp_path / "spec.toml").write_text(SPEC)
    for flags in ([], ["--budget", "params=0.5x"]):
        assert CliRunner().invoke(app, [str(tmp_path / "spec.toml"), *flags]).exit_code == 0
    assert [budget for budget, *_ in seen] == ["macs=1x", "params=0.5x"]


def test_a_flag_that_means_nothing_is_not_offered(app: typer.Typer) -> None:
    help_text = re.sub(r"\s+", " ", CliRunner().invoke(app, ["--help"]).output)
    assert "--agent" not in help_text
    assert "--count" in help_text
    assert "Go round." in help_text
    assert CliRunner().invoke(app, ["--agent", "random"]).exit_code == 2


@pytest.mark.parametrize("command", ["compare", "sensitivity"])
def test_the_commands_that_take_no_agent_say_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--agent", "random", "--model", "digits_cnn", "--task", "digits"]) == 2
    assert "--agent" in capsys.readouterr().err


def test_a_comparison_needs_a_budget_and_an_analysis_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--model", "digits_cnn", "--task", "digits"]) == 2
    assert "--budget" in capsys.readouterr().err
    assert main(["sensitivity", "--model", "no_such_net", "--task", "digits", "--out", "/dev/null/x"]) == 2
    assert "budget" not in capsys.readouterr().err
