"""What holds of the numbers in a table, whoever wrote it: each rule raises `ValueError` with the number."""

from __future__ import annotations

from typing import Final

# What pydantic is to hold the fields of this file to when a table is read.
STRICT: Final = {"extra": "forbid", "allow_inf_nan": False, "strict": True}


# Between these lie all times that a machine can tell: a picosecond, and eleven days. Predictions divide by them.
SHORTEST_MS: Final = 1e-9
LONGEST_MS: Final = 1e9
MOST_TIMES: Final = 1e3
WIDEST: Final = 1 << 20  # channels


def require(rule: bool, message: str) -> None:
    """Raise `ValueError` with `message` where `rule` does not hold."""
    if not rule:
        raise ValueError(message)


def require_times(**times_ms: float) -> None:
    """Times are positive, and no longer than a machine can tell."""
    for name, ms in times_ms.items():
        require(SHORTEST_MS <= ms <= LONGEST_MS, f"{name} must be positive, and at most {LONGEST_MS:g}, got {ms}")


def require_counts(**counts: int) -> None:
    """There is at least one of each."""
    for name, count in counts.items():
        require(count >= 1, f"{name} must be at least 1, got {count}")


def require_not_negative(**values: float) -> None:
    """Values are finite, and 0 or more."""
    for name, value in values.items():
        require(0 <= value <= LONGEST_MS, f"{name} must not be negative, and at most {LONGEST_MS:g}, got {value}")


def require_shares(**shares: float) -> None:
    """Shares lie in [0, 1]."""
    for name, share in shares.items():
        require(0 <= share <= 1, f"{name} must lie in [0, 1], got {share}")
