"""Where a dragged box comes to rest: at margins, at other panels, on the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.composer.arranging import LEAST_MM, kept_inside
from nsdviewer.state.page_box import Box

GRID_MM = 1.0
# As in the layouts to begin with.
MARGIN_MM = 3.0
GAP_MM = 4.0


class Guide(NamedTuple):
    """A line that says what a box has come to rest at; upright, or level."""

    upright: bool
    at_mm: float


@dataclass(frozen=True)
class Rests:
    """Lines to come to rest at, in mm: upright ones by x, level ones by y."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    @classmethod
    def of(cls, width_mm: float, height_mm: float, others: Iterable[Box]) -> Rests:
        """Return the lines of a page: its edges, margins and middles, and those of other panels."""
        boxes = list(others)
        x, y = _of_length(width_mm), _of_length(height_mm)
        for box in boxes:
            x += _of_span(box.x, box.right)
            y += _of_span(box.y, box.bottom)
        return cls(tuple(sorted(set(x))), tuple(sorted(set(y))))


def _of_length(length_mm: float) -> list[float]:
    return [0.0, MARGIN_MM, length_mm / 2, length_mm - MARGIN_MM, length_mm]


def _of_span(start: float, stop: float) -> list[float]:
    # A gap's width away as well: neighbours then stand as far apart as the margins are wide.
    return [start, (start + stop) / 2, stop, stop + GAP_MM, start - GAP_MM]


def snap_move(
    box: Box, rests: Rests, tolerance_mm: float, grid: bool = True
) -> tuple[Box, tuple[Guide, ...]]:
    """Return the box moved by at most `tolerance_mm` to where its edges or middles rest.

    Where nothing is near, its corner rests on the grid.
    """
    dx, guide_x = _shift((box.x, box.x + box.width / 2, box.right), rests.x, tolerance_mm)
    dy, guide_y = _shift((box.y, box.y + box.height / 2, box.bottom), rests.y, tolerance_mm)
    if guide_x is None and grid:
        dx = _to_grid(box.x, tolerance_mm)
    if guide_y is None and grid:
        dy = _to_grid(box.y, tolerance_mm)
    return box._replace(x=box.x + dx, y=box.y + dy), _guides(guide_x, guide_y)


def snap_resize(
    box: Box, sides: tuple[int, int], rests: Rests, tolerance_mm: float, grid: bool = True
) -> tuple[Box, tuple[Guide, ...]]:
    """Return the box with its dragged edges at rest.

    Parameters
    ----------
    sides
        Which edges are dragged: −1 the left or upper one, 1 the right or lower one, 0 neither.
    """
    x, width, guide_x = _snap_edge(box.x, box.width, sides[0], rests.x, tolerance_mm, grid)
    y, height, guide_y = _snap_edge(box.y, box.height, sides[1], rests.y, tolerance_mm, grid)
    return Box(x, y, width, height), _guides(guide_x, guide_y)


def dragged(box: Box, sides: tuple[int, int], dx_mm: float, dy_mm: float) -> Box:
    """Return the box with some edges moved, never smaller than `LEAST_MM`."""
    x, width = _drag_edge(box.x, box.width, sides[0], dx_mm)
    y, height = _drag_edge(box.y, box.height, sides[1], dy_mm)
    return Box(x, y, width, height)


def held_on_page(box: Box, sides: tuple[int, int], width_mm: float, height_mm: float) -> Box:
    """Return a box whose dragged edges end at the page's; the others stay where they are."""
    x0 = max(box.x, 0.0) if sides[0] < 0 else box.x
    y0 = max(box.y, 0.0) if sides[1] < 0 else box.y
    x1 = min(box.right, width_mm) if sides[0] > 0 else box.right
    y1 = min(box.bottom, height_mm) if sides[1] > 0 else box.bottom
    return kept_inside(Box(x0, y0, x1 - x0, y1 - y0), width_mm, height_mm)


def _drag_edge(start: float, length: float, side: int, by: float) -> tuple[float, float]:
    if side < 0:
        by = min(by, length - LEAST_MM)
        return start + by, length - by
    return start, max(length + by, LEAST_MM) if side > 0 else length


def _snap_edge(
    start: float, length: float, side: int, rests: Sequence[float], tolerance: float, grid: bool
) -> tuple[float, float, float | None]:
    if side == 0:
        return start, length, None
    edge = start if side < 0 else start + length
    by, guide = _shift((edge,), rests, tolerance)
    if guide is None and grid:
        by = _to_grid(edge, tolerance)
    moved_start, moved_length = _drag_edge(start, length, side, by)
    reached = moved_start if side < 0 else moved_start + moved_length
    at_rest = guide is not None and abs(reached - guide) < 1e-9
    return moved_start, moved_length, guide if at_rest else None


def _shift(
    places: Sequence[float], rests: Sequence[float], tolerance: float
) -> tuple[float, float | None]:
    """Return how far the nearest place is from a line, and that line; (0, None) where none is near."""
    near = [(abs(rest - at), rest - at, rest) for at in places for rest in rests]
    if not near or min(near)[0] > tolerance:
        return 0.0, None
    _, by, line = min(near)
    return by, line


def _to_grid(at: float, tolerance: float) -> float:
    by = round(at / GRID_MM) * GRID_MM - at
    return by if abs(by) <= tolerance else 0.0


def _guides(x: float | None, y: float | None) -> tuple[Guide, ...]:
    found = []
    if x is not None:
        found.append(Guide(True, x))
    if y is not None:
        found.append(Guide(False, y))
    return tuple(found)
