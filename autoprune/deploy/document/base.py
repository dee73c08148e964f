"""JSON files with a versioned schema: what report.json and its siblings share."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoprune.deploy.document.reading import first_mistake, read_json
from autoprune.errors import BadInput, CorruptFile
from autoprune.files import write_atomic

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[Number, Number]


class Part(BaseModel):
    """A JSON object with exactly the keys that its fields name."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, json_schema_serialization_defaults_required=True
    )


class Document(Part):
    """A whole file; a subclass narrows `schema_` to the one value `autoprune.NAME/VERSION`.

    `COMMAND` makes such files. Their JSON Schema is shipped beside the subclass's module, as `NAME.schema.json`.
    """

    COMMAND: ClassVar[str]
    schema_: str = Field(alias="schema")

    @classmethod
    def _schema(cls) -> str:
        return str(cls.model_fields["schema_"].default)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`; raises `BadInput` (no such file, another schema) or `CorruptFile`."""
        data = read_json(path)
        if data.get("schema") != cls._schema():
            raise BadInput(f"{path}: expected a file of schema {cls._schema()!r}, got {data.get('schema')!r}")
        try:
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise CorruptFile(f"{path}: {first_mistake(error)}; make it again with {cls.COMMAND}") from None

    def to_json(self) -> str:
        """The document as text."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write the file in one step."""
        write_atomic(path, self.to_json())

    @classmethod
    def schema_file(cls) -> Path:
        """Where the JSON Schema is shipped."""
        name = cls._schema().partition(".")[2].partition("/")[0]
        return Path(inspect.getfile(cls)).with_name(f"{name}.schema.json")

    @classmethod
    def schema_text(cls) -> str:
        """The JSON Schema that the shipped file should hold."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(mode="serialization"),
        }
        return json.dumps(schema, indent=1) + "\n"

    @classmethod
    def write_schema(cls) -> None:
        """Bring the shipped schema up to date with the fields here."""
        write_atomic(cls.schema_file(), cls.schema_text())


class TaskDocument(Document):
    """A document on one network and one task: all of its scores are that task's metric."""

    model: str
    task: str
    metric: str = Field(description="what the scores are; higher is better")
