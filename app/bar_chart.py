"""Horizontal bars around zero, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.plain_text import plain
from app.style import palette_of
from app.widgets import text_at
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import RoiBar

_ROW_PX = 19
_BAR_PX = 9
# Names have as much room as the longest needs, within a share of the width.
_NAME_PX, _NAME_GAP_PX, _MOST_NAME_SHARE, _VALUE_PX = 66, 8, 0.36, 52
_MOST_DIGITS = 5


def ends_of(bar: RoiBar) -> tuple[float, float]:
    """Return the ends of a bar's interval, or of its standard error where it has none."""
    if bar.interval_psc is not None:
        return bar.interval_psc
    return bar.mean_psc - bar.sem_psc, bar.mean_psc + bar.sem_psc


class BarChart(QWidget):
    """One row a region. A click, or Enter on the row that Up and Down choose, asks for it."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[RoiBar, ...] = ()
        self._theme = Theme.DARK
        self._message = ""
        self._unit = ""
        self._row = -1
        self._digits = 2
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[RoiBar, ...], theme: Theme, message: str, unit: str) -> None:
        """Draw `bars`, or say `message` where there are none."""
        self.bars, self._theme, self._message, self._unit = bars, theme, message, unit
        self._row = min(self._row, len(bars) - 1)
        self._digits = _digits_for(self._reach())
        digits = self._digits
        said = "; ".join(
            f"{b.name} {_number(b.mean_psc, digits)}, {_said_ends(b, digits)}" for b in bars
        )
        self.setAccessibleName(f"Concept by region, {unit}: {said}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, max(len(self.bars), 2) * _ROW_PX + 4)

    def tip(self, row: int) -> str:
        """Return what is known of one bar."""
        bar, digits = self.bars[row], self._digits + 1
        value = f"{bar.name} ({bar.collection}): {_number(bar.mean_psc, digits)} {self._unit}"
        if bar.interval_psc is not None:
            return (
                f"{value}, {_said_ends(bar, digits)}: 90 % interval over resampled pictures of the "
                f"mean of {bar.n_voxels} voxels. No penalty shrinks it, as one does the map."
            )
        return f"{value} {_said_ends(bar, digits)} (mean ± s.e.m. over {bar.n_voxels} voxels)"

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = self._row_at(event.pos().y())
            if row >= 0:
                QToolTip.showText(
                    event.globalPos(), plain(f"{self.tip(row)}\nClick: cursor to its peak")
                )
            return True
        return super().event(event)

    def _reach(self) -> float:
        """Return the largest value that is drawn."""
        return max((abs(end) for bar in self.bars for end in ends_of(bar)), default=1.0) or 1.0

    def _row_at(self, y: float) -> int:
        row = int(y / _ROW_PX)
        return row if 0 <= row < len(self.bars) else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position().y())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(self.bars[row].name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._highlight(self._row_at(event.position().y()))

    def leaveEvent(self, event: QEvent) -> None:
        self._highlight(-1)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._highlight(-1)
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(key))
        if step is not None and self.bars:
            self._highlight(min(max(self._row + step, 0), len(self.bars) - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._row >= 0:
            self.chosen.emit(self.bars[self._row].name)
        else:
            super().keyPressEvent(event)

    def _highlight(self, row: int) -> None:
        if row != self._row:
            self._row = row
            self.setCursor(
                Qt.CursorShape.PointingHandCursor if row >= 0 else Qt.CursorShape.ArrowCursor
            )
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        if not self.bars:
            painter.setPen(QColor(colours.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft, self._message)
            return
        left, right = self._names_px(painter.fontMetrics()), self.width() - _VALUE_PX
        reach = self._reach()
        middle, half = (left + right) / 2, (right - left) / 2 - 2
        if self._row >= 0:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(QRectF(-2, self._row * _ROW_PX, self.width(), _ROW_PX), 3, 3)
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.drawLine(QPointF(middle, 0), QPointF(middle, len(self.bars) * _ROW_PX))
        for row, bar in enumerate(self.bars):
            y = (row + 0.5) * _ROW_PX
            name = painter.fontMetrics().elidedText(
                bar.name, Qt.TextElideMode.ElideMiddle, left - _NAME_GAP_PX
            )
            painter.setPen(QColor(colours.text))
            text_at(painter, QPointF(0, y), name, Qt.AlignmentFlag.AlignLeft)
            self._paint_bar(painter, bar, y, middle, half / reach)

    def _names_px(self, metrics: QFontMetrics) -> int:
        widest = max(metrics.horizontalAdvance(bar.name) for bar in self.bars) + _NAME_GAP_PX
        return max(min(widest, round(_MOST_NAME_SHARE * self.width())), _NAME_PX)

    def _paint_bar(
        self, painter: QPainter, bar: RoiBar, y: float, middle: float, px_per_psc: float
    ) -> None:
        from nsdviewer.rendering.theme import colour_table

        colours = palette_of(self._theme)
        table = colour_table(self._theme)
        # The map's own colours, so that a bar reads like the cortex does; on paper less deep.
        depth = 102 if self._theme is Theme.DARK else 68
        rgb = table[128 + depth if bar.mean_psc >= 0 else 127 - depth]
        fill = QColor.fromRgbF(*(float(v) for v in rgb))
        end = middle + bar.mean_psc * px_per_psc
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        box = QRectF(min(middle, end), y - _BAR_PX / 2, abs(end - middle), _BAR_PX)
        painter.drawRoundedRect(box, 1.5, 1.5)
        painter.setPen(QPen(QColor(colours.text), 1))
        low, high = (middle + v * px_per_psc for v in ends_of(bar))
        painter.drawLine(QPointF(low, y), QPointF(high, y))
        painter.setPen(QColor(colours.muted))
        text_at(painter, QPointF(self.width() - 4, y), _number(bar.mean_psc, self._digits),
                Qt.AlignmentFlag.AlignRight)  # fmt: skip


def _said_ends(bar: RoiBar, digits: int) -> str:
    if bar.interval_psc is None:
        return f"± {bar.sem_psc:.{digits}f}"
    low, high = bar.interval_psc
    return f"{_number(low, digits)} to {_number(high, digits)}"


def _digits_for(reach: float) -> int:
    """Return how many digits after the point tell bars apart that reach so far."""
    if not 0 < reach < math.inf:
        return 2
    return min(max(2, 1 - math.floor(math.log10(reach))), _MOST_DIGITS)


def _number(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
