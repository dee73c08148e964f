"""The root command group: it turns Ctrl-C into an error that knows which command was running."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_RESUMED = ("run", "search", "profile", "compare", "sensitivity", "serve")


class Interrupted(Exception):
    """The user pressed Ctrl-C; `resumes` tells whether the same command would go on where it stopped."""

    def __init__(self, command: str | None) -> None:
        super().__init__(f"{command} was interrupted")
        self.resumes = command in _RESUMED


class Group(TyperGroup):
    """Raises `Interrupted` where Typer would abort in words of its own."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that `ctx` names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(ctx.invoked_subcommand) from None
