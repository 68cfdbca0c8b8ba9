"""The page on screen, in millimetres: panels that are dragged, resized and moved by keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea

from app.composer import arranging
from app.composer.dragging import Drag, handle_at
from app.composer.painting import Look, PagePainter
from app.composer.previews import Preview
from app.composer.rulers import RULER_PX, Ruler
from app.composer.words import describe_panel, name_of
from nsdviewer.state.page_box import Box

if TYPE_CHECKING:
    from app.composer.editor import Composed
    from nsdviewer.rendering.theme import Palette

LEAST_ZOOM, MOST_ZOOM = 0.1, 16.0
# Around the page; less where there is little room.
_DESK_PX, _DESK_SHARE = 40, 0.05
_STEP, _FINE_STEP = 1.0, 0.1
_SNAP_PX = 6.0
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class PageCanvas(QAbstractScrollArea):
    """Shows a page, and turns mouse and keys into wishes.

    Wishes are signals; the page changes when `show_page` brings another one. While a panel is
    dragged only the canvas knows: the page changes once, when the button is released.
    """

    selected = Signal(tuple)
    placed = Signal(object)
    nudged = Signal(float, float)
    grown = Signal(float, float)
    nextWanted = Signal(bool)
    deleteWanted = Signal()
    fieldsWanted = Signal()
    zoomed = Signal(float)

    def __init__(self, preview_of: Callable[[int], Preview]) -> None:
        super().__init__()
        self.setObjectName("desk")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Page")
        self.viewport().setMouseTracking(True)
        self.snaps = True
        self.zoom = 1.0
        self.fits = True
        self._now: Composed | None = None
        self._foot: tuple[str, ...] = ()
        self._drag: Drag | None = None
        self._painter = PagePainter(preview_of)
        self._across, self._down = Ruler(self, upright=False), Ruler(self, upright=True)
        self.setViewportMargins(RULER_PX, RULER_PX, 0, 0)
        for bar in (self.horizontalScrollBar(), self.verticalScrollBar()):
            bar.valueChanged.connect(lambda _: self._redraw())

    # --- inward ------------------------------------------------------------------------------

    def show_page(self, now: Composed) -> None:
        """Show a page and what is selected on it."""
        if self._now is None or now.page is not self._now.page:
            self._drag = None
        changed_size = self._now is None or (
            (now.page.width_mm, now.page.height_mm)
            != (self._now.page.width_mm, self._now.page.height_mm)
        )
        self._now = now
        self.setAccessibleDescription(self._words())
        if changed_size:
            self._refit()
        self._redraw()

    def show_foot(self, lines: tuple[str, ...]) -> None:
        """Show what stands at the page's foot."""
        self._foot = lines
        self._redraw()

    def wear(self, palette: Palette) -> None:
        """Take the colours of a theme."""
        self._painter.palette = palette
        for ruler in (self._across, self._down):
            ruler.wear(palette)
        self._redraw()

    def refresh(self) -> None:
        """Show pictures that have arrived."""
        self.viewport().update()

    @property
    def px_per_mm(self) -> float:
        """Of the screen's logical pixels, at this zoom; 1 is as large as on paper."""
        return self.zoom * self.logicalDpiX() / 25.4

    def set_zoom(self, zoom: float, about: QPointF | None = None) -> None:
        """Enlarge the page; the point `about` of the viewport stays where it is."""
        zoom = min(max(zoom, LEAST_ZOOM), MOST_ZOOM)
        self.fits = False
        self._zoom_to(zoom, about)

    def fit(self) -> None:
        """Show the whole page, and go on doing so when the window changes its size."""
        self.fits = True
        self._refit()

    # --- places ------------------------------------------------------------------------------

    def to_px(self, x_mm: float, y_mm: float) -> QPointF:
        """Return where a place of the page is in the viewport."""
        origin = self._origin()
        return QPointF(origin.x() + x_mm * self.px_per_mm, origin.y() + y_mm * self.px_per_mm)

    def to_mm(self, at: QPointF) -> tuple[float, float]:
        """Return what place of the page is at a point of the viewport."""
        origin, scale = self._origin(), self.px_per_mm
        return (at.x() - origin.x()) / scale, (at.y() - origin.y()) / scale

    def rect_px(self, box: Box) -> QRectF:
        """Return where a box is in the viewport."""
        return QRectF(self.to_px(box.x, box.y), self.to_px(box.right, box.bottom))

    def panel_at(self, at: QPointF) -> int | None:
        """Return the topmost panel at a point of the viewport."""
        if self._now is None:
            return None
        panels = self._now.page.panels
        for k in reversed(range(len(panels))):
            if self.rect_px(panels[k].box).contains(at):
                return k
        return None

    def _origin(self) -> QPointF:
        width, height = self._page_px()
        room = self.viewport().size()
        x = max((room.width() - width) / 2, self._desk_px()) - self.horizontalScrollBar().value()
        y = max((room.height() - height) / 2, self._desk_px()) - self.verticalScrollBar().value()
        return QPointF(x, y)

    def _desk_px(self) -> float:
        room = self.viewport().size()
        return min(_DESK_PX, max(_DESK_SHARE * min(room.width(), room.height()), 8.0))

    def _page_px(self) -> tuple[float, float]:
        if self._now is None:
            return 0.0, 0.0
        page = self._now.page
        return page.width_mm * self.px_per_mm, page.height_mm * self.px_per_mm

    def _zoom_to(self, zoom: float, about: QPointF | None = None) -> None:
        at = about if about is not None else QPointF(self.viewport().rect().center())
        place = self.to_mm(at)
        self.zoom = zoom
        self._set_bars()
        shift = self.to_px(*place) - at
        for bar, by in (
            (self.horizontalScrollBar(), shift.x()),
            (self.verticalScrollBar(), shift.y()),
        ):
            bar.setValue(bar.value() + round(by))
        self._redraw()
        self.zoomed.emit(zoom)

    def _refit(self) -> None:
        if self.fits and self._now is not None:
            page, room = self._now.page, self.viewport().size()
            per_mm = self.logicalDpiX() / 25.4
            across = (room.width() - 2 * self._desk_px()) / (page.width_mm * per_mm)
            down = (room.height() - 2 * self._desk_px()) / (page.height_mm * per_mm)
            self._zoom_to(min(max(min(across, down), LEAST_ZOOM), MOST_ZOOM))
        else:
            self._set_bars()

    def _set_bars(self) -> None:
        width, height = self._page_px()
        room = self.viewport().size()
        for bar, size, seen in (
            (self.horizontalScrollBar(), width, room.width()),
            (self.verticalScrollBar(), height, room.height()),
        ):
            bar.setRange(0, max(round(size + 2 * self._desk_px() - seen), 0))
            bar.setPageStep(seen)
            bar.setSingleStep(20)

    def _redraw(self) -> None:
        self.viewport().update()
        if self._now is None:
            return
        chosen = [self._now.page.panels[k].box for k in self._now.selection]
        if self._drag is not None:
            chosen = list(self._drag.boxes.values())
        whole = arranging.around(chosen) if chosen else None
        origin = self._origin()
        across = (whole.x, whole.right) if whole else None
        down = (whole.y, whole.bottom) if whole else None
        page = self._now.page
        self._across.show_scale(origin.x(), self.px_per_mm, page.width_mm, across)
        self._down.show_scale(origin.y(), self.px_per_mm, page.height_mm, down)

    def _words(self) -> str:
        now = self._now
        if now is None:
            return ""
        page = now.page
        size = f"{page.width_mm:g} × {page.height_mm:g} mm, {len(page.panels)} panels."
        said = []
        for k in now.selection:
            panel, box = page.panels[k], page.panels[k].box
            said.append(
                f"{name_of(panel)}: {describe_panel(page, panel)}, at {box.x:g}, {box.y:g} mm, "
                f"{box.width:g} × {box.height:g} mm"
            )
        return f"{size} Selected: {'; '.join(said)}" if said else f"{size} Nothing is selected."

    # --- the mouse ---------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._now is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        at, now = event.position(), self._now
        handle = handle_at(self, now, at)
        adds = bool(event.modifiers() & (Qt.KeyboardModifier.ControlModifier
                                         | Qt.KeyboardModifier.ShiftModifier))  # fmt: skip
        if handle is not None:
            self._drag = Drag(now.page, now.selection, self.to_mm(at), handle)
            return
        hit = self.panel_at(at)
        selection = now.selection
        if hit is None:
            self.selected.emit(selection if adds else ())
            return
        if adds:
            selection = tuple(k for k in selection if k != hit) if hit in selection else (
                *selection, hit
            )  # fmt: skip
            self.selected.emit(selection)
        elif hit not in selection:
            self.selected.emit((hit,))
        if self._now is not None and hit in self._now.selection:
            self._drag = Drag(self._now.page, self._now.selection, self.to_mm(at))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        x, y = self.to_mm(at)
        self._across.point_at(x)
        self._down.point_at(y)
        if self._drag is None:
            self._show_cursor(at)
            return
        free = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier) or not self.snaps
        self._drag.move((x, y), 0.0 if free else _SNAP_PX / self.px_per_mm)
        self._redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        if drag is not None and drag.has_moved:
            self.placed.emit(drag.boxes)
        self._redraw()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.panel_at(event.position()) is not None:
            self._drag = None
            self.fieldsWanted.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            at = event.position()
            self.set_zoom(self.zoom * 1.2 ** (event.angleDelta().y() / 120), at)
        else:
            super().wheelEvent(event)

    def _show_cursor(self, at: QPointF) -> None:
        handle = handle_at(self, self._now, at) if self._now is not None else None
        shape = Qt.CursorShape.ArrowCursor
        if handle is not None:
            shape = {
                (True, False): Qt.CursorShape.SizeHorCursor,
                (False, True): Qt.CursorShape.SizeVerCursor,
            }.get(
                (bool(handle[0]), bool(handle[1])),
                Qt.CursorShape.SizeFDiagCursor if handle[0] == handle[1]
                else Qt.CursorShape.SizeBDiagCursor,
            )  # fmt: skip
        elif self.panel_at(at) is not None:
            shape = Qt.CursorShape.SizeAllCursor
        self.viewport().setCursor(shape)

    # --- keys --------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        if key in _ARROWS:
            step = _FINE_STEP if modifiers & Qt.KeyboardModifier.ShiftModifier else _STEP
            dx, dy = (n * step for n in _ARROWS[key])
            grows = modifiers & Qt.KeyboardModifier.ControlModifier
            (self.grown if grows else self.nudged).emit(dx, dy)
        elif key is Qt.Key.Key_Space:
            self.nextWanted.emit(not modifiers & Qt.KeyboardModifier.ShiftModifier)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleteWanted.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.fieldsWanted.emit()
        elif key is Qt.Key.Key_Escape and (self._drag is not None or self._selection()):
            if self._drag is None:
                self.selected.emit(())
            self._drag = None
            self._redraw()
        else:
            super().keyPressEvent(event)

    def _selection(self) -> tuple[int, ...]:
        return self._now.selection if self._now is not None else ()

    # --- Qt ----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        if self._now is not None:
            drag = self._drag
            look = Look(
                self._now,
                self.rect_px,
                self.px_per_mm,
                drag.boxes if drag is not None else {},
                drag.guides if drag is not None else (),
                self._foot,
                self.hasFocus(),
            )
            self._painter.paint(painter, self.viewport().rect(), look)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.viewport().geometry()
        self._across.setGeometry(room.left(), 0, room.width(), RULER_PX)
        self._down.setGeometry(0, room.top(), RULER_PX, room.height())
        self._refit()
        self._redraw()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self._redraw()

    def viewport_point(self, x_mm: float, y_mm: float) -> QPoint:
        """Return the pixel of the viewport at a place of the page."""
        return self.to_px(x_mm, y_mm).toPoint()
