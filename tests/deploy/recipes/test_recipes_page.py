from __future__ import annotations

from xml.etree import ElementTree

from recipes_example import example, pruned, row

from autoprune.deploy.recipes.page import render
from autoprune.deploy.recipes.pictures import recoveries
from autoprune.deploy.recipes.words import columns, conclusions, headline, rows


def test_the_headline_names_the_winner() -> None:
    assert headline(example()) == (
        "slimming ends best of 3 recipes: 92.0% of the dense network's 96.0%, another within chance of it"
    )
    assert headline(example().model_copy(update={"rows": ()})) == "no recipe ended with a network"


def test_conclusions_name_the_best_of_each_kind_the_sparse_the_failed_and_chance() -> None:
    assert conclusions(example()) == (
        "During training: slimming 92.0%, rigl-weights 85.0%.",
        "After training: one-shot 90.0%.",
        "Before any recovery: slimming 80.0%, rigl-weights 75.0%, one-shot 70.0%.",
        "rigl-weights had 50% of all weights at zero and 81.0% before it cut channels, in 1.01x the dense latency: "
        "dense kernels multiply by zero as by any number.",
        "lottery-ticket did not end: training diverged in epoch 1.",
        "On 600 test images the best score is known to 2.2 points (95%), and each recipe ran once: smaller differences "
        "are no finding.",
    )


def test_the_table_has_a_cell_a_column() -> None:
    (name, cells), *others = rows(example())
    assert (name.text, name.notes) == ("slimming", ("during training",))
    told = ["80.0% (79.0%)", "92.0% (91.0%)", "0.50x", "0.30x", "0.75x", "20 + 12 s"]
    assert [cell.text for cell in cells] == told
    assert len(columns(example())) == len(told)
    assert len(others) == 2


def test_the_picture_names_every_recipe_that_ended() -> None:
    tree = ElementTree.fromstring(
        recoveries(example()).replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ')
    )
    told = [element.text for element in tree.iter("text")]
    assert {"slimming", "one-shot", "rigl-weights", "before recovery", "after"} <= set(told)
    assert "lottery-ticket" not in told


def test_the_page_is_the_same_every_time_and_escapes_what_it_is_told() -> None:
    found = example().model_copy(update={"rows": (row("<b>", pruned(0.1, 0.2)),)})
    page = render(found, 'name = "<i>"')
    assert page == render(found, 'name = "<i>"')
    assert "<b>" not in page
    assert "<i>" not in page
    assert "One, 2020" in page
    assert "<svg" not in render(found.model_copy(update={"rows": ()}))
