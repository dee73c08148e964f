"""What a search leaves for the report, beside the policy: who searched, the floor it keeps, how scores carried over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from autoprune.deploy.document.base import Part
from autoprune.deploy.document.goals import FloorLine
from autoprune.deploy.document.reading import first_mistake, read_json
from autoprune.deploy.report.document import CarriedScores, SearchLine
from autoprune.errors import CorruptFile
from autoprune.files import write_atomic


class Chosen(Part):
    """Lines of the report that are known once a policy is chosen."""

    search: SearchLine
    floor: FloorLine | None
    scores: CarriedScores

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`; raises `BadInput` where it is not there, `CorruptFile` where it breaks a rule."""
        try:
            return cls.model_validate_json(json.dumps(read_json(path)))
        except ValidationError as error:
            raise CorruptFile(f"{path}: {first_mistake(error)}; delete it, and the run chooses again") from None

    def write(self, path: Path) -> None:
        """Write the file in one step."""
        write_atomic(path, self.model_dump_json(indent=1) + "\n")
