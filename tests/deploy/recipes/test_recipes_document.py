from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from recipes_example import example

from autoprune.deploy.document.standing import Latency
from autoprune.deploy.recipes.document import RecipesComparison, shared


def test_the_shipped_schema_is_that_of_the_fields() -> None:
    assert RecipesComparison.schema_file().name == "recipes.schema.json"
    shipped = RecipesComparison.schema_file().read_text()
    assert shipped == RecipesComparison.schema_text(), "run RecipesComparison.write_schema()"


def test_a_comparison_follows_the_schema_and_is_read_back(tmp_path: Path) -> None:
    example().write(tmp_path / "recipes.json")
    written = (tmp_path / "recipes.json").read_text()
    jsonschema.validate(json.loads(written), json.loads(RecipesComparison.schema_file().read_text()))
    assert RecipesComparison.load(tmp_path / "recipes.json") == example()


def test_lines_are_those_that_ended_best_selection_score_first() -> None:
    assert [row.recipe for row, _ in example().lines] == ["slimming", "one-shot", "rigl-weights"]
    assert example().row("one-shot") == example().rows[0]
    assert example().row("snip") is None


def test_a_latency_is_shared_only_with_one_that_was_measured() -> None:
    dense = Latency(measured=2.0, spread=0.1)
    assert shared(Latency(measured=1.0, spread=0.1), dense) == pytest.approx(0.5)
    assert shared(Latency(), dense) is None
    assert shared(dense, Latency()) is None
