"""How well predicted responses agree with measured ones, as bars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.plain_text import plain
from app.style import palette_of
from app.widgets import text_at
from nsdviewer.state import Theme

_ROW_PX, _BAR_PX = 18, 8
_NAME_PX, _VALUE_PX = 90, 40
_LEAST_REACH = 0.2


@dataclass(frozen=True)
class AgreementBar:
    """A correlation, and the one it is held against; NaN draws no mark.

    Attributes
    ----------
    strong
        Drawn in the accent colour, as what the chart is about.
    """

    name: str
    r: float
    mark_r: float
    tip: str
    strong: bool = True


class AgreementBars(QWidget):
    """Horizontal bars of correlations from zero, each with a mark."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: tuple[AgreementBar, ...] = ()
        self._span = (0.0, _LEAST_REACH)
        self._theme = Theme.DARK
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(
        self, bars: tuple[AgreementBar, ...], span: tuple[float, float], theme: Theme
    ) -> None:
        """Show bars on an axis from the least to the largest correlation of `span`."""
        self._bars, self._span, self._theme = bars, span, theme
        said = "; ".join(f"{b.name} {r_text(b.r)}" for b in bars)
        self.setAccessibleName(f"Correlation with the measured response: {said}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, len(self._bars) * _ROW_PX)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = int(event.pos().y() / _ROW_PX)
            if 0 <= row < len(self._bars):
                QToolTip.showText(event.globalPos(), plain(self._bars[row].tip))
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._bars:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        low, high = self._span
        left, right = _NAME_PX, self.width() - _VALUE_PX
        px_per_r = (right - left) / (high - low)
        zero = left - low * px_per_r
        painter.setPen(QPen(QColor(palette_of(self._theme).border), 1))
        painter.drawLine(QPointF(zero, 0), QPointF(zero, len(self._bars) * _ROW_PX))
        for row, bar in enumerate(self._bars):
            self._paint_bar(painter, bar, (row + 0.5) * _ROW_PX, zero, px_per_r)

    def _paint_bar(
        self, painter: QPainter, bar: AgreementBar, y: float, zero: float, px_per_r: float
    ) -> None:
        colours = palette_of(self._theme)
        if bar.r == bar.r:
            end = zero + bar.r * px_per_r
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent if bar.strong else colours.muted))
            box = QRectF(min(zero, end), y - _BAR_PX / 2, abs(end - zero), _BAR_PX)
            painter.drawRoundedRect(box, 1.5, 1.5)
        painter.setPen(QPen(QColor(colours.text), 2))
        if bar.mark_r == bar.mark_r:
            x = zero + bar.mark_r * px_per_r
            painter.drawLine(QPointF(x, y - 6), QPointF(x, y + 6))
        name = painter.fontMetrics().elidedText(bar.name, Qt.TextElideMode.ElideRight, _NAME_PX - 6)
        text_at(painter, QPointF(0, y), name, Qt.AlignmentFlag.AlignLeft)
        painter.setPen(QColor(colours.muted))
        text_at(painter, QPointF(self.width() - 4, y), r_text(bar.r), Qt.AlignmentFlag.AlignRight)


def span_of(bars: Iterable[AgreementBar]) -> tuple[float, float]:
    """Return the ends of an axis that holds zero and all that bars show."""
    known = [v for bar in bars for v in (bar.r, bar.mark_r) if v == v]
    return min([0.0, *known]), max([_LEAST_REACH, *known])


def r_text(value: float) -> str:
    """Return ``.41`` or ``−.05``, as the field writes correlations; a dash for none."""
    if value != value:
        return "–"
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
