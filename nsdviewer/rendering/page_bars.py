"""Bars of regions and colour scales of a page, as vectors in millimetres."""

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.mapping.maps import UNITS
from nsdviewer.rendering.colours import ColourBar
from nsdviewer.rendering.page_canvas import LINE_SPACING, MM_PER_POINT, PageCanvas
from nsdviewer.rendering.scene import RoiBar
from nsdviewer.rendering.theme import colour_table
from nsdviewer.state import Reading
from nsdviewer.state.page_box import Box

_AXIS_PT, _ERROR_PT = 0.4, 0.5
_TICK_MM = 0.7
# A name needs its line; below that bars are left out, and said to be.
_LEAST_PITCH = 1.05
_BAR_SHARE = 0.66
_BAR_MM = 2.4


@dataclass(frozen=True, eq=False)
class Bars:
    """Means of a map over regions, with the reading that says their unit.

    Attributes
    ----------
    notices
        One sentence for each collection that was asked for and has no bars.
    """

    bars: tuple[RoiBar, ...]
    reading: Reading
    notices: tuple[str, ...] = ()


def reach(bar: RoiBar) -> tuple[float, float]:
    """Return how far a bar's interval, or its standard error, reaches below and above its mean."""
    if bar.interval_psc is None:
        return bar.sem_psc, bar.sem_psc
    low, high = bar.interval_psc
    return max(bar.mean_psc - low, 0.0), max(high - bar.mean_psc, 0.0)


def said_error(bars: tuple[RoiBar, ...]) -> str:
    """Return what the bars and their whiskers are."""
    if any(b.interval_psc is None for b in bars):
        return "mean ± s.e.m. over all reliable voxels of a region"
    return "unshrunk mean, 90 % bootstrap"


def largest(bars: tuple[RoiBar, ...], most: int) -> tuple[RoiBar, ...]:
    """Return the `most` bars of the largest |mean|, in their order."""
    kept = sorted(range(len(bars)), key=lambda k: -abs(bars[k].mean_psc))[:most]
    return tuple(bars[k] for k in sorted(kept))


def number(value: float, signed: bool = False) -> str:
    """Return a number as it stands at an axis, with a true minus."""
    if value == 0:
        return "0"
    return f"{value:{'+' if signed else ''}.3g}".replace("-", "−")


def draw_bars(canvas: PageCanvas, box: Box, content: Bars, points: float) -> None:
    """Draw a bar for each region that there is room for, the largest where there is not.

    Raises
    ------
    RequestError
        If there are no bars, or no room.
    """
    if not content.bars:
        raise RequestError(
            "No region has a bar: there is no concept map, or none of its regions is reliable; "
            "type a concept or lower the noise ceiling's floor."
        )
    line = points * MM_PER_POINT * LINE_SPACING
    below = [UNITS[content.reading], said_error(content.bars)]
    room = box.height - (1 + len(below)) * line - _TICK_MM - 1
    most = int(room / (_LEAST_PITCH * points * MM_PER_POINT))
    if most < 1:
        raise RequestError("The panel is too small for bars; make it higher.")
    shown = content.bars
    if len(shown) > most:
        shown = largest(shown, most)
        below.append(f"the {most} largest of {len(content.bars)} regions")
    names = max(canvas.text_width(b.name, points) for b in shown) + 1.5
    axes = box.inside(left=min(names, box.width / 2), right=2.5, bottom=box.height - room)
    if len(shown) < len(content.bars):
        axes = axes.inside(bottom=line)
    low, high, ticks = _span(shown)
    pitch = axes.height / len(shown)

    def x_of(value: float) -> float:
        return axes.x + (value - low) / (high - low) * axes.width

    palette, table = canvas.palette, colour_table(canvas.page.state.theme)
    for k, bar in enumerate(shown):
        middle = axes.y + (k + 0.5) * pitch
        colour = table[216] if bar.mean_psc >= 0 else table[40]
        ends = sorted((x_of(0.0), x_of(bar.mean_psc)))
        thick = _BAR_SHARE * pitch
        canvas.rectangle(Box(ends[0], middle - thick / 2, ends[1] - ends[0], thick), colour)
        less, more = reach(bar)
        span = x_of(bar.mean_psc - less), x_of(bar.mean_psc + more)
        canvas.line(span, (middle, middle), palette.text, _ERROR_PT)
        name = canvas.shortened(bar.name, points, axes.x - box.x - 1.2)
        canvas.text(axes.x - 1.2, middle, name, points, ha="right", va="center")
    canvas.line((x_of(0), x_of(0)), (axes.y, axes.bottom), palette.muted, _AXIS_PT)
    canvas.line((axes.x, axes.right), (axes.bottom, axes.bottom), palette.border, _AXIS_PT)
    for tick in ticks:
        at = x_of(tick)
        canvas.line((at, at), (axes.bottom, axes.bottom + _TICK_MM), palette.muted, _AXIS_PT)
        canvas.text(
            at, axes.bottom + _TICK_MM + 0.3, number(tick), points, palette.muted, ha="center",
            va="top",
        )  # fmt: skip
    top = axes.bottom + _TICK_MM + 0.3 + line
    for k, said in enumerate(below):
        canvas.text(
            axes.x + axes.width / 2, top + k * line, said, points, palette.muted, ha="center",
            va="top",
        )  # fmt: skip


