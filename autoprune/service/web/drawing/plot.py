"""A plot with two axes, as an `<svg>` element: points, stairs, lines, a band, a limit; and what each is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from autoprune.service.web.drawing.scale import Scale

Colour = Literal["kept", "trial", "chosen", "limit", "ink", "muted", "dense", "other"]

_WIDTH, _HEIGHT = 440.0, 290.0
_NAME, _RIGHT, _TOP, _BOTTOM = 30.0, 12.0, 30.0, 44.0
_MOST_POINTS = 2000  # drawn; of more, every second, third, ...
_LETTER = 6.2  # width of a letter of ticks and the legend
_BAND = "line dense"  # how the legend shows an area


@dataclass(slots=True)
class Plot:
    """Collects marks; `x` and `y` are its axes, `across` and `up` what they are called."""

    x: Scale
    y: Scale
    across: str
    up: str
    width: float = _WIDTH
    height: float = _HEIGHT
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def points(
        self, xs: Sequence[float], ys: Sequence[float], colour: Colour, label: str = "", size: float = 5
    ) -> None:
        """A dot at each place."""
        every = max(1, -(-len(xs) // _MOST_POINTS))
        places = zip(xs[::every], ys[::every], strict=True)
        self._add("dots", colour, "".join(f"M{self._place(x, y)}h0" for x, y in places), label, size)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: Colour, label: str = "", width: float = 2) -> None:
        """Straight from place to place."""
        self._add("line", colour, self._joined(xs, ys), label, width)

    def stairs(self, xs: Sequence[float], ys: Sequence[float], colour: Colour, label: str = "") -> None:
        """Level until the next place, then straight up or down."""
        corners = [(x, before) for x, before in zip(xs[1:], ys, strict=False)]
        merged = [place for i, place in enumerate(zip(xs, ys, strict=True)) for place in [*corners[i - 1 : i], place]]
        self._add("line", colour, self._joined([x for x, _ in merged], [y for _, y in merged]), label, 2)

    def named(self, x: float, y: float, colour: Colour, text: str) -> None:
        """A larger dot that says what it is to whoever points at it."""
        across, up = self._place(x, y).split()
        self._marks.append(
            f'<circle class="{colour}" cx="{across}" cy="{up}" r="4"><title>{escape(text)}</title></circle>'
        )

    def upright(self, x: float, label: str) -> None:
        """A dashed line at a limit on the horizontal axis."""
        self._add("line dashed", "limit", f"M{self._place(x, self.y.low)}L{self._place(x, self.y.high)}", label, 1.5)

    def level(self, y: float, label: str) -> None:
        """A dashed line at a limit on the vertical axis."""
        self._add("line dashed", "limit", f"M{self._place(self.x.low, y)}L{self._place(self.x.high, y)}", label, 1.5)

    def area(self, xs: Sequence[float], ys: Sequence[float], label: str) -> None:
        """All within the corners."""
        self._marks.append(f'<path class="area dense" d="{self._joined(xs, ys)}Z"/>')
        self._legend.append((_BAND, label))

    def svg(self, description: str) -> str:
        """The picture; `description` is for who cannot see it."""
        inside = "".join([self._grid(), *self._marks, self._key()])
        return (
            f'<svg class="plot" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(description, quote=True)}">{inside}</svg>'
        )

    @property
    def _left(self) -> float:
        """Where the plot begins, right of the longest tick's text."""
        return _NAME + _LETTER * max(len(text) for _, text in self.y.ticks)

    def _add(self, kind: str, colour: Colour, path: str, label: str, width: float) -> None:
        if not path:
            return
        self._marks.append(f'<path class="{kind} {colour}" stroke-width="{width:g}" d="{path}"/>')
        if label:
            self._legend.append((f"{kind} {colour}", label))

    def _joined(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return "".join(f"{'L' if i else 'M'}{self._place(*place)}" for i, place in enumerate(zip(xs, ys, strict=True)))

    def _place(self, x: float, y: float) -> str:
        across = self._left + self.x.share(x) * (self.width - self._left - _RIGHT)
        up = self.height - _BOTTOM - self.y.share(y) * (self.height - _TOP - _BOTTOM)
        return f"{across:.1f} {up:.1f}"

    def _grid(self) -> str:
        parts = []
        right, floor = self.width - _RIGHT, self.height - _BOTTOM
        for value, text in self.y.ticks:
            up = float(self._place(self.x.low, value).split()[1])
            parts.append(f'<path class="grid" d="M{self._left:g} {up:g}H{right:g}"/>')
            parts.append(f'<text class="tick end" x="{self._left - 6:g}" y="{up + 4:g}">{text}</text>')
        for value, text in self.x.ticks:
            across = float(self._place(value, self.y.low).split()[0])
            parts.append(f'<path class="grid" d="M{across:g} {_TOP:g}V{floor:g}"/>')
            parts.append(f'<text class="tick mid" x="{across:g}" y="{floor + 15:g}">{text}</text>')
        middle = (self._left + right) / 2
        parts.append(f'<text class="name mid" x="{middle:g}" y="{self.height - 8:g}">{escape(self.across)}</text>')
        turned = f'transform="translate(12 {(_TOP + floor) / 2:g}) rotate(-90)"'
        parts.append(f'<text class="name mid" {turned}>{escape(self.up)}</text>')
        return "".join(parts)

    def _key(self) -> str:
        parts, across = [], self._left
        for kind, label in self._legend:
            parts.append(_key_mark(kind, across))
            parts.append(f'<text class="tick" x="{across + 15:g}" y="18">{escape(label)}</text>')
            across += 15 + _LETTER * len(label) + 14
        return "".join(parts)


def _key_mark(kind: str, across: float) -> str:
    """What stands before a name in the legend: a dot, a line, or a piece of the band."""
    if kind.startswith("dots"):
        return f'<path class="{kind}" stroke-width="6" d="M{across + 5:g} 14h0"/>'
    width = 8 if kind == _BAND else 2
    return f'<path class="{kind}" stroke-width="{width}" d="M{across:g} 14h10"/>'
