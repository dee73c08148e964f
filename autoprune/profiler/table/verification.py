"""How well a table foretold networks that it was not made from."""

from __future__ import annotations

from dataclasses import dataclass

from autoprune.profiler.table.rules import STRICT, require, require_counts, require_not_negative, require_shares


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far two measurements of the same networks lie apart, as fractions: no prediction can be told to be better.

    mape: mean over the networks. max_error: the largest. drift: median change from the first to the
    second, signed.
    """

    __pydantic_config__ = STRICT

    mape: float
    max_error: float
    drift: float


@dataclass(frozen=True, slots=True)
class VerifiedNetwork:
    """One unseen network: what the table says and what the clock says.

    measured_ms: median of both measurements, at the table's speed (see `Verification.speed`).
    error: (predicted - measured) / measured.
    """

    __pydantic_config__ = STRICT

    widths: tuple[int, ...]
    predicted_ms: float
    measured_ms: float
    spread_ms: float
    first_ms: float
    second_ms: float
    error: float


@dataclass(frozen=True, slots=True)
class Verification:
    """How well a table predicts networks that it was not made from; errors are fractions.

    speed: how many times longer the network's anchors took now than when the table was measured;
    the change is taken out of the measured times (see `verify`). rank_correlation: Spearman's, 0 where all times are
    equal. within_noise: share of the networks whose error is within 5% or the noise floor's largest,
    whichever is larger. interpolated: share of the predicted kernels that have no row of their own.
    """

    __pydantic_config__ = STRICT

    networks: int
    mape: float
    max_error: float
    within_5pct: float
    within_10pct: float
    within_noise: float
    rank_correlation: float
    interpolated: float
    speed: float
    noise_floor: NoiseFloor
    rows: tuple[VerifiedNetwork, ...] = ()

    def __post_init__(self) -> None:
        require_shares(within_5pct=self.within_5pct, within_10pct=self.within_10pct)
        require_shares(within_noise=self.within_noise, interpolated=self.interpolated)
        require_counts(networks=self.networks)
        require_not_negative(mape=self.mape, max_error=self.max_error)
        require(self.speed > 0, f"speed must be positive, got {self.speed}")
