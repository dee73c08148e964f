"""Every recipe by its name, in the order in which a reader would meet them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from autoprune.errors import BadInput
from autoprune.training.recipes.attention import ATTENTION
from autoprune.training.recipes.before import BEFORE
from autoprune.training.recipes.distillation import DISTILLATION
from autoprune.training.recipes.growing import GROWING
from autoprune.training.recipes.gumbel import GUMBEL
from autoprune.training.recipes.hard_concrete import HARD_CONCRETE
from autoprune.training.recipes.iterative import ITERATIVE
from autoprune.training.recipes.one_shot import ONE_SHOT
from autoprune.training.recipes.penalties import PENALTIES
from autoprune.training.recipes.preserving import PRESERVING
from autoprune.training.recipes.recipe import Recipe
from autoprune.training.recipes.rewinding import REWINDING
from autoprune.training.recipes.rigl import RIGL
from autoprune.training.recipes.single_weights import SINGLE_WEIGHTS
from autoprune.training.recipes.soft_filters import SOFT_FILTERS
from autoprune.training.recipes.soft_threshold import SOFT_THRESHOLD
from autoprune.training.recipes.surgery import SURGERY
from autoprune.training.recipes.variational import VARIATIONAL

_ALL = (
    ONE_SHOT,
    *ITERATIVE,
    *REWINDING,
    DISTILLATION,
    *SINGLE_WEIGHTS,
    *PENALTIES,
    GROWING,
    HARD_CONCRETE,
    GUMBEL,
    VARIATIONAL,
    ATTENTION,
    SOFT_THRESHOLD,
    SOFT_FILTERS,
    SURGERY,
    *RIGL,
    *BEFORE,
    *PRESERVING,
)
RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})


def find_recipes(names: Sequence[str]) -> list[Recipe]:
    """The recipes of these names, `all` standing for every one; raises `BadInput` for a name that is none's."""
    if "all" in names:
        return list(_ALL)
    for name in names:
        if name not in RECIPES:
            raise BadInput(f"unknown recipe {name!r}; choose from {', '.join(RECIPES)}, or all")
    return [RECIPES[name] for name in dict.fromkeys(names)]
