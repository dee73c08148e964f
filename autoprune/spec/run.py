"""RunSpec: the one validator of what a user asks for, from a TOML file or from JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import tomli_w
from pydantic import Field, model_validator

from autoprune.spec.device import DeviceSpec, OtherDevices
from autoprune.spec.search import SearchSpec
from autoprune.spec.section import Section, read_toml, validated
from autoprune.spec.subject import ModelSpec, TaskSpec
from autoprune.spec.training import FinetuneSpec, RecipesSpec, ReconstructionSpec


class RunSpec(Section):
    """One run: model, task, device, search, fine-tuning. Paths are relative to the working folder."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    model: ModelSpec
    task: TaskSpec
    device: DeviceSpec = DeviceSpec()
    also: OtherDevices = Field((), description="further devices whose budgets the policy keeps, by their tables")
    search: SearchSpec
    reconstruction: ReconstructionSpec = ReconstructionSpec()
    finetune: FinetuneSpec = FinetuneSpec()
    recipes: RecipesSpec = RecipesSpec()

    @model_validator(mode="after")
    def _something_is_asked_for(self) -> Self:
        if not (self.search.budgets or self.search.floor or self.search.pareto or self.also):
            raise ValueError("no budget, floor or front is asked for, so the search would keep every channel")
        return self

    @property
    def chooses(self) -> bool:
        """Whether one policy is to be chosen; a front alone leaves that open."""
        return bool(self.search.budgets or self.search.floor or self.also)

    @classmethod
    def parse(cls, data: dict[str, Any], source: str = "the spec") -> Self:
        """Validate `data`; raises `BadInput` that names each field, what is wrong and its value."""
        return validated(cls, data, source)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file."""
        return cls.parse(read_toml(path), str(path))

    def to_toml(self) -> str:
        """The spec as TOML; `parse` of it gives an equal spec."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
