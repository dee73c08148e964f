"""JSON files as they are read, and in one line what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autoprune.errors import BadInput, CorruptFile


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from `path`; raises `BadInput` where it cannot be read, `CorruptFile` where it is no object."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise CorruptFile(f"{path}: not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise CorruptFile(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data


def first_mistake(error: ValidationError) -> str:
    """The first thing pydantic found wrong, in one line: where, what, and how many more."""
    first, *others = error.errors()
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'the file'}: {first['msg']}" + (f" (and {len(others)} more)" if others else "")
