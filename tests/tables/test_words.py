from __future__ import annotations

import pytest
from verified_example import example_verification

from autoprune.tables.words import figures, shape_text, verdict


def test_the_verdict_counts_networks_and_names_the_noise_floor() -> None:
    found = example_verification((0.01, 0.049, -0.049, 0.051), noise=0.031)
    assert verdict(found) == "3 of 4 networks within 5%, the noise floor of this run is 3.1%"


def test_where_noise_is_larger_than_5_percent_the_verdict_counts_by_it_too() -> None:
    found = example_verification((0.01, 0.07, 0.2), noise=0.08)
    expected = "1 of 3 networks within 5%; the noise floor of this run is 8.0%, and 2 of 3 lie within that"
    assert verdict(found) == expected
    assert "lie within" not in verdict(example_verification((0.01, 0.02), noise=0.08))


@pytest.mark.parametrize(
    ("speed", "says"), [(1.0, "the same as"), (1.25, "25.0% slower than"), (0.9, "10.0% faster than")]
)
def test_the_speed_of_the_machine_is_told_in_words(speed: float, says: str) -> None:
    assert says in dict(figures(example_verification(speed=speed)))["machine's speed"]


def test_every_figure_is_there() -> None:
    said = dict(figures(example_verification((0.02, -0.06), noise=0.02)))
    assert said["error"].startswith("mean 4.0%, largest 6.0%")
    assert (said["within 5%"], said["within 10%"]) == ("1 of 2", "2 of 2")
    assert said["rank correlation"].startswith("1.000")
    assert said["noise floor"].startswith("mean 2.0%, largest 2.0%")
    assert said["interpolated"].startswith("25.0%")


def test_shapes_are_written_as_people_do() -> None:
    assert shape_text((1, 3, 224, 224)) == "1×3×224×224"
    assert shape_text(()) == "scalar"
