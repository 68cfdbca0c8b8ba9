"""One slice with the linked cursor: drawn, clicked, scrolled, enlarged, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style import palette_of
from app.widgets import ShowsFocus, rgb_image, text_at
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.slices import SlicePicture

Voxel = tuple[int, int, int]
_AXIS_NAMES = "ijk"
_MM_NAMES = "xyz"
# Left, right, top and bottom of a sagittal, a coronal and an axial slice.
_LETTERS = (("P", "A", "S", "I"), ("L", "R", "S", "I"), ("L", "R", "A", "P"))
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
           Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}  # fmt: skip
_ACROSS = {Qt.Key.Key_PageUp: 1, Qt.Key.Key_PageDown: -1}
_LARGER = (Qt.Key.Key_Plus, Qt.Key.Key_Equal)
ZOOM_STEP = 1.25
_RULERS_MM = (50, 20, 10, 5, 2, 1)
_NOTCH = 120
_GAP_PX = 5


@dataclass(frozen=True)
class SliceFrame:
    """What slices show besides their pictures.

    Attributes
    ----------
    voxel
        The one whose slices are drawn.
    shape
        Grid of the volume.
    voxel_mm
        Edge of a voxel.
    anatomy_mm
        The cursor in the anatomical volume, None where it is not known.
    """

    voxel: Voxel
    shape: Voxel
    voxel_mm: float
    anatomy_mm: tuple[float, float, float] | None
    has_crosshair: bool = True


class SliceView(ShowsFocus, QWidget):
    """One slice; click and drag move the cursor in it, the wheel moves it across."""

    voxelChosen = Signal(object, str)
    enlarged = Signal(float)
    zoomReset = Signal()

    def __init__(self, axis: int) -> None:
        super().__init__()
        self._axis = axis
        self._picture: SlicePicture | None = None
        self._frame: SliceFrame | None = None
        self._pixmap = QPixmap()
        # Where the next turn of the wheel goes on from, drawn or not.
        self._asked: Voxel = (0, 0, 0)
        self._wheel = 0
        self._drag = 0
        self._covered_px = self._covered_height_px = 0
        self.setMinimumSize(90, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    # --- inward ------------------------------------------------------------------------------

    def show_slice(self, picture: SlicePicture | None, frame: SliceFrame) -> None:
        """Show a slice; only what differs costs anything."""
        if picture is None:
            self._pixmap = QPixmap()
        elif self._picture is None or picture.rgb is not self._picture.rgb:
            self._pixmap = QPixmap.fromImage(rgb_image(picture.rgb))
        if picture is self._picture and frame == self._frame:
            return
        self._picture, self._frame, self._asked = picture, frame, frame.voxel
        self.setAccessibleName(", ".join(self.titles()))
        self.update()

    def leave_free(self, width_px: int, height_px: int) -> None:
        """Leave the bottom right corner to something that lies over it."""
        self._covered_px, self._covered_height_px = width_px, height_px
        self.update()

    # --- read back ---------------------------------------------------------------------------

    def titles(self) -> tuple[str, ...]:
        """Return the lines in the corner: the slice, and where it lies in the anatomy."""
        if self._picture is None or self._frame is None:
            return ("no volume",)
        place = f"{self._picture.plane} {_AXIS_NAMES[self._axis]} = {self._frame.voxel[self._axis]}"
        if self._frame.anatomy_mm is None:
            return (place,)
        at_mm = f"{_MM_NAMES[self._axis]} {self._frame.anatomy_mm[self._axis]:+.1f} mm"
        return place, at_mm.replace("-", "−")

    def cursor_voxel(self) -> Voxel | None:
        """Return the voxel under the cross as it is drawn; None where none is."""
        cross = self._cross()
        return None if cross is None else self.voxel_at(cross)

    def voxel_at(self, at: QPointF) -> Voxel | None:
        """Return the voxel at a point of the widget."""
        from nsdviewer.rendering.slices import voxel_at

        if self._picture is None or self._frame is None:
            return None
        box, voxel_px = self._box(), self._voxel_px()
        column = (at.x() - box.left()) / voxel_px + self._picture.origin[0]
        row = (at.y() - box.top()) / voxel_px + self._picture.origin[1]
        return voxel_at(self._frame.shape, self._frame.voxel, self._axis, column, row)

    # --- geometry ----------------------------------------------------------------------------

    def _box(self) -> QRectF:
        """Where the picture lies: as large as fits, in the middle."""
        width, height = self._pixmap.width(), self._pixmap.height()
        scale = min(self.width() / max(width, 1), self.height() / max(height, 1))
        box = QRectF(0, 0, width * scale, height * scale)
        box.moveCenter(QPointF(self.width() / 2, self.height() / 2))
        return box

    def _voxel_px(self) -> float:
        if self._picture is None:
            return 1.0
        return self._box().width() / max(self._pixmap.width(), 1) * self._picture.zoom

    def _cross(self) -> QPointF | None:
        """Return where the cursor is drawn."""
        if self._picture is None:
            return None
        box, voxel_px, origin = self._box(), self._voxel_px(), self._picture.origin
        column, row = self._picture.cursor
        return QPointF(
            box.left() + (column - origin[0]) * voxel_px, box.top() + (row - origin[1]) * voxel_px
        )

    # --- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#000000"))
        accent = QColor(palette_of(Theme.DARK).accent)
        if self._picture is not None and self._frame is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(self._box(), self._pixmap, QRectF(self._pixmap.rect()))
            cross = self._cross()
            if self._frame.has_crosshair and cross is not None:
                painter.setPen(QPen(accent, 1))
                self._paint_cross(painter, cross)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        self._paint_letters(painter)
        self._paint_ruler(painter)
        self._paint_titles(painter)
        if self.hasFocus():
            painter.setPen(QPen(accent, 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_cross(self, painter: QPainter, at: QPointF) -> None:
        x, y = at.x(), at.y()
        painter.drawLine(QPointF(x, 0), QPointF(x, y - _GAP_PX))
        painter.drawLine(QPointF(x, y + _GAP_PX), QPointF(x, self.height()))
        painter.drawLine(QPointF(0, y), QPointF(x - _GAP_PX, y))
        painter.drawLine(QPointF(x + _GAP_PX, y), QPointF(self.width(), y))

    def _paint_titles(self, painter: QPainter) -> None:
        lines = self.titles()
        width = max(painter.fontMetrics().horizontalAdvance(t) for t in lines) + 12
        painter.fillRect(QRectF(4, 4, width, 4 + 15 * len(lines)), QColor(0, 0, 0, 150))
        painter.setPen(QColor("#d5dbe3"))
        for row, line in enumerate(lines):
            box = QRectF(10, 4 + 15 * row, width, 18)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, line)

    def _paint_letters(self, painter: QPainter) -> None:
        if self._picture is None:
            return
        painter.setPen(QColor("#c3cad4"))
        left, right, top, bottom = _LETTERS[self._axis]
        middle = QPointF(self.width() / 2, self.height() / 2)
        is_covered = middle.x() + 8 > self.width() - self._covered_px
        foot = self.height() - (10 + self._covered_height_px if is_covered else 10)
        self._paint_letter(painter, QPointF(9, middle.y()), left)
        self._paint_letter(painter, QPointF(self.width() - 9, middle.y()), right)
        # The title stands at the top left; in a narrow slice it reaches the middle.
        x = max(middle.x(), 118.0)
        if x < self.width() - 12:
            self._paint_letter(painter, QPointF(x, 12), top)
        self._paint_letter(painter, QPointF(middle.x(), foot), bottom)

    @staticmethod
    def _paint_letter(painter: QPainter, at: QPointF, letter: str) -> None:
        # Over bright tissue and on the cross it would be lost.
        painter.fillRect(QRectF(at.x() - 6, at.y() - 7, 12, 14), QColor(0, 0, 0, 140))
        text_at(painter, at, letter, Qt.AlignmentFlag.AlignHCenter)

    def _paint_ruler(self, painter: QPainter) -> None:
        if self._frame is None or self._picture is None or self._frame.voxel_mm <= 0:
            return
        mm_px = self._voxel_px() / self._frame.voxel_mm
        room_px = min(0.36 * self.width(), self.width() - self._covered_px - 10)
        length_mm = next((mm for mm in _RULERS_MM if mm * mm_px <= room_px), None)
        if length_mm is None:
            return
        y, x = self.height() - 8.5, 8.0
        painter.setPen(QPen(QColor("#d5dbe3"), 1.5))
        painter.drawLine(QPointF(x, y), QPointF(x + length_mm * mm_px, y))
        text_at(painter, QPointF(x, y - 10), f"{length_mm} mm", Qt.AlignmentFlag.AlignLeft)

    # --- Qt events ---------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._drag += 1
            self._choose(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.zoomReset.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y()
        steps = int(self._wheel / _NOTCH)
        self._wheel -= _NOTCH * steps
        if not steps:
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.enlarged.emit(ZOOM_STEP**steps)
        else:
            self.step(steps)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _ARROWS:
            self._step_within(*_ARROWS[key])
        elif key in _ACROSS:
            self.step(_ACROSS[key])
        elif key in _LARGER:
            self.enlarged.emit(ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.enlarged.emit(1 / ZOOM_STEP)
        else:
            super().keyPressEvent(event)

    # --- outward -----------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Move the cursor across this slice."""
        if self._frame is None:
            return
        found = list(self._asked)
        found[self._axis] = min(max(found[self._axis] + by, 0), self._frame.shape[self._axis] - 1)
        self._ask((found[0], found[1], found[2]), f"scroll {self._axis}")

    def _step_within(self, right: int, down: int) -> None:
        from nsdviewer.rendering.slices import cursor_in_slice, voxel_at

        if self._frame is None:
            return
        shape = self._frame.shape
        column, row = cursor_in_slice(shape, self._asked, self._axis)
        found = voxel_at(shape, self._asked, self._axis, column + right, row + down)
        self._ask(found, f"step {self._axis}")

    def _choose(self, at: QPointF) -> None:
        found = self.voxel_at(at)
        if found is not None:
            self._ask(found, f"drag {self._axis} {self._drag}")

    def _ask(self, voxel: Voxel, gesture: str) -> None:
        if voxel != self._asked:
            self._asked = voxel
            self.voxelChosen.emit(voxel, gesture)
