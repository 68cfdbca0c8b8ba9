"""Where panels stand: pages in, pages out, all in millimetres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum
from string import ascii_lowercase

from nsdviewer.state import Page, Panel, PanelKind
from nsdviewer.state.page_box import Box
from nsdviewer.state.pages import MOST_MM, MOST_PANELS

LEAST_MM = 2.0
LEAST_PAGE_MM = 10.0
# Panels whose tops differ by less stand in one row.
_ROW_MM = 4.0
_DUPLICATE_MM = 4.0
_UNLETTERED = (PanelKind.TEXT, PanelKind.COLOUR_BAR)
_DECIMALS = 3


class Edge(Enum):
    """What panels are aligned by."""

    LEFT = "left edges"
    CENTRE = "centres"
    RIGHT = "right edges"
    TOP = "top edges"
    MIDDLE = "middles"
    BOTTOM = "bottom edges"


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all of some; there is at least one."""
    known = list(boxes)
    x, y = min(b.x for b in known), min(b.y for b in known)
    right, bottom = max(b.right for b in known), max(b.bottom for b in known)
    return Box(x, y, right - x, bottom - y)


def kept_inside(box: Box, width_mm: float, height_mm: float) -> Box:
    """Return the box on a page of a size: made smaller where it must, then moved."""
    width = min(max(box.width, LEAST_MM), width_mm)
    height = min(max(box.height, LEAST_MM), height_mm)
    x = min(max(box.x, 0.0), width_mm - width)
    y = min(max(box.y, 0.0), height_mm - height)
    return Box(x, y, width, height)


def placed(page: Page, boxes: Mapping[int, Box]) -> Page:
    """Return the page with some panels in other places, all of them kept on it."""
    panels = list(page.panels)
    for index, box in boxes.items():
        # Thousandths of a millimetre: sums of tenths end in 0.30000000000000004.
        there = kept_inside(Box(*(round(n, _DECIMALS) for n in box)), page.width_mm, page.height_mm)
        panels[index] = replace(
            panels[index], x_mm=there.x, y_mm=there.y, width_mm=there.width, height_mm=there.height
        )
    return page.replace(panels=tuple(panels))


def moved(page: Page, indices: Iterable[int], dx_mm: float, dy_mm: float) -> dict[int, Box]:
    """Return the places of some panels, moved together as far as the page goes."""
    boxes = {k: page.panels[k].box for k in indices}
    if not boxes:
        return {}
    whole = around(boxes.values())
    dx = min(max(dx_mm, -whole.x), page.width_mm - whole.right)
    dy = min(max(dy_mm, -whole.y), page.height_mm - whole.bottom)
    return {k: b._replace(x=b.x + dx, y=b.y + dy) for k, b in boxes.items()}


def aligned(page: Page, indices: Iterable[int], edge: Edge) -> dict[int, Box]:
    """Return the places of some panels, aligned within the box around them; one alone on the page."""
    boxes = {k: page.panels[k].box for k in indices}
    if not boxes:
        return {}
    page_box = Box(0.0, 0.0, page.width_mm, page.height_mm)
    whole = around(boxes.values()) if len(boxes) > 1 else page_box
    found = {}
    for k, box in boxes.items():
        if edge is Edge.LEFT:
            found[k] = box._replace(x=whole.x)
        elif edge is Edge.RIGHT:
            found[k] = box._replace(x=whole.right - box.width)
        elif edge is Edge.CENTRE:
            found[k] = box._replace(x=whole.x + (whole.width - box.width) / 2)
        elif edge is Edge.TOP:
            found[k] = box._replace(y=whole.y)
        elif edge is Edge.BOTTOM:
            found[k] = box._replace(y=whole.bottom - box.height)
        else:
            found[k] = box._replace(y=whole.y + (whole.height - box.height) / 2)
    return found


def distributed(page: Page, indices: Iterable[int], across: bool) -> dict[int, Box]:
    """Return the places of three panels or more with equal gaps between them.

    Parameters
    ----------
    across
        From left to right, not from top to bottom. The outermost two stay.
    """
    boxes = {k: page.panels[k].box for k in indices}
    if len(boxes) < 3:
        return {}
    axis, size = (0, 2) if across else (1, 3)
    order = sorted(boxes, key=lambda k: boxes[k][axis] + boxes[k][size] / 2)
    first, last = boxes[order[0]], boxes[order[-1]]
    room = last[axis] + last[size] - first[axis] - sum(b[size] for b in boxes.values())
    gap, at, found = room / (len(boxes) - 1), first[axis], {}
    for k in order:
        found[k] = boxes[k]._replace(**{"xy"[axis]: at})
        at += boxes[k][size] + gap
    return found


