"""report.json: what a run found, and what can be read from it (is the budget kept, by which number)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from autoprune.cost import Metric
from autoprune.deploy.document.base import Amount, Count, Number, Part, Positive, Share, TaskDocument
from autoprune.deploy.document.goals import BudgetCheck, BudgetLine, FloorLine, OtherDevice
from autoprune.deploy.document.standing import Source, Standing
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.verification import Verification


class SearchLine(Part):
    """Who searched, and how fast."""

    agent: str
    criterion: str | None = Field(None, description="what ranked the channels; null in a report of an earlier version")
    seed: Count
    trials: Count
    seconds: Amount
    trials_per_second: Amount


class CarriedScores(Part):
    """What is known of the scores of a search before anything is tested; see `Generalisation`."""

    search: Number | None
    selection: Number
    finalists: Count
    rank_correlation: Annotated[float, Field(ge=-1, le=1)] | None

    def tested(self, test: float) -> Generalisation:
        """With the pruned network's score on the test split."""
        return Generalisation(**dict(self), test=test)


class Generalisation(Part):
    """How the search's scores carry over: those of the chosen policy, side by side, and the order of the finalists."""

    search: Number | None = Field(
        description="on the validation split, as the search saw it; null where no trial scored the policy"
    )
    selection: Number = Field(description="on the selection split, refitted layer by layer")
    test: Number = Field(description="on the test split: the pruned network, before any fine-tuning")
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
    input_shape: tuple[Positive, ...] = Field(description="batch first")
    interpolated: Share = Field(
        description="share of the kernels looked up that have no row of their own, over random policies"
    )
    mape: Amount | None = Field(None, description="mean error on unseen networks; null where nobody has verified it")
    within_5pct: Share | None = Field(
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


class Report(TaskDocument):
    """report.json, schema autoprune.report/1."""

    COMMAND: ClassVar[str] = "autoprune run"
    schema_: Literal["autoprune.report/1"] = Field("autoprune.report/1", alias="schema")
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
    policy: dict[str, Positive] = Field(description="channels kept, by channel group")

    @property
    def result(self) -> Standing:
        """The network that the run hands over: fine-tuned where it was fine-tuned."""
        return self.finetuned or self.pruned

    def ratio(self, metric: Metric) -> tuple[float, Source] | None:
        """The result's cost as a share of the dense network's, both numbers of one kind; None where not known."""
        return self.result.ratio(self.dense, metric)

    def check(self, budget: BudgetLine) -> BudgetCheck:
        """Whether the result keeps `budget`, by the best number known."""
        return BudgetCheck.of(budget, self.result, self.dense)


SCHEMA_FILE: Final = Report.schema_file()
