"""A run's folder on disk: where each file lies, who may use the folder, and the policy file in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autoprune.errors import BadInput, CorruptFile
from autoprune.files import TEMPORARY, write_atomic
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace
from autoprune.spec import RunSpec

POLICY_SCHEMA: Final = "autoprune.policy/1"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run, by name. Building one touches no disk; `claim` and `existing` do."""

    path: Path

    @classmethod
    def claim(cls, path: Path, spec: RunSpec) -> Self:
        """The folder at `path` for a run of `spec`: a new one, or the one of the same run, to go on with.

        Raises `BadInput`, and changes nothing, where the folder belongs to another spec or holds something else.
        """
        folder = cls(path)
        if folder.spec.exists():
            _require_same(spec, RunSpec.load(folder.spec), path)
            return folder
        if path.exists() and not path.is_dir():
            raise BadInput(f"{path} is a file, a run needs a folder; give another --out")
        if path.exists() and any(entry.suffix != TEMPORARY for entry in path.iterdir()):
            raise BadInput(f"{path} is not empty and holds no spec.toml, so it is no run's folder; give another --out")
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_atomic(folder.spec, spec.to_toml())
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({error.strerror}); give another --out") from None
        return folder

    @classmethod
    def existing(cls, path: Path) -> Self:
        """The folder of a run that was started before; raises `BadInput` where there is none."""
        folder = cls(path)
        if not folder.spec.is_file():
            raise BadInput(f"{path} is no run's folder: it holds no spec.toml")
        return folder

    @property
    def spec(self) -> Path:
        """The RunSpec, as it was when the folder was made."""
        return self.path / "spec.toml"

    @property
    def study(self) -> Path:
        """The ledger of trials (SQLite)."""
        return self.path / "study.db"

    @property
    def dense_weights(self) -> Path:
        """The dense network's tensors, where this run trained it."""
        return self.path / "dense.safetensors"

    @property
    def table(self) -> Path:
        """The latency table that this run measured, where none was given."""
        return self.path / "table.json"

    @property
    def policy(self) -> Path:
        """The chosen policy, a `PolicyFile`."""
        return self.path / "policy.json"

    @property
    def model(self) -> Path:
        """The final network as ONNX."""
        return self.path / "model.onnx"

    @property
    def weights(self) -> Path:
        """The final network's tensors."""
        return self.path / "model.safetensors"

    @property
    def report(self) -> Path:
        """The report for programs."""
        return self.path / "report.json"

    @property
    def chosen(self) -> Path:
        """What the report says of the search, once that is over: a `Chosen`."""
        return self.path / "stages" / "search.json"

    def left_by(self, stage: str) -> Path:
        """The chosen network's tensors as a stage of the run leaves them: refitted, pruned, finetuned."""
        return self.path / "stages" / f"{stage}.safetensors"

    @property
    def front(self) -> Path:
        """The front of a search, a `FrontFile`, where one was asked for."""
        return self.path / "front.json"

    @property
    def front_page(self) -> Path:
        """The front for people."""
        return self.path / "front.html"

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def comparison(self) -> Path:
        """How agents compare, for programs."""
        return self.path / "compare.json"

    @property
    def comparison_page(self) -> Path:
        """How agents compare, for people."""
        return self.path / "compare.html"

    @property
    def sensitivity(self) -> Path:
        """What each channel group is worth, for programs."""
        return self.path / "sensitivity.json"

    @property
    def sensitivity_page(self) -> Path:
        """What each channel group is worth, for people."""
        return self.path / "sensitivity.html"


def _require_same(asked: RunSpec, held: RunSpec, path: Path) -> None:
    new, old = _leaves(asked.model_dump(mode="json")), _leaves(held.model_dump(mode="json"))
    differing = [key for key in sorted(new.keys() | old.keys()) if new.get(key) != old.get(key)]
    if not differing:
        return
    first, others = differing[0], len(differing) - 1
    more = f" (and {others} more)" if others else ""
    raise BadInput(
        f"{path} holds a run of another spec: {first} is {old.get(first)!r} there and {new.get(first)!r} here{more}.\n"
        f"Give another --out, or the spec that the folder was made with to resume it."
    )


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one level of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class KeptGroup(_Part):
    """One group's share of a policy: `width` of its `of` channels, namely the units `kept` (ascending, from 0).

    A unit is `width / len(kept)` channels that go in one piece: one channel, unless the layer is grouped.
    """

    width: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]
    kept: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unit, rest = divmod(self.width, len(self.kept))
        if rest or not unit or self.of % unit:
            raise ValueError(f"{len(self.kept)} kept units cannot make up {self.width} of {self.of} channels")
        if any(a >= b for a, b in itertools.pairwise(self.kept)):
            raise ValueError("kept units must ascend")
        if self.kept[-1] >= self.of // unit:
            raise ValueError(f"kept unit {self.kept[-1]} does not exist: there are {self.of // unit}, counted from 0")
        return self


