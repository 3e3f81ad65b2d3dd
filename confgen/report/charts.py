"""Line charts as inline SVG: no style attributes (the page's Content-Security-Policy forbids them), no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 14, 44
STEPS = 6  # between the marks of an axis
COLOURS = 8  # classes m0 .. m7 of page.css; a method further down the list takes the first colour with other dashes
MARKERS = ("circle", "square", "triangle", "diamond")


@dataclass(frozen=True)
class Axis:
    """low, high:  what the ends stand for.    ticks: where marks and grid lines are, with their text."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Line:
    """One method in a chart: y may hold NaN, where the line is broken.    points: text for each, or none at all."""

    name: str
    y: NDArray[np.float64]
    points: Sequence[str] = ()


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers from low to high, at most STEPS steps."""
    span = max(high - low, 1e-9) / STEPS
    power = 10.0 ** np.floor(np.log10(span))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= span * 0.999)
    places = np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step
    return [(float(place), f"{abs(place) if place == 0 else place:.10g}") for place in places]


def plot_x(value: float, axis: Axis) -> float:
    """Where a value of the horizontal axis is drawn."""
    return LEFT + (value - axis.low) / (axis.high - axis.low) * (WIDTH - LEFT - RIGHT)


def plot_y(value: float, axis: Axis) -> float:
    """Where a value of the vertical axis is drawn."""
    return HEIGHT - BOTTOM - (value - axis.low) / (axis.high - axis.low) * (HEIGHT - TOP - BOTTOM)


def line_chart(
    label: str,
    x: NDArray[np.float64],
    lines: Sequence[Line],
    across: Axis,
    up: Axis,
    *,
    marks: Sequence[tuple[float, str]] = (),
    guide: float | None = None,
) -> str:
    """An SVG element with one line per method.

    label:  what the picture shows, for those who cannot see it.
    marks:  vertical lines with a text (the protocol's thresholds).
    guide:  where the line starts that the page's script moves; None for a chart without one.
    """
    parts = [_grid(across, up), *[_mark(place, text, across) for place, text in marks]]
    parts += [_line(number, line, x, across, up) for number, line in enumerate(lines)]
    hover = ""
    if guide is not None:
        place = f"{plot_x(guide, across):.1f}"
        parts.append(f'<line class="guide" x1="{place}" x2="{place}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        hover = f' data-left="{LEFT}" data-right="{WIDTH - RIGHT}" data-low="{across.low}" data-high="{across.high}"'
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}"{hover}>'
        + "".join(parts)
        + "</svg>"
    )


def swatch(number: int) -> str:
    """A short piece of a method's line, for legends."""
    return (
        '<svg class="swatch" viewBox="0 0 34 12" aria-hidden="true">'
        f'<path class="line {_look(number)}" d="M1 6H33"/>{_marker(number, 17, 6)}</svg>'
    )


def _look(number: int) -> str:
    return f"m{number % COLOURS} d{_variant(number)}"


def _variant(number: int) -> int:
    """Which dashes and which marker: none may stand for two methods in the same colour, nor be told by colour alone."""
    return (number + number // COLOURS) % len(MARKERS)


def _grid(across: Axis, up: Axis) -> str:
    bottom = HEIGHT - BOTTOM
    parts = []
    for place, text in up.ticks:
        y = f"{plot_y(place, up):.1f}"
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 6}" y="{y}" dy=".32em">{escape(text)}</text>')
    for place, text in across.ticks:
        x = f"{plot_x(place, across):.1f}"
        parts.append(f'<path class="axis" d="M{x} {bottom}v4"/>')
        parts.append(f'<text class="tick middle" x="{x}" y="{bottom + 16}">{escape(text)}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>')
    middle = (TOP + bottom) / 2
    centre = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="name middle" x="{centre}" y="{HEIGHT - 6}">{escape(across.label)}</text>')
    parts.append(f'<text class="name middle" transform="translate(12 {middle}) rotate(-90)">{escape(up.label)}</text>')
    return "".join(parts)


def _mark(place: float, text: str, across: Axis) -> str:
    x = f"{plot_x(place, across):.1f}"
    return (
        f'<path class="mark" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text class="tick" x="{x}" y="{TOP + 4}" dx="3" dy=".3em">{escape(text)}</text>'
    )


def _line(number: int, line: Line, x: NDArray[np.float64], across: Axis, up: Axis) -> str:
    path, pen = [], "M"
    for place, value in zip(x, line.y, strict=True):
        if not np.isfinite(value):
            pen = "M"
            continue
        path.append(f"{pen}{plot_x(place, across):.1f} {plot_y(min(max(value, up.low), up.high), up):.1f}")
        pen = "L"
    parts = [f'<path class="line {_look(number)}" d="{"".join(path)}"/>'] if path else []
    # Markers stand at every point that has a text, and else at a few points, not the same for neighbouring methods.
    if not line.points:
        shown = [k for k in range(number % 5 + 2, len(x), 5) if np.isfinite(line.y[k])]
    else:
        shown = [k for k in range(len(x)) if np.isfinite(line.y[k])]
    for k in shown:
        title = f"<title>{escape(line.points[k])}</title>" if line.points else ""
        parts.append(_marker(number, plot_x(x[k], across), plot_y(min(max(line.y[k], up.low), up.high), up), title))
    return "".join(parts)


def _marker(number: int, x: float, y: float, title: str = "") -> str:
    look = f'class="dot m{number % COLOURS}"'
    shape = MARKERS[_variant(number)]
    if shape == "circle":
        return f'<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="3.4">{title}</circle>'
    corners = {"square": "m-3-3h6v6h-6z", "triangle": "m0-4l4 7h-8z", "diamond": "m0-4.4l4.4 4.4-4.4 4.4-4.4-4.4z"}
    return f'<path {look} d="M{x:.1f} {y:.1f}{corners[shape]}">{title}</path>'
