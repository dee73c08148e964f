"""The base of the searchers here: their settings, checked when they are built."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from autoprune.errors import BadInput


class Settings(BaseModel):
    """A searcher's hyper-parameters, frozen; an unknown or illegal one raises `BadInput` that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            wrong = "; ".join(_mistake(e["loc"], e["msg"], e["input"]) for e in error.errors())
            known = ", ".join(type(self).model_fields) or "none"
            raise BadInput(f"{wrong} (settings of this searcher: {known})") from None


def _mistake(where: tuple[int | str, ...], rule: str, value: object) -> str:
    return f"{'.'.join(map(str, where))}: {rule}, got {value!r}" if where else rule
