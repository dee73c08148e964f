"""Reads latency tables from disk, and trusts nothing in them; free of torch."""

from __future__ import annotations

import functools
import gzip
import io
import json
import math
import zlib
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from autoprune.errors import AutopruneError, BadInput, CorruptFile
from autoprune.profiler.table.latency_table import SCHEMA, LatencyTable
from autoprune.profiler.table.written import checksum

_FAMILY: Final = "autoprune.latency-table/"
_REMEDY: Final = "restore the file or profile again"
_PACKED: Final = b"\x1f\x8b"  # what gzip files begin with
_MOST_BYTES: Final = 256 << 20  # a packed file may say more than it is long, but not without end
# No length, count or time is larger, and sums and products of such numbers stay finite.
_LARGEST: Final = 1e15
_QUOTED: Final = 60  # characters of the file's own that a message repeats


def read_table(path: Path) -> LatencyTable:
    """The latency table in the file `path`, packed by gzip or not.

    Raises `BadInput` where there is none, or it has another schema or other units, `CorruptFile`
    where it is truncated, not a table, breaks a rule, or does not match its checksum.
    """
    content = _content(path)
    schema, units = content.get("schema"), content.get("units")
    if not isinstance(schema, str) or not schema.startswith(_FAMILY):
        raise CorruptFile(
            f"{path}: not a latency table (its schema is {_quoted(schema)}); make one with autoprune profile"
        )
    if schema != SCHEMA:
        raise BadInput(
            f"{path}: schema {_quoted(schema)} is not {SCHEMA!r}, the one that this version of autoprune reads; "
            "use the version that wrote it, or profile again"
        )
    if units != "ms":
        raise BadInput(f"{path}: units {_quoted(units)} are not 'ms', the only ones read; profile again")
    if content.pop("sha256", None) != checksum(content):
        raise CorruptFile(f"{path}: the content does not match its checksum; {_REMEDY}")
    try:
        _require_plain(content)
        return _adapter().validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise CorruptFile(f"{path}: {_deepest(error)}; {_REMEDY}") from None
    except (AutopruneError, ValueError, RecursionError) as error:
        raise CorruptFile(f"{path}: {error}; {_REMEDY}") from None


@functools.cache
def _adapter() -> TypeAdapter[LatencyTable]:
    return TypeAdapter(LatencyTable)


def _deepest(error: ValidationError) -> str:
    """Where a rule is broken, and which; of a value that may be one thing or another, that which it resembles most."""
    found = max(error.errors(), key=lambda one: (len(one["loc"]), one["type"] == "value_error"))
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def _require_plain(value: Any) -> None:
    """Raise `ValueError` unless all numbers in `value` (JSON) are ordinary and all texts can be shown on a screen."""
    if isinstance(value, dict):
        for key, held in value.items():
            _require_plain(key)
            _require_plain(held)
    elif isinstance(value, list):
        for held in value:
            _require_plain(held)
    elif isinstance(value, str) and not value.isprintable():
        raise ValueError(f"the text {_quoted(value)} holds characters that cannot be printed")
    elif isinstance(value, (int, float)) and not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"the number {_quoted(value)} is not between -1e15 and 1e15")


def _quoted(value: Any) -> str:
    """What a file says, fit to be shown: on one line, cut where it is long."""
    text = ascii(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such latency table; make one with autoprune profile --out {path}") from None
    except (gzip.BadGzipFile, ValueError, RecursionError, EOFError, zlib.error):
        raise CorruptFile(f"{path}: truncated or not JSON; {_REMEDY}") from None
    except OSError as error:
        raise BadInput(f"{path}: the latency table cannot be read ({error.strerror or error}); check it") from None
    if not isinstance(content, dict):
        raise CorruptFile(f"{path}: not a latency table but a JSON {type(content).__name__}; {_REMEDY}")
    return content


def _text(path: Path) -> bytes:
    """The file's text. Browsers unpack what they download, and keep its name: only the content tells what is packed."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if text.startswith(_PACKED):
        with gzip.GzipFile(fileobj=io.BytesIO(text)) as packed:
            text = packed.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError("more than a table can hold")
    return text
