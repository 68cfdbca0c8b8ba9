"""Rulers in millimetres along the page's upper and left edge."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from nsdviewer.rendering.theme import Palette

RULER_PX = 22
_NUMBER_PX = 9
_LEAST_TICK_PX, _LEAST_NUMBER_PX = 5.0, 42.0
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Ruler(QWidget):
    """Ticks and numbers of the page, the span of what is selected, and the pointer's place."""

    def __init__(self, parent: QWidget, upright: bool) -> None:
        super().__init__(parent)
        self._upright = upright
        self._palette: Palette | None = None
        self._origin_px, self._scale, self._length_mm = 0.0, 1.0, 0.0
        self._span: tuple[float, float] | None = None
        self._pointer_mm: float | None = None
        self.setAccessibleName("Ruler down the page, mm" if upright else "Ruler across, mm")

    def wear(self, palette: Palette) -> None:
        self._palette = palette
        self.update()

    def show_scale(
        self, origin_px: float, px_per_mm: float, length_mm: float, span: tuple[float, float] | None
    ) -> None:
        """Show where the page begins, how large a millimetre is, and what is selected."""
        shown = (origin_px, px_per_mm, length_mm, span)
        if shown != (self._origin_px, self._scale, self._length_mm, self._span):
            self._origin_px, self._scale, self._length_mm, self._span = shown
            self.update()

    def point_at(self, at_mm: float) -> None:
        self._pointer_mm = at_mm
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = self._palette
        if colours is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colours.panel))
        if self._span is not None:
            wash = QColor(colours.accent)
            wash.setAlpha(60)
            painter.fillRect(self._strip(*self._span), wash)
        font = QFont(self.font())
        font.setPixelSize(_NUMBER_PX)
        painter.setFont(font)
        ticks = next((s for s in _STEPS if s * self._scale >= _LEAST_TICK_PX), _STEPS[-1])
        numbers = next((s for s in _STEPS if s * self._scale >= _LEAST_NUMBER_PX), _STEPS[-1])
        painter.setPen(QColor(colours.muted))
        for mm in range(0, int(self._length_mm) + 1, ticks):
            self._tick(painter, mm, numbers)
        if self._pointer_mm is not None:
            painter.setPen(QPen(QColor(colours.accent), 1))
            at = self._px(self._pointer_mm)
            painter.drawLine(self._place(at, 0), self._place(at, RULER_PX))
        painter.setPen(QColor(colours.border))
        end = float(self.height() if self._upright else self.width())
        painter.drawLine(self._place(0, RULER_PX - 1), self._place(end, RULER_PX - 1))
        painter.end()

    def _tick(self, painter: QPainter, mm: int, numbers: int) -> None:
        at = self._px(mm)
        is_long = mm % numbers == 0
        painter.drawLine(
            self._place(at, RULER_PX - (9 if is_long else 4)), self._place(at, RULER_PX)
        )
        if not is_long:
            return
        if self._upright:
            painter.save()
            painter.translate(1, at - 3)
            painter.rotate(-90)
            painter.drawText(QRectF(0, 0, 30, 11), int(Qt.AlignmentFlag.AlignLeft), f"{mm}")
            painter.restore()
        else:
            painter.drawText(QRectF(at + 3, 1, 30, 11), int(Qt.AlignmentFlag.AlignLeft), f"{mm}")

    def _px(self, mm: float) -> float:
        return self._origin_px + mm * self._scale

    def _place(self, along: float, across: float) -> QPointF:
        return QPointF(across, along) if self._upright else QPointF(along, across)

    def _strip(self, start_mm: float, stop_mm: float) -> QRectF:
        a, b = self._px(start_mm), self._px(stop_mm)
        return QRectF(0, a, RULER_PX, b - a) if self._upright else QRectF(a, 0, b - a, RULER_PX)
