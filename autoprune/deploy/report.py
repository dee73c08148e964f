"""report.json: what a run found, and what can be read from it (is the budget kept, by which number)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter
from scipy.stats import binomtest

from autoprune.budget import Budget
from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.document import Document, Part
from autoprune.errors import BadInput
from autoprune.profiler.table.latency_table import LatencyTable, Verification
from autoprune.profiler.table.prediction import TimedPlan

Source = Literal["counted", "predicted", "modelled", "measured"]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteScore = Annotated[float, Field(allow_inf_nan=False)]


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95% confidence interval of a proportion (Wilson, 1927): `successes` out of `trials`, as fractions."""
    if not 0 <= successes <= trials or trials < 1:
        raise BadInput(f"a proportion needs 0 <= successes <= trials and a trial, got {successes} of {trials}")
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


class Standing(Part):
    """One network, scored on the test split and costed."""

    score: Annotated[float, Field(allow_inf_nan=False)] = Field(description="the task's metric on the test split")
    score_ci95: tuple[float, float] | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )
    macs: Count = Field(description="multiply-accumulates of one inference; FLOPs = 2 x MACs")
    params: Count = Field(description="numbers stored")
    latency_ms: Latency = Latency()
    energy_mj: Energy | None = None
    peak_memory_bytes: Count | None = Field(None, description="most activation bytes alive at once, float32, counted")
    size_bytes: Count | None = Field(None, description="of the network as an ONNX file, measured")

    @classmethod
    def of(
        cls,
        score: float,
        cost: Cost,
        *,
        images: int | None = None,
        measured: Measurement | None = None,
        energy: Energy | None = None,
        size_bytes: int | None = None,
    ) -> Self:
        """A standing from the nouns.

        Give `images` (the size of the test split) where `score` is an accuracy over it: its interval
        follows. `measured` is the latency in ms, `size_bytes` that of the exported file. Without
        `energy`, a cost's own energy counts as modelled.
        """
        if energy is None and cost.energy_mj is not None:
            energy = Energy(value=cost.energy_mj, source="modelled")
        return cls(
            score=score,
            score_ci95=score_interval(score, images),
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


class BudgetLine(Part):
    """A budget as it was asked for."""

    metric: Metric
    limit: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    relative: bool = Field(description="whether `limit` is a share of the dense network's cost")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """The line of a budget."""
        return cls(metric=budget.metric, limit=budget.limit, relative=budget.relative)

    def __str__(self) -> str:
        return str(Budget(self.metric, self.limit, self.relative))


class FloorLine(Part):
    """A floor as it was asked for, and the score of the chosen network: on the selection split, before fine-tuning."""

    asked: str = Field(description="dense-0.01, or the score itself")
    minimised: Metric
    least: Annotated[float, Field(allow_inf_nan=False)] = Field(description="the least score that keeps the floor")
    score: Annotated[float, Field(allow_inf_nan=False)]
    score_ci95: tuple[float, float] | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )
    dense: Annotated[float, Field(allow_inf_nan=False)] = Field(description="the dense network's score on that split")
    difference_ci95: tuple[float, float] = Field(
        description="95% interval of the score less the dense one, both on the same images (normal approximation)"
    )

    @property
    def kept(self) -> bool:
        """Whether the score is at least what was asked for."""
        return self.score >= self.least


class Predicted(Part):
    """What a device's table says of one network; null where it does not."""

    latency_ms: Amount | None = None
    energy_mj: Amount | None = Field(None, description="by the table's energy model")

    @classmethod
    def of(cls, cost: Cost) -> Self:
        """The two of a cost."""
        return cls(latency_ms=cost.latency_ms, energy_mj=cost.energy_mj)

    def value(self, metric: Metric) -> float | None:
        """Latency or energy."""
        return self.latency_ms if metric is Metric.LATENCY else self.energy_mj


class OtherDevice(Part):
    """A device that was not at hand: what its table predicts there, which nothing has measured."""

    device: str
    table: str
    budgets: tuple[BudgetLine, ...]
    dense: Predicted
    pruned: Predicted

    def check(self, budget: BudgetLine) -> BudgetCheck:
        """Whether the pruned network is predicted to keep `budget` there."""
        source: Source = "predicted" if budget.metric is Metric.LATENCY else "modelled"
        value, dense = self.pruned.value(budget.metric), self.dense.value(budget.metric)
        if value is None or dense is None:
            return BudgetCheck(budget, None, None)
        return BudgetCheck(budget, value / dense if budget.relative else value, source)


