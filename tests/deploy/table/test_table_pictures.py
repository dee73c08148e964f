from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from table_example import example_network
from verified_example import example_verification

from autoprune.deploy.table.fidelity import fidelity
from autoprune.deploy.table.stairs import write_stairs
from autoprune.errors import BadInput
from autoprune.profiler.table.stairs import Step

STEPS = (Step(4, 1.0, 0.1, 0.0, True), Step(8, 2.5, 0.1, 0.3, False), Step(16, 2.0, 0.1, 0.0, True))


def parsed(svg: str) -> ElementTree.Element:
    """An XML tree; a page's HTML parser knows the prefix that XML wants declared."""
    declared = "" if "xmlns:xlink" in svg else 'xmlns:xlink="http://www.w3.org/1999/xlink" '
    return ElementTree.fromstring(svg.replace("<svg ", f"<svg {declared}", 1))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter() if element.tag.endswith("text")]


def points(svg: str) -> int:
    """Markers inside the plots: those of axes and legend are not clipped."""
    groups = [group for group in parsed(svg).iter() if group.tag.endswith("g") and "clip-path" in group.attrib]
    return sum(element.tag.endswith("use") for group in groups for element in group)


@pytest.mark.parametrize(
    "errors", [(0.01, -0.02), (0.01, 0.2), (0.3,), (0.01,) * 12], ids=["close", "far", "one", "many"]
)
def test_the_scatter_is_one_element_in_the_pages_colours_the_same_every_time(errors: tuple[float, ...]) -> None:
    found = example_verification(errors)
    svg = fidelity(found)
    assert svg == fidelity(found)
    root = parsed(svg)
    assert root.attrib["role"] == "img"
    assert "networks within 5%" in root.attrib["aria-label"]
    assert not re.search(r"https?:|<style|<script|<metadata", svg)
    bare = re.sub(r"var\(--[a-z]+, #[0-9a-f]{6}\)", "", svg)
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", bare) == []


def test_the_scatter_names_its_axes_the_line_and_the_band() -> None:
    shown = texts(fidelity(example_verification((0.01, -0.02))))
    assert {"predicted (ms)", "latency, measured (ms)", "error (%)", "within 5%", "equal", "a network"} <= set(shown)
    assert "more than 5% off" not in shown


def test_networks_beyond_the_band_are_marked_and_named() -> None:
    shown = texts(fidelity(example_verification((0.01, 0.2))))
    assert "more than 5% off" in shown


@pytest.mark.parametrize("errors", [(0.01,) * 5, (0.01, 0.3, -0.2)], ids=["close", "far"])
def test_every_network_is_drawn_in_both_plots(errors: tuple[float, ...]) -> None:
    assert points(fidelity(example_verification(errors))) == 2 * len(errors) + 1  # and the band


def test_times_that_differ_much_are_drawn_on_logarithmic_axes() -> None:
    narrow, wide = (texts(fidelity(example_verification((0.0,) * count))) for count in (3, 60))
    assert {"1", "2", "5", "10", "20", "50"} <= set(wide)
    assert "1.5" in narrow
    assert "1.5" not in wide


def test_stairs_are_written_to_a_file_with_what_was_interpolated(tmp_path: Path) -> None:
    path = tmp_path / "new" / "stairs.svg"
    write_stairs(example_network(), "inner", STEPS, path)
    shown = texts(path.read_text())
    assert {"worth offering", "not worth it", "up to 30.0% interpolated"} <= set(shown)
    assert "channels kept in inner (small at 1×3)" in shown
    first = path.read_bytes()
    write_stairs(example_network(), "inner", STEPS, path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_a_stair_without_any_known_time_can_be_drawn(tmp_path: Path) -> None:
    unknown = [Step(8, float("inf"), 0.0, 0.0, True)]
    write_stairs(example_network(), "<b>$x_1$</b>", unknown, tmp_path / "x.PNG")
    assert (tmp_path / "x.PNG").stat().st_size > 1000


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.svg.gz"])
def test_another_kind_of_picture_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends with \.svg or \.png"):
        write_stairs(example_network(), "inner", STEPS, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
