"""When and how to prune: one small file a recipe, all of which end in a policy and a smaller network."""

from autoprune.training.recipes.recipe import Context, Pruned, Recipe, Sparse
from autoprune.training.recipes.registry import RECIPES, find_recipes

__all__ = ["RECIPES", "Context", "Pruned", "Recipe", "Sparse", "find_recipes"]
