"""Budgets, floors and lists, as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.floor import Floor


def _budget(value: object) -> object:
    return Budget.parse(value) if isinstance(value, str) else value


BudgetText = Annotated[
    Budget,
    BeforeValidator(_budget),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["latency=0.5x", "macs=60M"]}),
]


def _floor(value: object) -> object:
    return Floor.parse(str(value)) if isinstance(value, str | float | int) else value


FloorText = Annotated[
    Floor,
    BeforeValidator(_floor),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["dense-0.01", "0.91"]}),
]


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Metrics = Annotated[tuple[Metric, ...], BeforeValidator(_one_or_several)]


Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_several)]


def _processors(value: object) -> object:
    """`0,1` as a list of numbers; anything else is left to the validator."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if value.strip()]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError("affinity names processors by number, as in 0,1")
    return [int(part) for part in parts]


def _distinct(processors: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(processors)) < len(processors):
        raise ValueError("affinity names a processor twice")
    return processors


Processors = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_processors), AfterValidator(_distinct)]


def one_a_metric(budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    """`budgets`; raises `ValueError` where two limit the same metric."""
    metrics = [b.metric for b in budgets]
    if len(set(metrics)) != len(metrics):
        raise ValueError(f"at most one budget a metric, got {', '.join(map(str, budgets))}")
    return budgets
