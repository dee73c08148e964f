"""Bars of the channels that each layer keeps, over those of the dense network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from autoprune.deploy.page.axes import shortened
from autoprune.service.web.numbers.layers import Layer

_WIDTH, _ROW, _TOP = 440.0, 18.0, 26.0
_NAMES, _COUNTS = 168.0, 70.0


def bars(layers: Sequence[Layer]) -> str:
    """The picture as an `<svg>` element; a row a layer, in the order in which data reaches them."""
    most = max((layer.dense for layer in layers), default=1)
    rows = "".join(_row(i, layer, most) for i, layer in enumerate(layers))
    kept, dense = sum(layer.kept for layer in layers), sum(layer.dense for layer in layers)
    label = f"{kept} of {dense} channels kept, in {len(layers)} channel groups"
    height = _TOP + _ROW * len(layers) + 4
    return f'<svg class="plot" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="{label}">{_key()}{rows}</svg>'


def _row(place: int, layer: Layer, most: int) -> str:
    top, room = _TOP + _ROW * place, _WIDTH - _NAMES - _COUNTS
    dense, kept = (room * width / most for width in (layer.dense, layer.kept))
    rect = f'x="{_NAMES:g}" y="{top + 2:g}" height="{_ROW - 4:g}"'
    return (
        f'<text class="tick end" x="{_NAMES - 8:g}" y="{top + 13:g}">{escape(shortened(layer.name))}</text>'
        f'<rect class="dense" {rect} width="{dense:.1f}"/>'
        f'<rect class="kept" {rect} width="{kept:.1f}"><title>{escape(layer.name)}</title></rect>'
        f'<text class="tick" x="{_NAMES + dense + 6:.1f}" y="{top + 13:g}">{layer.kept} of {layer.dense}</text>'
    )


def _key() -> str:
    return (
        f'<rect class="kept" x="{_NAMES:g}" y="6" width="10" height="10"/>'
        f'<text class="tick" x="{_NAMES + 15:g}" y="15">kept</text>'
        f'<rect class="dense" x="{_NAMES + 60:g}" y="6" width="10" height="10"/>'
        f'<text class="tick" x="{_NAMES + 75:g}" y="15">dense</text>'
    )
