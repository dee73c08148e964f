"""A table's file, changed in ways that a person, a disk or a download might change it, and worse ones."""

from __future__ import annotations

import copy
import functools
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from table_example import digest, example_table

from autoprune.profiler.table.verification import NoiseFloor, Verification, VerifiedNetwork
from autoprune.profiler.table.written import checksum

Place = tuple[str | int, ...]

# Numbers on both sides of what a rule allows, and what is no number although it looks like one.
_NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 3, 16, 2**31, 2**63, 10**16, 10**400, 0.5, -0.5, 1e-300, 1e300, -1e300]
) | st.sampled_from([float("nan"), float("inf"), float("-inf"), True, False])
_TEXTS = st.sampled_from(["", "ms", "8", "NaN", "cpu", "cuda", "measured", "2026-01-01", "a\nb", "\x1b[2J", "\ud800"])
_LEAVES = _NUMBERS | _TEXTS | st.none() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS | st.text(), inner, max_size=3)
)


@functools.cache
def example_content() -> dict[str, Any]:
    """The content of a valid table, checksum left out, every field of every kind of object said."""
    floor = NoiseFloor(mape=0.01, max_error=0.02, drift=-0.005)
    row = VerifiedNetwork((8, 8), 1.02, 1.0, 0.01, 1.0, 1.0, 0.02)
    checked = Verification(1, 0.02, 0.02, 1.0, 1.0, 1.0, 0.5, 0.25, 1.1, floor, (row,))
    content: dict[str, Any] = json.loads(example_table().verified(digest(), checked).to_json())
    del content["sha256"]
    content["fingerprint"] |= {"affinity": [0, 2], "gpu": None}
    plan = content["networks"][digest()]["plan"]
    plan["unexplained"] = [["odd", "Relu"]]
    plan["sites"][1]["presence"] = {
        "extent": {"fixed": 0, "terms": [[0, 1]]},
        "region": {"least": 1, "step": 1, "but": {"least": 1000, "step": 2, "but": None}},
    }
    return content


def sealed(content: Any) -> str:
    """`content` with a checksum that fits, as a file's text."""
    return json.dumps({"sha256": checksum(content), **content} if isinstance(content, dict) else content)


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where anything stands in `value` (JSON)."""
    yield at
    held = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in held:
        yield from places(inner, (*at, key))


def at(value: Any, place: Place) -> Any:
    """What stands at `place`."""
    return functools.reduce(lambda inner, key: inner[key], place, value)


def put(content: Any, place: Place, value: Any) -> Any:
    """A copy of `content` with `value` at `place`."""
    if not place:
        return value
    changed = copy.deepcopy(content)
    at(changed, place[:-1])[place[-1]] = value
    return changed


PLACES = tuple(place for place in places(example_content()) if place)
OBJECTS = tuple(place for place in ((), *PLACES) if isinstance(at(example_content(), place), dict))


@st.composite
def changed_contents(draw: st.DrawFn) -> dict[str, Any]:
    """A table's content with up to three of its values replaced, removed or doubled, or strange ones added."""
    content = example_content()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from([place for place in places(content) if place]))
        parent, key = at(content, place[:-1]), place[-1]
        kind = draw(st.sampled_from(["replace", "number", "scale", "drop", "add", "double", "move"]))
        if kind == "replace":
            content = put(content, place, draw(JSON))
        elif kind == "number" and isinstance(at(content, place), (int, float)):
            content = put(content, place, draw(_NUMBERS))
        elif kind == "scale" and isinstance(at(content, place), (int, float)):
            content = put(content, place, draw(st.sampled_from([-1, 2, 3, 1000])) * at(content, place))
        elif kind == "add" and isinstance(parent, dict):
            content = put(content, (*place[:-1], draw(st.text() | _TEXTS)), draw(JSON))
        elif kind == "double" and isinstance(parent, list):
            content = put(content, place[:-1], [*parent, copy.deepcopy(parent[int(key)])])
        elif kind == "move":
            content = put(content, place, copy.deepcopy(at(content, draw(st.sampled_from(list(places(content)))))))
        else:
            content = copy.deepcopy(content)
            del at(content, place[:-1])[key]
    return content


@st.composite
def damaged_bytes(draw: st.DrawFn) -> bytes:
    """A table's file, packed or not, with bytes cut off, changed, or put in."""
    text = sealed(example_content()).encode()
    packed = draw(st.booleans())
    data = bytearray(gzip.compress(text, mtime=0) if packed else text)
    for _ in range(draw(st.integers(1, 3))):
        kind, where = (
            draw(st.sampled_from(["cut", "flip", "insert", "zero"])),
            draw(st.integers(0, max(0, len(data) - 1))),
        )
        if kind == "cut":
            del data[where:]
        elif kind == "flip" and data:
            data[where] ^= 1 << draw(st.integers(0, 7))
        elif kind == "zero":
            data[where : where + 16] = bytes(len(data[where : where + 16]))
        else:
            data[where:where] = draw(st.binary(min_size=1, max_size=4))
    return bytes(data)


def written(folder: Path, data: bytes | str, name: str = "table.json") -> Path:
    """A file that holds `data` (what JSON cannot say in UTF-8 is written as it stands)."""
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path
