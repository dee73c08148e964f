"""A run's folder on disk: where each file lies, and who may use the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from autoprune.errors import BadInput
from autoprune.files import TEMPORARY, write_atomic
from autoprune.spec import RunSpec


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

    def in_training(self, what: str) -> Path:
        """Where a training stands after its last epoch, for as long as it lasts."""
        return self.path / f"{what}.training.safetensors"

    def recipe_in_training(self, recipe: str) -> Path:
        """The folder in which the trainings of a recipe tell where they stand, for as long as it lasts."""
        return self.path / f"{recipe}.training"

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
    def criteria(self) -> Path:
        """How criteria compare, for programs."""
        return self.path / "criteria.json"

    @property
    def criteria_page(self) -> Path:
        """How criteria compare, for people."""
        return self.path / "criteria.html"

    @property
    def recipes(self) -> Path:
        """How recipes compare, for programs."""
        return self.path / "recipes.json"

    @property
    def recipes_page(self) -> Path:
        """How recipes compare, for people."""
        return self.path / "recipes.html"

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
