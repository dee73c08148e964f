"""What all parts of a spec have in common: nothing unknown is taken, and what is wrong is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from autoprune.errors import BadInput

T = TypeVar("T", bound=BaseModel)


class Section(BaseModel):
    """A part of a spec."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises `BadInput` with the place of the first mistake."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not valid TOML ({error})") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None


def validated(model: type[T], data: dict[str, Any], source: str) -> T:
    """`data` as `model`; raises `BadInput` that names the first mistake in `source`, and how many more there are."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(str(part) for part in first["loc"] if not re.match(r"function-", str(part)))
        what = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        rest = f" (and {len(others)} more)" if others else ""
        raise BadInput(f"{source}: {where + ': ' if where else ''}{what}{got}{rest}") from None
