"""Entry point: what a user types to an exit code; every failure becomes one or two lines on stderr."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from autoprune.cli.app import app
from autoprune.cli.groups import Interrupted
from autoprune.errors import AutopruneError

# Typer 0.2x brings a copy of Click, older ones import Click: this is either's UsageError.
_UsageError: Any = typer.BadParameter.__base__ or typer.BadParameter


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command (`sys.argv` by default).

    The exit code is 0 for success, 2 for bad input, 1 for a failure of ours, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    debug = "--debug" in arguments
    if debug:  # it may stand anywhere, the parser knows it in front
        arguments = ["--debug", *(a for a in arguments if a != "--debug")]
    try:
        status = typer.main.get_command(app).main(arguments, prog_name="autoprune", standalone_mode=False)
    except Interrupted as interrupted:
        _say(_how_to_resume(interrupted, arguments))
        return 130
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _explain(error)
    return status if isinstance(status, int) else 0


def _explain(error: Exception) -> int:
    """Say what went wrong; the exit code that goes with it."""
    if isinstance(error, AutopruneError):
        _say(f"error: {error}")
        return error.exit_code
    if isinstance(error, _UsageError):
        command = error.ctx.command_path if error.ctx else "autoprune"
        _say(f"error: {error.format_message()}\nSee {command} --help.")
        return 2
    if isinstance(error, BrokenPipeError):
        # The reader has left (as `head` does); Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    first_line = str(error).partition("\n")[0]
    _say(f"error: {type(error).__name__}: {first_line}\nThis is a failure of autoprune; --debug shows where.")
    return 1


def _how_to_resume(interrupted: Interrupted, arguments: Sequence[str]) -> str:
    again = shlex.join(["autoprune", *arguments])
    if interrupted.resumes:
        return f"interrupted; what is done so far is kept, to resume type again: {again}"
    return f"interrupted; to start over type again: {again}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
