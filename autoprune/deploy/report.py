"""report.json: what a run found, and what can be read from it (is the budget kept, by which number)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from scipy.stats import binomtest

from autoprune.budget import Budget
from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.run_folder import first_mistake, read_json
from autoprune.errors import BadInput, CorruptFile
from autoprune.files import write_atomic
from autoprune.profiler.table.latency_table import LatencyTable, Verification
from autoprune.profiler.table.prediction import TimedPlan

SCHEMA: Final = "autoprune.report/1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")

Source = Literal["counted", "predicted", "modelled", "measured"]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95% confidence interval of a proportion (Wilson, 1927): `successes` out of `trials`, as fractions."""
    if not 0 <= successes <= trials or trials < 1:
        raise BadInput(f"a proportion needs 0 <= successes <= trials and a trial, got {successes} of {trials}")
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, json_schema_serialization_defaults_required=True
    )


class Latency(_Part):
    """Milliseconds of one inference (one batch); null where not known."""

    predicted: Amount | None = Field(None, description="read from the device's table, ms")
    measured: Amount | None = Field(None, description="median of the timed runs on the device, ms")
    spread: Amount | None = Field(None, description="half the interquartile range of the timed runs, ms")


class Energy(_Part):
    """Millijoules of one inference, and where the number comes from."""

    value: Amount = Field(description="mJ")
    source: Literal["measured", "modelled"]


class Standing(_Part):
    """One network, scored on the test split and costed."""

    score: Annotated[float, Field(allow_inf_nan=False)] = Field(description="the task's metric on the test split")
    score_ci95: tuple[float, float] | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )
    macs: Count = Field(description="multiply-accumulates of one inference; FLOPs = 2 x MACs")
    params: Count = Field(description="numbers stored")
    latency_ms: Latency = Latency()
    energy_mj: Energy | None = None

    @classmethod
    def of(
        cls,
        score: float,
        cost: Cost,
        *,
        images: int | None = None,
        measured: Measurement | None = None,
        energy: Energy | None = None,
    ) -> Self:
        """A standing from the nouns.

        Give `images` (the size of the test split) where `score` is an accuracy over it: its interval
        follows. `measured` is the latency in ms. Without `energy`, a cost's own energy counts as modelled.
        """
        if energy is None and cost.energy_mj is not None:
            energy = Energy(value=cost.energy_mj, source="modelled")
        return cls(
            score=score,
            score_ci95=wilson_interval(round(score * images), images) if images else None,
            macs=round(cost.macs),
            params=round(cost.params),
            latency_ms=Latency(
                predicted=cost.latency_ms,
                measured=measured.median if measured else None,
                spread=measured.spread if measured else None,
            ),
            energy_mj=energy,
        )

    def value(self, metric: Metric) -> tuple[float, Source] | None:
        """The best number known for `metric` and what kind it is: a measured one before a predicted one."""
        if metric is Metric.MACS:
            return self.macs, "counted"
        if metric is Metric.PARAMS:
            return self.params, "counted"
        if metric is Metric.ENERGY and self.energy_mj is not None:
            return self.energy_mj.value, self.energy_mj.source
        if metric is Metric.LATENCY and self.latency_ms.measured is not None:
            return self.latency_ms.measured, "measured"
        return self.predicted() if metric is Metric.LATENCY else None

    def predicted(self) -> tuple[float, Source] | None:
        """The latency in ms that the table predicts."""
        return None if self.latency_ms.predicted is None else (self.latency_ms.predicted, "predicted")


class BudgetLine(_Part):
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


class SearchLine(_Part):
    """Who searched, and how fast."""

    agent: str
    seed: Count
    trials: Count
    seconds: Amount
    trials_per_second: Amount


def _from_json(value: object) -> object:
    """A verification as JSON holds it, lists for tuples; anything else is left to the validator."""
    return TypeAdapter(Verification).validate_json(json.dumps(value)) if isinstance(value, dict) else value


class TableLine(_Part):
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


class Report(_Part):
    """report.json, schema autoprune.report/1."""

    schema_: Literal["autoprune.report/1"] = Field(SCHEMA, alias="schema")
    model: str
    task: str
    metric: str = Field(description="what `score` is; higher is better")
    device: dict[str, JsonValue] = Field(description="fingerprint of the device that was measured")
    budgets: tuple[BudgetLine, ...]
    dense: Standing
    pruned: Standing = Field(description="before any fine-tuning")
    finetuned: Standing | None = None
    search: SearchLine
    table: TableLine | None = Field(None, description="null where no latency was predicted")
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

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`; raises `BadInput` (no such file, another schema) or `CorruptFile`."""
        data = read_json(path)
        if data.get("schema") != SCHEMA:
            raise BadInput(f"{path}: expected a report of schema {SCHEMA!r}, got {data.get('schema')!r}")
        try:
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise CorruptFile(f"{path}: {first_mistake(error)}; make it again with autoprune run") from None

    def to_json(self) -> str:
        """The report as the text of report.json."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write report.json in one step."""
        write_atomic(path, self.to_json())


def schema_text() -> str:
    """The JSON Schema of report.json, as shipped in report.schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=1) + "\n"


def write_schema() -> None:
    """Bring the shipped schema up to date with the models here."""
    write_atomic(SCHEMA_FILE, schema_text())