class SearchLine(Part):
    """Who searched, and how fast."""

    agent: str
    seed: Count
    trials: Count
    seconds: Amount
    trials_per_second: Amount


class Generalisation(Part):
    """How the search's scores carry over: those of the chosen policy, side by side, and the order of the finalists."""

    search: FiniteScore | None = Field(
        description="on the validation split, as the search saw it; null where no trial scored the policy"
    )
    selection: FiniteScore = Field(description="on the selection split, refitted layer by layer")
    test: FiniteScore = Field(description="on the test split: the pruned network, before any fine-tuning")
    finalists: Count = Field(description="policies that the search and the selection split both ranked")
    rank_correlation: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        description="Spearman's, of their rewards in the search with those on the selection split; null for fewer than "
        "three"
    )


def _from_json(value: object) -> object:
    """A verification as JSON holds it, lists for tuples; anything else is left to the validator."""
    return TypeAdapter(Verification).validate_json(json.dumps(value)) if isinstance(value, dict) else value


class TableLine(Part):
    """The latency table behind the predictions, and how it was checked on this network; errors are fractions."""

    path: str
    created: str = Field(description="day (UTC) of the last measurement in it, YYYY-MM-DD")
    network: str = Field(description="the network's digest in the table")
    input_shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(description="batch first")
    interpolated: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of the kernels looked up that have no row of their own, over random policies"
    )
    mape: Amount | None = Field(None, description="mean error on unseen networks; null where nobody has verified it")
    within_5pct: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="share of the unseen networks whose error is at most 5%; null where nobody has verified it"
    )
    verification: Annotated[Verification, BeforeValidator(_from_json)] | None = None

    @classmethod
    def of(cls, table: LatencyTable, network: str, path: Path) -> Self:
        """The line of the table at `path`, whose network this is; raises `BadInput` where it does not hold it."""
        profile = table.network(network)
        found = profile.verification
        return cls(
            path=str(path),
            created=table.created,
            network=network,
            input_shape=profile.input_shape,
            interpolated=TimedPlan.of(table, network, profile.space).coverage().interpolated,
            mape=found.mape if found else None,
            within_5pct=found.within_5pct if found else None,
            verification=found,
        )


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """Whether `value <= budget.limit`: a share of the dense cost for a relative budget, else in the metric's unit."""

    budget: BudgetLine
    value: float | None
    source: Source | None

    @property
    def kept(self) -> bool | None:
        """The answer, from the best number known; None where there is none."""
        return None if self.value is None else self.value <= self.budget.limit


class Report(Document):
    """report.json, schema autoprune.report/1."""

    COMMAND: ClassVar[str] = "autoprune run"
    schema_: Literal["autoprune.report/1"] = Field("autoprune.report/1", alias="schema")
    model: str
    task: str
    metric: str = Field(description="what `score` is; higher is better")
    device: dict[str, JsonValue] = Field(description="fingerprint of the device that was measured")
    budgets: tuple[BudgetLine, ...]
    floor: FloorLine | None = None
    dense: Standing
    pruned: Standing = Field(description="before any fine-tuning")
    finetuned: Standing | None = None
    search: SearchLine
    generalisation: Generalisation | None = Field(None, description="null in a report of an earlier version")
    table: TableLine | None = Field(None, description="null where no latency was predicted")
    also: tuple[OtherDevice, ...] = Field((), description="other devices that the policy is for")
    policy: dict[str, Annotated[int, Field(ge=1)]] = Field(description="channels kept, by channel group")

    @property
    def result(self) -> Standing:
        """The network that the run hands over: fine-tuned where it was fine-tuned."""
        return self.finetuned or self.pruned

    def ratio(self, metric: Metric) -> tuple[float, Source] | None:
        """The result's cost as a share of the dense network's, both numbers of one kind; None where not known."""
        after, before = self.result.value(metric), self.dense.value(metric)
        if metric is Metric.LATENCY and after and before and after[1] != before[1]:
            after, before = self.result.predicted(), self.dense.predicted()
        if not after or not before or after[1] != before[1] or not before[0]:
            return None
        return after[0] / before[0], after[1]

    def check(self, budget: BudgetLine) -> BudgetCheck:
        """Whether the result keeps `budget`, by the best number known."""
        found = self.ratio(budget.metric) if budget.relative else self.result.value(budget.metric)
        return BudgetCheck(budget, *(found or (None, None)))


SCHEMA_FILE: Final = Report.schema_file()
