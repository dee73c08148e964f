"""What finalists turned out to be worth, kept in the ledger beside the trials: none is refitted and scored twice."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from autoprune.objective import Quality
from autoprune.pipeline.subject import Network
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import RunSpec

_QUALITY = TypeAdapter(Quality)


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """Qualities on the selection split of policies whose networks were refitted layer by layer, in a ledger.

    `conditions` (`judged_under`) stands for all else that such a quality depends on: what was kept
    under other conditions is not found. With `read_only` nothing is kept.
    """

    ledger: Ledger
    conditions: str
    read_only: bool = False

    def find(self, policy: Policy) -> Quality | None:
        """The quality of `policy` if any process has kept it."""
        held: Any = self.ledger.kept(self._name(policy))
        return None if held is None else _QUALITY.validate_python(held["quality"])

    def keep(self, policy: Policy, quality: Quality) -> None:
        """Write down the quality of `policy`, in one transaction."""
        if not self.read_only:
            numbers = {name: x if math.isfinite(x) else str(x) for name, x in asdict(quality).items()}
            judged: Any = {"widths": list(policy.widths), "conditions": self.conditions, "quality": numbers}
            self.ledger.keep(self._name(policy), judged)

    def _name(self, policy: Policy) -> str:
        return f"judged.{_digest((self.conditions, policy.widths))}"


def judged_under(spec: RunSpec, network: Network) -> str:
    """What the quality of a refitted policy depends on: the dense network, the images, the seed, the criterion."""
    return _digest((network.fingerprint, spec.task.model_dump(mode="json"), spec.search.seed, spec.search.criterion))


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
