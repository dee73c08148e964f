"""Where a network is executed: here, and on other devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.device import Device
from autoprune.spec.fields import BudgetText, Processors, one_a_metric
from autoprune.spec.section import Section


class DeviceSpec(Section):
    """How the network will be executed, and the table that holds its kernel times."""

    provider: Literal["cpu", "cuda"] = Field("cpu", description="ONNX Runtime execution provider")
    threads: int = Field(1, ge=1, le=1024, description="intra-op threads of the runtime")
    affinity: Processors = Field((), description="processors to stay on, [0, 1] or '0,1'; empty for any")
    batch: int = Field(1, ge=1, le=65536, description="images per inference")
    table: Path | None = Field(None, description="a latency table; made by profiling where none is given")
    allow_foreign_table: bool = Field(False, description="accept a table measured on another device")
    seconds: float = Field(60.0, gt=0, description="time to spend on measuring kernels")

    @property
    def device(self) -> Device:
        """How ONNX Runtime is to execute networks."""
        return Device(self.provider, self.threads, self.affinity)


class OtherDeviceSpec(Section):
    """Another device that the same policy is for: its latency table, and what the network may cost there."""

    table: Path = Field(description="the other device's latency table")
    budgets: tuple[BudgetText, ...] = Field(min_length=1, description="on latency or energy there; all hold at once")
    batch: int = Field(1, ge=1, le=65536, description="images per inference there")

    @field_validator("budgets")
    @classmethod
    def _from_a_table(cls, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
        if everywhere := [str(b) for b in budgets if b.metric not in (Metric.LATENCY, Metric.ENERGY)]:
            raise ValueError(f"{everywhere[0]} is the same on every device; give it as a budget of the search")
        return one_a_metric(budgets)


def _table_and_budgets(value: object) -> object:
    """`TABLE:latency=0.6x,energy=0.5x` as a section's fields; anything else is left to the validator."""
    if not isinstance(value, str):
        return value
    table, colon, budgets = value.rpartition(":")
    if not colon or not table:
        raise ValueError("another device reads TABLE:BUDGET, as in phone.json:latency=0.6x")
    return {"table": table, "budgets": budgets.split(",")}


OtherDevices = tuple[Annotated[OtherDeviceSpec, BeforeValidator(_table_and_budgets)], ...]
