"""Where a training stands, as one file that is written whole or not at all, so that a kill costs an epoch at most."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from autoprune.errors import BadInput, CorruptFile
from autoprune.files import write_atomic


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """After an epoch: `tensors` by dotted names, and `numbers` that JSON holds; `job` says of which training."""

    job: str
    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix.`, by the rest of their names."""
        start = f"{prefix}."
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def write(self, path: Path) -> None:
        """Write the state to the safetensors file `path`, in one step."""
        alone = {name: t.detach().cpu().clone().contiguous() for name, t in self.tensors.items()}
        write_atomic(path, save(alone, {"job": self.job, "numbers": json.dumps(dict(self.numbers))}))

    @classmethod
    def read(cls, path: Path, job: str) -> Self | None:
        """The state at `path`, None where there is none yet.

        Raises `BadInput` where it belongs to another training than `job`, `CorruptFile` where it is damaged.
        """
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                told, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise CorruptFile(f"{path}: not a whole training state ({error}); remove it to start over") from None
        if told.get("job") != job:
            raise BadInput(f"{path} is the state of another training; remove it, or train in another folder")
        return cls(job, tensors, json.loads(told["numbers"]))


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` with `prefix.` before their names; `State.under` takes it off."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
