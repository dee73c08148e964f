"""The names of the criteria, which a spec is checked by without their formulae; those are in `autoprune.criteria`."""

from __future__ import annotations

import difflib
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from autoprune.errors import BadInput

# Family by family, in the order in which autoprune.criteria defines them.
CRITERIA: Final = (
    *("random", "l1", "l2", "l0", "weight-entropy", "fpgm", "cosine", "bn-gamma", "lamp"),
    *("taylor", "taylor2", "fisher", "snip", "movement"),
    *("taylor-second-order", "obd", "obs"),
    *("mean-activation", "variance", "apoz", "wanda", "activation-entropy", "correlation", "clusters"),
    *("elimination", "thinet", "lasso"),
    *("dcp", "lda"),
)
DEFAULT_CRITERION: Final = "elimination"


def known_criterion(name: str) -> str:
    """`name`; raises `BadInput` where no criterion is called so."""
    if name not in CRITERIA:
        near = difflib.get_close_matches(name, CRITERIA, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "autoprune criteria list names them all"
        raise BadInput(f"there is no criterion {name!r}; {hint}")
    return name


CriterionName = Annotated[
    str, AfterValidator(known_criterion), WithJsonSchema({"type": "string", "enum": list(CRITERIA)})
]
