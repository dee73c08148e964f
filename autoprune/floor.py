"""A floor: the least score a pruned network may have, read from text such as `dense-0.01`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from autoprune.errors import BadInput


@dataclass(frozen=True, slots=True)
class Floor:
    """The least score that is accepted: `score` itself, or, where `relative`, the dense network's less `score`.

    In the unit of the task's score (accuracy is a fraction in [0, 1]).
    """

    score: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.score) or self.score < 0:
            raise BadInput(f"a floor is a score of 0 or more, or dense less one, got {self}")

    @classmethod
    def parse(cls, text: str) -> Floor:
        """Read `dense-0.01`, `dense-1%`, `0.91` or `91%`."""
        match = re.fullmatch(r"\s*(dense\s*-)?\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(%?)\s*", text.lower())
        if not match:
            raise BadInput(f"a floor reads SCORE or dense-DROP, as in 0.91, 91%, dense-0.01 or dense-1%; got {text!r}")
        relative, number, percent = match.groups()
        return cls(float(number) / 100 if percent else float(number), relative=bool(relative))

    def limit(self, dense: float) -> float:
        """The least score accepted where the dense network's is `dense`."""
        return dense - self.score if self.relative else self.score

    def __str__(self) -> str:
        return f"dense-{self.score:.10g}" if self.relative else f"{self.score:.10g}"
