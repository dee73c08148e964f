"""How a table is written: JSON that a person can compare line by line, and its checksum."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def document(value: Any) -> Any:
    """`value` as JSON's types: a dataclass as an object of its fields, those at their default left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: document(held) for f, held in fields if held != f.default}
    if isinstance(value, Mapping):
        return {key: document(held) for key, held in value.items()}
    if isinstance(value, (tuple, list)):
        return [document(held) for held in value]
    return value


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and without spaces; the stated checksum is not part of it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def written(value: Any, indent: str = "") -> str:
    """JSON with one key a line, and one element a line in lists of objects."""
    inner = indent + " "
    if isinstance(value, dict) and any(isinstance(held, (dict, list)) for held in value.values()):
        lines = [f"{inner}{json.dumps(key)}: {written(held, inner)}" for key, held in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + json.dumps(held) for held in value) + f"\n{indent}]"
    return json.dumps(value)
