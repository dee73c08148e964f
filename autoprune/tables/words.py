"""What a table and its verification say, in words: what the command line and the report both show."""

from __future__ import annotations

from collections.abc import Sequence

from autoprune.profiler.table.verification import Verification

NOT_WORTH = "the others are not measurably cheaper than a larger one"

_CLOSE = 0.05  # the share that `Verification.within_5pct` counts


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it: 1×3×224×224."""
    return "×".join(map(str, shape)) or "scalar"


def percent(share: float) -> str:
    """A fraction in percent, one digit after the point."""
    return f"{100 * share:.1f}%"


def count_of(share: float, networks: int) -> str:
    """A share of a number of networks: 29 of 30."""
    return f"{round(share * networks)} of {networks}"


def verdict(found: Verification) -> str:
    """How good the table is, in one line: how many networks within 5%, and how well that can be known.

    The noise floor is the largest difference between two measurements of one network.
    """
    close = f"{count_of(found.within_5pct, found.networks)} networks within 5%"
    floor = found.noise_floor.max_error
    if floor <= _CLOSE or found.within_5pct == 1:
        return f"{close}, the noise floor of this run is {percent(floor)}"
    noisy = count_of(found.within_noise, found.networks)
    return f"{close}; the noise floor of this run is {percent(floor)}, and {noisy} lie within that"


def figures(found: Verification) -> list[tuple[str, str]]:
    """Every figure of a verification: its name, and its value with what it means."""
    floor = found.noise_floor
    return [
        ("error", f"mean {percent(found.mape)}, largest {percent(found.max_error)} (predicted against measured)"),
        ("within 5%", count_of(found.within_5pct, found.networks)),
        ("within 10%", count_of(found.within_10pct, found.networks)),
        ("rank correlation", f"{found.rank_correlation:.3f} (1 where the table has their order right)"),
        (
            "noise floor",
            f"mean {percent(floor.mape)}, largest {percent(floor.max_error)} "
            "(each network measured twice, apart in time; no table can be shown to be closer than that)",
        ),
        ("machine's speed", _speed_text(found.speed)),
        ("interpolated", f"{percent(found.interpolated)} of the kernels looked up lie between measured ones"),
    ]


def _speed_text(speed: float) -> str:
    """How fast the machine was, compared with when the table was made; `speed` above 1 is slower."""
    if abs(speed - 1) < 0.0005:
        return "the same as when the table was made"
    word = "slower" if speed > 1 else "faster"
    return f"{percent(abs(speed - 1))} {word} than when the table was made (divided out)"
