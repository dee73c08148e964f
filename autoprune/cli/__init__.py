"""The command line: Typer in, Rich out. Commands import the pipeline when they run, so that `--help` is quick."""

from autoprune.cli.main import main

__all__ = ["main"]