class FrozenPart(_Part):
    """Channels that were not prunable: how many, and why."""

    width: Annotated[int, Field(ge=1)]
    reason: str


class PolicyFile(_Part):
    """policy.json: which channels a pruned network keeps, and the dense network that they belong to."""

    schema_: Literal["autoprune.policy/1"] = Field(POLICY_SCHEMA, alias="schema")
    model: str = Field(description="name of the network, as the run's spec gave it")
    fingerprint: str = Field(description="of the dense network: its graph and its weights")
    groups: dict[str, KeptGroup]
    frozen: dict[str, FrozenPart] = Field(default_factory=dict, description="channels that no policy can remove")

    @classmethod
    def of(cls, model: str, fingerprint: str, space: SearchSpace, kept: Mapping[str, tuple[int, ...]]) -> Self:
        """The file of the policy that keeps the units `kept` of each group of `space`, by name."""
        groups = {
            g.name: KeptGroup(width=len(kept[g.name]) * g.unit, of=g.width, kept=tuple(kept[g.name]))
            for g in space.groups
        }
        frozen = {g.name: FrozenPart(width=g.width, reason=g.reason) for g in space.frozen}
        return cls(model=model, fingerprint=fingerprint, groups=groups, frozen=frozen)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`; raises `BadInput` (no such file, another schema) or `CorruptFile`."""
        data = read_json(path)
        schema = data.get("schema")
        if schema != POLICY_SCHEMA:
            raise BadInput(f"{path}: expected a policy file of schema {POLICY_SCHEMA!r}, got {schema!r}")
        try:
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise CorruptFile(f"{path}: {first_mistake(error)}; make it again with autoprune search") from None

    def write(self, path: Path) -> None:
        """Write the file in one step."""
        write_atomic(path, self.model_dump_json(by_alias=True, indent=1) + "\n")

    def space(self) -> SearchSpace:
        """The groups that the file speaks of, each offering the width it keeps and the dense one."""
        groups = tuple(
            ChannelGroup(name, g.of, tuple(sorted({g.width, g.of})), (), g.width // len(g.kept))
            for name, g in self.groups.items()
        )
        return SearchSpace(groups, tuple(FrozenGroup(name, f.width, f.reason) for name, f in self.frozen.items()))

    def policy(self, space: SearchSpace) -> Policy:
        """The widths in the order of `space`'s groups; raises `BadInput` where `space` has other groups."""
        _require_groups(self.groups, space)
        return Policy(tuple(self.groups[g.name].width for g in space.groups))

    def check(self, fingerprint: str, space: SearchSpace) -> None:
        """Raise `BadInput` unless the policy belongs to the network of this fingerprint and `space`."""
        space.check(self.policy(space))
        if self.fingerprint != fingerprint:
            raise BadInput(
                f"this policy was found for {self.model} with fingerprint {self.fingerprint}, the network given has "
                f"{fingerprint}.\nGive the --model and --weights that were searched, or search again."
            )


def _require_groups(groups: Mapping[str, KeptGroup], space: SearchSpace) -> None:
    known = {g.name for g in space.groups}
    if odd := sorted(known ^ groups.keys()):
        where = "the network" if odd[0] in groups else "the policy"
        raise BadInput(f"the policy belongs to another network: {where} has no group {odd[0]!r}")
    for g in space.groups:
        held = groups[g.name]
        if (held.of, held.width) != (g.width, len(held.kept) * g.unit):
            raise BadInput(f"the policy belongs to another network: {_shape(held, g)}")


def _shape(held: KeptGroup, group: ChannelGroup) -> str:
    unit = held.width // len(held.kept)
    return (
        f"its group {group.name!r} has {held.of} channels in units of {unit}, the network's {group.width} "
        f"in units of {group.unit}"
    )


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
