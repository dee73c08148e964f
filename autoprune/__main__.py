"""`python -m autoprune` is the `autoprune` command."""

from autoprune.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
