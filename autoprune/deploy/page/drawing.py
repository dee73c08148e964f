"""How the house draws: colours, type, axes, and figures as SVG for a page or as files; the same bytes every time."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from autoprune.errors import BadInput
from autoprune.files import replacing

# matplotlib writes plain colours; each becomes a CSS variable of the page, with itself as the fallback.
INK: Final = "#1f2328"
MUTED: Final = "#59636e"
LINE: Final = "#d1d9e0"
DENSE: Final = "#c8d1da"
KEPT: Final = "#0969da"
TRIAL: Final = "#8c959f"
CHOSEN: Final = "#bc4c00"
LIMIT: Final = "#cf222e"
_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    DENSE: "--dense",
    KEPT: "--kept",
    TRIAL: "--trial",
    CHOSEN: "--chosen",
    LIMIT: "--limit",
}

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "autoprune",
    "text.parse_math": False,  # a layer may be called $x$
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "lines.markeredgewidth": 0.0,
    "lines.solid_joinstyle": "round",
}
WIDTH_IN: Final = 6.6
WIDE_IN: Final = 13.2  # across the whole page
FILE_KINDS: Final = (".svg", ".png")
_DOTS_PER_INCH: Final = 160


@contextmanager
def house_style() -> Iterator[None]:
    """Figures made in the block look like the page."""
    with matplotlib.rc_context(_STYLE):
        yield


def axes_of(x: str, y: str) -> tuple[Figure, Axes]:
    """A figure of the page's width with one plot, its axes named."""
    figure = Figure(figsize=(WIDTH_IN, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def legend(axes: Axes) -> None:
    """Above the plot, so that it never covers a point."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=10, handletextpad=0.4, columnspacing=1.4)


def svg_element(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for an HTML page; `name` is unique there and prefixes every id."""
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    svg = re.sub(r"(font: |font-family: )([\d.]+px )?'DejaVu Sans'[^;\"]*", r"\1\2system-ui, sans-serif", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # its rule would hold for the whole page
    label = html.escape(description, quote=True)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', svg, count=1)


def write_figure(figure: Figure, path: Path) -> None:
    """The figure as a file of its own, on white; `path` ends with .svg or .png, and missing folders are made.

    Raises `BadInput` for another ending, or where the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in FILE_KINDS:
        raise BadInput(f"a picture's file ends with {' or '.join(FILE_KINDS)}, got {path}")
    figure.set_facecolor("white")
    (FigureCanvasSVG if kind == ".svg" else FigureCanvasAgg)(figure)
    metadata = {"Date": None, "Creator": None} if kind == ".svg" else {"Software": None}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=kind[1:], dpi=_DOTS_PER_INCH, metadata=metadata)
    except OSError as error:
        raise BadInput(f"{path}: the picture cannot be written ({error.strerror})") from None
