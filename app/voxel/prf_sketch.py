"""A voxel's population receptive field, drawn into the visual field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.plain_text import plain
from app.style import palette_of
from app.widgets import text_at
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.session.voxels import ReceptiveField

# NSD's pictures are squares of 8.4°; fields reach somewhat beyond.
_PICTURE_DEG = 8.4
_SHOWN_DEG = 12.0
_CAPTION_PX = 14


class ReceptiveFieldSketch(QWidget):
    """A circle of one deviation around the field's centre, in the square that pictures filled.

    Where the fit explains too little, only its R² is told: a circle would be believed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._field: ReceptiveField | None = None
        self._note = ""
        self._theme = Theme.DARK
        self.setFixedWidth(86)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(86, 86)

    def show_field(self, field: ReceptiveField | None, note: str, theme: Theme) -> None:
        """Show a receptive field; or say in `note` why there is none."""
        self._field, self._note, self._theme = field, note, theme
        said = read_out(field) if field is not None else note
        self.setAccessibleName(f"Receptive field: {said}")
        self.setToolTip(plain(said))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        side = min(self.width() - 2.0, self.height() - _CAPTION_PX - 2.0)
        box = QRectF((self.width() - side) / 2, 1, side, side)
        per_deg = side / _SHOWN_DEG
        painter.setPen(QPen(QColor(colours.border), 1))
        half = _PICTURE_DEG / 2 * per_deg
        middle = box.center()
        painter.drawRect(QRectF(middle.x() - half, middle.y() - half, 2 * half, 2 * half))
        if self._field is not None and self._field.is_trusted:
            painter.drawLine(
                QPointF(middle.x() - half, middle.y()), QPointF(middle.x() + half, middle.y())
            )
            painter.drawLine(
                QPointF(middle.x(), middle.y() - half), QPointF(middle.x(), middle.y() + half)
            )
        painter.setPen(QColor(colours.muted))
        if self._field is None:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.fillRect(box, QColor(colours.panel))
            painter.drawText(box, int(flags), self._note)
            return
        line = QPointF(self.width() / 2, box.bottom() + _CAPTION_PX / 2 + 1)
        text_at(painter, line, caption(self._field), Qt.AlignmentFlag.AlignHCenter)
        if not self._field.is_trusted:
            text_at(painter, middle, "no fit", Qt.AlignmentFlag.AlignHCenter)
            return
        accent = QColor(colours.accent)
        x, y = self._field.centre_deg
        centre = QPointF(middle.x() + x * per_deg, middle.y() - y * per_deg)
        radius = max(self._field.size_deg * per_deg, 1.5)
        painter.setClipRect(box)
        painter.setPen(QPen(accent, 1.4))
        accent.setAlpha(60)
        painter.setBrush(accent)
        painter.drawEllipse(centre, radius, radius)
        accent.setAlpha(255)
        painter.setBrush(accent)
        painter.drawEllipse(centre, 1.6, 1.6)


def caption(field: ReceptiveField) -> str:
    """Return what stands below the sketch."""
    return f"pRF · R² {field.r2_pct:.0f} %".replace("-", "−")


def read_out(field: ReceptiveField) -> str:
    """Return a receptive field in words."""
    doubt = "" if field.is_trusted else "; the model explains too little to rely on it"
    return (
        f"angle {field.angle_deg:.0f}°, eccentricity {field.eccentricity_deg:.1f}°, size "
        f"{field.size_deg:.1f}°, R² {field.r2_pct:.0f} %{doubt}"
    ).replace("-", "−")