def _span(bars: tuple[RoiBar, ...]) -> tuple[float, float, list[float]]:
    """Return both ends of the axis, zero within, and its ticks."""
    ends = [0.0]
    for bar in bars:
        less, more = reach(bar)
        ends += [bar.mean_psc - less, bar.mean_psc + more]
    ends = [v for v in ends if np.isfinite(v)]
    low, high = min(ends), max(ends)
    if low == high:
        high = low + 1.0
    air = 0.04 * (high - low)
    low, high = low - air * (low < 0), high + air * (high > 0)
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return low, high, [float(t) for t in ticks if low <= t <= high]


def draw_colour_bar(canvas: PageCanvas, box: Box, bar: ColourBar, points: float) -> None:
    """Draw a layer's scale with quantity, unit and threshold, upright where the box is."""
    line = points * MM_PER_POINT * LINE_SPACING
    said = bar.title.splitlines() + ([bar.said] if bar.said else [])
    ticks = [bar.low, 0.0, bar.high] if bar.low < 0 else [bar.low, bar.high]
    if box.height > box.width:
        _draw_upright(canvas, box, bar, points, line, said, ticks)
    else:
        _draw_level(canvas, box, bar, points, line, said, ticks)


def _draw_level(
    canvas: PageCanvas, box: Box, bar: ColourBar, points: float, line: float, said: list[str],
    ticks: list[float],
) -> None:  # fmt: skip
    title = canvas.wrapped(" ".join(said), points, box.width, 2)
    if (len(title) + 1) * line + 1.5 > box.height:
        title = title[:1]
    side = max(canvas.text_width(number(v, bar.low < 0), points) for v in ticks) / 2
    strip = Box(
        box.x + side, box.y + len(title) * line + 0.3, max(box.width - 2 * side, 2.0),
        min(_BAR_MM, max(box.height - (len(title) + 1) * line - 1.2, 0.8)),
    )  # fmt: skip
    size = canvas.size_px(strip)
    strip = canvas.image(strip, np.tile(_steps(bar, size[0])[None], (size[1], 1, 1)))
    middle = strip.x + strip.width / 2
    canvas.text(
        middle, box.y, "\n".join(title), points, canvas.palette.muted, ha="center", va="top"
    )
    for value in ticks:
        at = strip.x + (value - bar.low) / (bar.high - bar.low) * strip.width
        canvas.line((at, at), (strip.bottom, strip.bottom + 0.5), canvas.palette.muted, _AXIS_PT)
        canvas.text(
            at, strip.bottom + 0.8, number(value, bar.low < 0), points, canvas.palette.muted,
            ha="center", va="top",
        )  # fmt: skip
    for value in _thresholds(bar):
        at = strip.x + (value - bar.low) / (bar.high - bar.low) * strip.width
        canvas.line((at, at), (strip.y, strip.bottom), canvas.palette.text, _AXIS_PT)


def _draw_upright(
    canvas: PageCanvas, box: Box, bar: ColourBar, points: float, line: float, said: list[str],
    ticks: list[float],
) -> None:  # fmt: skip
    title = canvas.wrapped("\n".join(said), points, box.width, 5)
    strip = Box(
        box.x, box.y + len(title) * line + 1.0 + line / 2, min(_BAR_MM, box.width / 3),
        max(box.height - (len(title) + 1) * line - 1.0, 2.0),
    )  # fmt: skip
    size = canvas.size_px(strip)
    strip = canvas.image(strip, np.tile(_steps(bar, size[1])[::-1, None], (1, size[0], 1)))
    canvas.text(box.x, box.y, "\n".join(title), points, canvas.palette.muted, va="top")
    for value in ticks:
        at = strip.bottom - (value - bar.low) / (bar.high - bar.low) * strip.height
        canvas.line((strip.right, strip.right + 0.5), (at, at), canvas.palette.muted, _AXIS_PT)
        canvas.text(
            strip.right + 0.9, at, number(value, bar.low < 0), points, canvas.palette.muted,
            va="center",
        )  # fmt: skip
    for value in _thresholds(bar):
        at = strip.bottom - (value - bar.low) / (bar.high - bar.low) * strip.height
        canvas.line((strip.x, strip.right), (at, at), canvas.palette.text, _AXIS_PT)


def _steps(bar: ColourBar, n: int) -> NDArray[np.uint8]:
    """Return (n, 3) colours from the low to the high end."""
    return np.asarray(bar.rgb[np.rint(np.linspace(0, len(bar.rgb) - 1, n)).astype(int)])


def _thresholds(bar: ColourBar) -> list[float]:
    both = (bar.threshold, -bar.threshold) if bar.threshold else ()
    return [value for value in both if bar.low <= value <= bar.high]