def same_size(page: Page, indices: Iterable[int]) -> dict[int, Box]:
    """Return the places of some panels, all as large as the first of them."""
    known = list(indices)
    if len(known) < 2:
        return {}
    first = page.panels[known[0]].box
    return {
        k: page.panels[k].box._replace(width=first.width, height=first.height) for k in known[1:]
    }


def reading_order(page: Page) -> list[int]:
    """Return the panels row by row, each from left to right."""
    order: list[int] = []
    row: list[int] = []
    panels = page.panels
    for k in sorted(range(len(panels)), key=lambda k: (panels[k].y_mm, panels[k].x_mm, k)):
        if row and panels[k].y_mm - panels[row[0]].y_mm >= _ROW_MM:
            order += sorted(row, key=lambda k: (panels[k].x_mm, panels[k].y_mm, k))
            row = []
        row.append(k)
    return order + sorted(row, key=lambda k: (panels[k].x_mm, panels[k].y_mm, k))


def lettered(page: Page) -> Page:
    """Return the page with letters a, b, c … in reading order.

    Text, colour bars and a panel that is the only one have none.
    """
    panels = list(page.panels)
    n = 0
    is_alone = sum(panel.kind not in _UNLETTERED for panel in panels) == 1
    for k in reading_order(page):
        letter = ""
        if panels[k].kind not in _UNLETTERED and not is_alone:
            letter, n = letter_of(n), n + 1
        if panels[k].letter != letter:
            panels[k] = replace(panels[k], letter=letter)
    return page.replace(panels=tuple(panels))


def letter_of(n: int) -> str:
    """Return the letter of a number from 0: a, b, … z, aa, ab and so on."""
    more, last = divmod(n, len(ascii_lowercase))
    return (letter_of(more - 1) if more else "") + ascii_lowercase[last]


def added(page: Page, panel: Panel) -> Page:
    """Return the page with one more panel, over the others."""
    return page.replace(panels=(*page.panels, panel))


def removed(page: Page, indices: Iterable[int]) -> Page:
    """Return the page without some panels."""
    gone = set(indices)
    return page.replace(panels=tuple(p for k, p in enumerate(page.panels) if k not in gone))


def duplicated(page: Page, indices: Iterable[int]) -> tuple[Page, tuple[int, ...]]:
    """Return the page with copies of some panels, and which these are."""
    known = sorted(set(indices))[: MOST_PANELS - len(page.panels)]
    first = len(page.panels)
    copies = page.replace(panels=(*page.panels, *(page.panels[k] for k in known)))
    new = tuple(range(first, first + len(known)))
    boxes = {
        k: copies.panels[k].box._replace(
            x=copies.panels[k].x_mm + _DUPLICATE_MM, y=copies.panels[k].y_mm + _DUPLICATE_MM
        )
        for k in new
    }
    return placed(copies, boxes), new


def restacked(page: Page, indices: Iterable[int], up: bool) -> tuple[Page, tuple[int, ...]]:
    """Return the page with some panels over or under all others, and which they are then."""
    chosen = sorted(set(indices))
    rest = [k for k in range(len(page.panels)) if k not in chosen]
    order = rest + chosen if up else chosen + rest
    now = page.replace(panels=tuple(page.panels[k] for k in order))
    return now, tuple(order.index(k) for k in chosen)


def resized(page: Page, width_mm: float, height_mm: float | None = None) -> Page:
    """Return the page with another size; panels that would leave it are moved, then made smaller.

    Its width takes the panels along: their places and sizes stay the same shares of it.

    Parameters
    ----------
    height_mm
        None takes the height along too.
    """
    share = width_mm / page.width_mm
    if height_mm is None:
        height_mm = min(max(round(page.height_mm * share, 1), LEAST_PAGE_MM), MOST_MM)
    panels = []
    for panel in page.panels:
        box = kept_inside(
            Box(*(round(n * share, _DECIMALS) for n in panel.box)), width_mm, height_mm
        )
        panels.append(
            replace(panel, x_mm=box.x, y_mm=box.y, width_mm=box.width, height_mm=box.height)
        )
    return page.replace(width_mm=width_mm, height_mm=height_mm, panels=tuple(panels))


def free_place(page: Page, width_mm: float, height_mm: float) -> Box:
    """Return a place for a panel of a size: the first gap in reading order, else the middle."""
    width, height = min(width_mm, page.width_mm), min(height_mm, page.height_mm)
    taken = [panel.box for panel in page.panels]
    gap = 2.0
    xs = sorted({gap, *(b.right + gap for b in taken)})
    ys = sorted({gap, *(b.bottom + gap for b in taken), *(b.y for b in taken)})
    for y in ys:
        for x in xs:
            there = Box(x, y, width, height)
            if (
                there.right <= page.width_mm
                and there.bottom <= page.height_mm
                and not any(_overlap(there, other) for other in taken)
            ):
                return there
    return Box((page.width_mm - width) / 2, (page.height_mm - height) / 2, width, height)


def _overlap(a: Box, b: Box) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom
