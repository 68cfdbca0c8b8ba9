"""One drag of the mouse: panels moved together, or one made larger by an edge or a corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QPointF, QRectF

from app.composer import arranging, snapping
from app.composer.snapping import Guide, Rests
from nsdviewer.state.page_box import Box

if TYPE_CHECKING:
    from app.composer.editor import Composed
    from nsdviewer.state import Page

Sides = tuple[int, int]
HANDLES: tuple[Sides, ...] = tuple(
    (x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)
)
_GRIP_PX = 6.0
# A trembling click is no drag.
_LEAST_MM = 0.15


class HasPlaces(Protocol):
    """What knows where a box of the page is on screen."""

    def rect_px(self, box: Box) -> QRectF: ...


class Drag:
    """Where the dragged panels are at the moment.

    Parameters
    ----------
    start_mm
        Where on the page the button was pressed.
    handle
        The edges that are dragged; None moves the panels.

    Attributes
    ----------
    boxes
        Of the dragged panels, by their number.
    guides
        What they have come to rest at.
    """

    def __init__(
        self,
        page: Page,
        selection: tuple[int, ...],
        start_mm: tuple[float, float],
        handle: Sides | None = None,
    ) -> None:
        self._page, self._start, self._handle = page, start_mm, handle
        self._first = {k: page.panels[k].box for k in selection}
        others = [p.box for k, p in enumerate(page.panels) if k not in selection]
        self._rests = Rests.of(page.width_mm, page.height_mm, others)
        self.boxes = dict(self._first)
        self.guides: tuple[Guide, ...] = ()
        self.has_moved = False

    def move(self, to_mm: tuple[float, float], tolerance_mm: float) -> None:
        """Follow the mouse; a tolerance of 0 comes to rest nowhere."""
        dx, dy = to_mm[0] - self._start[0], to_mm[1] - self._start[1]
        if not self.has_moved and max(abs(dx), abs(dy)) < _LEAST_MM:
            return
        self.has_moved = True
        if self._handle is None:
            self._move(dx, dy, tolerance_mm)
        else:
            self._resize(self._handle, dx, dy, tolerance_mm)

    def _move(self, dx: float, dy: float, tolerance: float) -> None:
        whole = arranging.around(self._first.values())
        wanted = whole._replace(x=whole.x + dx, y=whole.y + dy)
        there, self.guides = snapping.snap_move(wanted, self._rests, tolerance, tolerance > 0)
        moved = arranging.moved(
            self._page, self._first, round(there.x - whole.x, 3), round(there.y - whole.y, 3)
        )
        self.boxes = moved
        self._keep_true_guides(arranging.around(moved.values()))

    def _resize(self, sides: Sides, dx: float, dy: float, tolerance: float) -> None:
        (index, first), *_ = self._first.items()
        wanted = snapping.dragged(first, sides, dx, dy)
        there, self.guides = snapping.snap_resize(
            wanted, sides, self._rests, tolerance, tolerance > 0
        )
        page = self._page
        held = snapping.held_on_page(there, sides, page.width_mm, page.height_mm)
        self.boxes = {index: held}
        self._keep_true_guides(held)

    def _keep_true_guides(self, whole: Box) -> None:
        """Leave out guides that the page's edge kept the panels from."""
        x = (whole.x, whole.x + whole.width / 2, whole.right)
        y = (whole.y, whole.y + whole.height / 2, whole.bottom)
        self.guides = tuple(
            guide
            for guide in self.guides
            if any(abs(guide.at_mm - at) < 0.01 for at in (x if guide.upright else y))
        )


def handle_rects(rect: QRectF) -> dict[Sides, QRectF]:
    """Return the places of the handles of a panel on screen."""
    half = QPointF(_GRIP_PX / 2, _GRIP_PX / 2)
    found = {}
    for x, y in HANDLES:
        at = QPointF(
            rect.center().x() + x * rect.width() / 2, rect.center().y() + y * rect.height() / 2
        )
        found[(x, y)] = QRectF(at - half, at + half)
    return found


def handle_at(places: HasPlaces, now: Composed, at: QPointF) -> Sides | None:
    """Return the handle at a point; one selected panel alone has handles."""
    if len(now.selection) != 1:
        return None
    rect = places.rect_px(now.page.panels[now.selection[0]].box)
    near = {sides: place.adjusted(-3, -3, 3, 3) for sides, place in handle_rects(rect).items()}
    hits = [sides for sides, place in near.items() if place.contains(at)]
    # Corners come before edges, where a small panel's handles lie over one another.
    return max(hits, key=lambda sides: abs(sides[0]) + abs(sides[1])) if hits else None
