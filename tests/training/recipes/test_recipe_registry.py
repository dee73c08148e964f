from __future__ import annotations

import json
import re

import pytest

from autoprune.cli import main
from autoprune.errors import BadInput
from autoprune.training.recipes import RECIPES, find_recipes

NAMED_IN_THE_FIELD = {
    "after training": 10,
    "during training": 14,
    "before training": 2,
    "accuracy-preserving": 2,
}


def test_every_recipe_cites_a_paper_and_says_what_it_does() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert re.search(r"[A-Z].* \d{4}", recipe.source)
        assert len(recipe.source) <= 100
        assert 0 < len(recipe.summary) < 120
    kinds = [recipe.kind for recipe in RECIPES.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == NAMED_IN_THE_FIELD


def test_names_are_found_once_and_all_is_all() -> None:
    assert [recipe.name for recipe in find_recipes(["snip", "one-shot", "snip"])] == ["snip", "one-shot"]
    assert find_recipes(["all"]) == list(RECIPES.values())
    with pytest.raises(BadInput, match=r"unknown recipe 'two-shot'; choose from one-shot, .*, or all"):
        find_recipes(["two-shot"])


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "list", "--json"]) == 0
    assert [one["recipe"] for one in json.loads(capsys.readouterr().out)] == list(RECIPES)
    assert main(["recipes", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in RECIPES)
