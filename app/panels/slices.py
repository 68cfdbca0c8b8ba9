"""Three slices through one cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import rgb_image
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.slices import SlicePicture

Voxel = tuple[int, int, int]
_AXIS_NAMES = "ijk"


class SliceView(QWidget):
    """One slice; click and drag move the cursor in it, the wheel moves it across."""

    voxelChosen = Signal(object)

    def __init__(self, axis: int) -> None:
        super().__init__()
        self._axis = axis
        self._picture: SlicePicture | None = None
        self._pixmap = QPixmap()
        self._voxel: Voxel = (0, 0, 0)
        self._shape: Voxel = (1, 1, 1)
        self._theme = Theme.DARK
        self._wheel = 0
        self.setMinimumSize(90, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def show_slice(self, picture: SlicePicture, voxel: Voxel, shape: Voxel, theme: Theme) -> None:
        if picture is not self._picture:
            self._pixmap = QPixmap.fromImage(rgb_image(picture.rgb))
        self._picture, self._voxel, self._shape, self._theme = picture, voxel, shape, theme
        self.setAccessibleName(self._title())
        self.update()

    def _title(self) -> str:
        plane = self._picture.plane if self._picture else ""
        return f"{plane} {_AXIS_NAMES[self._axis]} = {self._voxel[self._axis]}"

    def _box(self) -> QRectF:
        """Where the picture lies: as large as fits, in the middle."""
        width, height = self._pixmap.width(), self._pixmap.height()
        scale = min(self.width() / max(width, 1), self.height() / max(height, 1))
        box = QRectF(0, 0, width * scale, height * scale)
        box.moveCenter(QPointF(self.width() / 2, self.height() / 2))
        return box

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#000000"))
        if self._picture is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = self._box()
        painter.drawPixmap(box, self._pixmap, QRectF(self._pixmap.rect()))
        scale = box.width() / self._pixmap.width() * self._picture.zoom
        x = box.left() + self._picture.cursor[0] * scale
        y = box.top() + self._picture.cursor[1] * scale
        painter.setPen(QPen(QColor(palette_of(Theme.DARK).accent), 1))
        gap = 5
        painter.drawLine(QPointF(x, 0), QPointF(x, y - gap))
        painter.drawLine(QPointF(x, y + gap), QPointF(x, self.height()))
        painter.drawLine(QPointF(0, y), QPointF(x - gap, y))
        painter.drawLine(QPointF(x + gap, y), QPointF(self.width(), y))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        text = self._title()
        width = painter.fontMetrics().horizontalAdvance(text) + 12
        painter.fillRect(QRectF(4, 4, width, 18), QColor(0, 0, 0, 150))
        painter.setPen(QColor("#d5dbe3"))
        painter.drawText(QRectF(10, 4, width, 18), Qt.AlignmentFlag.AlignVCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y()
        steps = int(self._wheel / 120)
        self._wheel -= 120 * steps
        if steps:
            self.step(steps)

    def step(self, by: int) -> None:
        """Move the cursor across this slice."""
        found = list(self._voxel)
        last = self._shape[self._axis] - 1
        found[self._axis] = min(max(found[self._axis] + by, 0), last)
        # The next turn of the wheel goes on from here, drawn or not.
        self._voxel = (found[0], found[1], found[2])
        self.voxelChosen.emit(self._voxel)

    def _choose(self, at: QPointF) -> None:
        from nsdviewer.rendering.slices import voxel_at

        if self._picture is None:
            return
        box = self._box()
        voxel_px = box.width() / self._pixmap.width() * self._picture.zoom
        column, row = (at.x() - box.left()) / voxel_px, (at.y() - box.top()) / voxel_px
        self.voxelChosen.emit(voxel_at(self._shape, self._voxel, self._axis, column, row))


class SlicesPanel(QWidget):
    """Sagittal, coronal and axial."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        self.views = tuple(SliceView(axis) for axis in range(3))
        for view in self.views:
            view.voxelChosen.connect(lambda v: self.wanted.emit({"voxel": v}))
            row.addWidget(view)

    def show_view(self, before: View | None, after: View) -> None:
        if after.scene is None or after.voxel is None:
            return
        if not differs(before, after, "scene", "voxel") and not state_differs(
            before, after, "theme"
        ):
            return
        shape = after.workspace.grid
        for view, picture in zip(self.views, after.scene.slices, strict=True):
            view.show_slice(picture, after.voxel, shape, after.state.theme)
