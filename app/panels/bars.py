"""The concept by region: means with their standard errors over voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from app.style import palette_of
from app.view import View, differs
from app.widgets import heading, small, text_at
from nsdviewer.mapping.maps import UNITS
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import RoiBar

_ROW_PX = 19
_BAR_PX = 9
_NAME_PX, _VALUE_PX = 66, 52


class BarChart(QWidget):
    """Horizontal bars around zero."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: tuple[RoiBar, ...] = ()
        self._theme = Theme.DARK
        self._message = ""
        self._unit = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[RoiBar, ...], theme: Theme, message: str, unit: str) -> None:
        self._bars, self._theme, self._message, self._unit = bars, theme, message, unit
        said = "; ".join(f"{b.name} {b.mean_psc:+.2f} ± {b.sem_psc:.2f}" for b in bars)
        self.setAccessibleName(f"Concept by region, {unit}: {said}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, max(len(self._bars), 2) * _ROW_PX + 4)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = int(event.pos().y() / _ROW_PX)
            if 0 <= row < len(self._bars):
                bar = self._bars[row]
                QToolTip.showText(
                    event.globalPos(),
                    f"{bar.name}: {bar.mean_psc:+.3f} ± {bar.sem_psc:.3f} {self._unit} "
                    f"(mean ± s.e.m. over {bar.n_voxels} voxels)",
                )
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        if not self._bars:
            painter.setPen(QColor(colours.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft, self._message)
            return
        left, right = _NAME_PX, self.width() - _VALUE_PX
        reach = max(abs(b.mean_psc) + b.sem_psc for b in self._bars) or 1.0
        middle, half = (left + right) / 2, (right - left) / 2 - 2
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.drawLine(QPointF(middle, 0), QPointF(middle, len(self._bars) * _ROW_PX))
        for row, bar in enumerate(self._bars):
            self._paint_bar(painter, bar, (row + 0.5) * _ROW_PX, middle, half / reach)

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
        reach = bar.sem_psc * px_per_psc
        painter.drawLine(QPointF(end - reach, y), QPointF(end + reach, y))
        text_at(painter, QPointF(0, y), bar.name, Qt.AlignmentFlag.AlignLeft)
        painter.setPen(QColor(colours.muted))
        value = f"{bar.mean_psc:+.2f}".replace("-", "−")
        text_at(painter, QPointF(self.width() - 4, y), value, Qt.AlignmentFlag.AlignRight)


class BarsPanel(QFrame):
    """Heading and chart, which scrolls when there are many regions."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.chart = BarChart()
        top = QHBoxLayout()
        top.addWidget(heading("Concept by ROI"))
        top.addStretch()
        self._unit = small("% per unit, ± s.e.m.")
        self._unit.setToolTip("Mean of the map over all voxels of a region above the noise-ceiling "
                              "floor, ± standard error over voxels")  # fmt: skip
        top.addWidget(self._unit)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(0, 0, 6, 0)
        box.addWidget(self.chart)
        box.addStretch()
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(area, 1)

    def sizeHint(self) -> QSize:
        return QSize(330, 230)

    def show_view(self, before: View | None, after: View) -> None:
        if after.scene is None or not differs(before, after, "scene"):
            return
        old = before.scene if before is not None else None
        same_theme = old is not None and old.state.theme is after.scene.state.theme
        if same_theme and old is not None and old.roi_bars == after.scene.roi_bars:
            return
        why = "no region above the noise-ceiling floor" if after.state.concept else "no concept"
        state = after.scene.state
        unit = UNITS[state.reading]
        self._unit.setText(f"{unit.replace(' signal change', '')}, ± s.e.m.")
        self.chart.show_bars(after.scene.roi_bars, state.theme, why, unit)
