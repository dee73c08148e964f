"""Where one network stands: what it costs, by which kind of number, and what it scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.document.base import Amount, Count, Number, Part
from autoprune.errors import BadInput

Source = Literal["counted", "predicted", "modelled", "measured"]


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95% confidence interval of a proportion (Wilson, 1927): `successes` out of `trials`, as fractions."""
    if not 0 <= successes <= trials or trials < 1:
        raise BadInput(f"a proportion needs 0 <= successes <= trials and a trial, got {successes} of {trials}")
    from scipy.stats import binomtest  # only who scores a network needs it, not who reads its report

    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def score_interval(score: float, images: int | None) -> tuple[float, float] | None:
    """95% confidence interval of a score that is a share of `images`; None where it is no such share."""
    return wilson_interval(round(score * images), images) if images else None


class Latency(Part):
    """Milliseconds of one inference (one batch); null where not known."""

    predicted: Amount | None = Field(None, description="read from the device's table, ms")
    measured: Amount | None = Field(None, description="median of the timed runs on the device, ms")
    spread: Amount | None = Field(None, description="half the interquartile range of the timed runs, ms")


class Energy(Part):
    """Millijoules of one inference, and where the number comes from."""

    value: Amount = Field(description="mJ")
    source: Literal["measured", "modelled"]


class CostLine(Part):
    """What one network costs; null where not known."""

    macs: Count = Field(description="multiply-accumulates of one inference; FLOPs = 2 x MACs")
    params: Count = Field(description="numbers stored")
    latency_ms: Latency = Latency()
    energy_mj: Energy | None = None
    peak_memory_bytes: Count | None = Field(None, description="most activation bytes alive at once, float32, counted")
    size_bytes: Count | None = Field(None, description="of the network as an ONNX file, measured")

    @classmethod
    def of(
        cls,
        cost: Cost,
        *,
        measured: Measurement | None = None,
        energy: Energy | None = None,
        size_bytes: int | None = None,
    ) -> CostLine:
        """A line from the nouns: `measured` is the latency in ms, `size_bytes` that of the exported file.

        Without `energy`, a cost's own energy counts as modelled.
        """
        if energy is None and cost.energy_mj is not None:
            energy = Energy(value=cost.energy_mj, source="modelled")
        return CostLine(
            macs=round(cost.macs),
            params=round(cost.params),
            latency_ms=Latency(
                predicted=cost.latency_ms,
                measured=measured.median if measured else None,
                spread=measured.spread if measured else None,
            ),
            energy_mj=energy,
            peak_memory_bytes=round(cost.peak_memory_bytes),
            size_bytes=size_bytes,
        )

    def value(self, metric: Metric) -> tuple[float, Source] | None:
        """The best number known for `metric` and what kind it is: a measured one before a predicted one."""
        if metric is Metric.MACS:
            return self.macs, "counted"
        if metric is Metric.PARAMS:
            return self.params, "counted"
        if metric is Metric.MEMORY and self.peak_memory_bytes is not None:
            return self.peak_memory_bytes, "counted"
        if metric is Metric.SIZE and self.size_bytes is not None:
            return self.size_bytes, "measured"
        if metric is Metric.ENERGY and self.energy_mj is not None:
            return self.energy_mj.value, self.energy_mj.source
        if metric is Metric.LATENCY and self.latency_ms.measured is not None:
            return self.latency_ms.measured, "measured"
        return self.predicted() if metric is Metric.LATENCY else None

    def predicted(self) -> tuple[float, Source] | None:
        """The latency in ms that the table predicts."""
        return None if self.latency_ms.predicted is None else (self.latency_ms.predicted, "predicted")

    def ratio(self, dense: CostLine, metric: Metric) -> tuple[float, Source] | None:
        """The cost as a share of the dense network's, both numbers of one kind; None where not known."""
        after, before = self.value(metric), dense.value(metric)
        if metric is Metric.LATENCY and after and before and after[1] != before[1]:
            after, before = self.predicted(), dense.predicted()
        if not after or not before or after[1] != before[1] or not before[0]:
            return None
        return after[0] / before[0], after[1]


class _Scored(Part):
    """The fields of a score, which come first in JSON."""

    score: Number = Field(description="the task's metric on the test split")
    score_ci95: tuple[float, float] | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )


class Standing(CostLine, _Scored):
    """One network, scored on the test split and costed."""

    @classmethod
    def scoring(cls, score: float, costs: CostLine, *, images: int | None = None) -> Standing:
        """The standing of a network that costs what `costs` says.

        Give `images` (the size of the test split) where `score` is an accuracy over it: its interval follows.
        """
        return Standing(score=score, score_ci95=score_interval(score, images), **dict(costs))
