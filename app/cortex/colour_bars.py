"""Colour bars over the cortex: one for each visible layer, the topmost first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QVBoxLayout, QWidget

from app.plain_text import caption, plain
from app.style import palette_of
from app.widgets import ShowsFocus, break_lines, rgb_image, text_at
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.colours import ColourBar

MOST_BARS = 3
BAR_PX = (186, 128)
_X, _WIDTH, _AIR = 122, 12, 8
_LINE_PX = 14
_VEIL = 190
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_LEFT = Qt.AlignmentFlag.AlignLeft


class ColourBarView(ShowsFocus, QWidget):
    """The colours of one layer with quantity, unit and ends; a click offers other ends."""

    limitChosen = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(*BAR_PX)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._bar: ColourBar | None = None
        self._image = QImage()
        self._fixed: float | None = None
        self._theme = Theme.DARK

    def show_bar(self, bar: ColourBar, fixed: float | None, theme: Theme) -> None:
        """Show a scale.

        Parameters
        ----------
        fixed
            The end that was chosen; None where it comes from the map.
        """
        if bar is not self._bar:
            self._image = rgb_image(bar.rgb[::-1, None, :])
        self._bar, self._fixed, self._theme = bar, fixed, theme
        self.setAccessibleName(in_words(bar))
        self.setToolTip(plain(f"{in_words(bar)}\nClick to choose its end"))
        self.update()

    def limits(self) -> tuple[float, ...]:
        """Return round ends about that of the scale."""
        if self._bar is None:
            return ()
        return round_ends(self._bar.high)

    def _offer(self, at: QPoint) -> None:
        if self._bar is None:
            return
        bar, menu = self._bar, QMenu(self)
        sign = "± " if bar.low < 0 else ""
        for limit in (None, *self.limits()):
            text = "from the map" if limit is None else f"{sign}{limit:g} {bar.unit}".rstrip()
            action = menu.addAction(caption(text))
            action.setCheckable(True)
            action.setChecked(limit == self._fixed)
            action.triggered.connect(lambda _=False, v=limit: self.limitChosen.emit(bar.source, v))
        menu.exec(at)
        menu.deleteLater()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._offer(event.globalPosition().toPoint())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS:
            self._offer(self.mapToGlobal(QPoint(0, self.height())))
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._bar is None:
            return
        painter = QPainter(self)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        height = self.height() - 2 * _AIR
        painter.drawImage(QRect(_X, _AIR, _WIDTH, height), self._image)
        painter.setPen(QColor(colours.accent if self.hasFocus() else colours.border))
        painter.drawRect(_X, _AIR, _WIDTH, height)
        self._paint_title(painter)
        self._paint_ends(painter)

    def _paint_title(self, painter: QPainter) -> None:
        colours, bar = palette_of(self._theme), self._bar
        if bar is None:
            return
        painter.setPen(QColor(colours.muted))
        lines = [
            part
            for line in bar.title.splitlines()
            for part in break_lines(line, painter.fontMetrics(), _X - 10, 2)
        ][:4]
        for row, line in enumerate(lines):
            at = QPointF(_X - 8, _AIR + 7 + _LINE_PX * row)
            self._say(painter, at, line, Qt.AlignmentFlag.AlignRight)
        # The test's words stand at the foot, clear of the title.
        said = break_lines(bar.said, painter.fontMetrics(), _X - 10, 2) if bar.said else []
        foot = self.height() - _AIR - 6
        for row, line in enumerate(reversed(said)):
            at = QPointF(_X - 8, foot - _LINE_PX * row)
            self._say(painter, at, line, Qt.AlignmentFlag.AlignRight)

    def _say(self, painter: QPainter, at: QPointF, line: str, align: Qt.AlignmentFlag) -> None:
        """Write a line that stays readable where the cortex reaches behind it."""
        width = painter.fontMetrics().horizontalAdvance(line)
        left = at.x() if align is _LEFT else at.x() - width
        veil = QColor(palette_of(self._theme).canvas)
        veil.setAlpha(_VEIL)
        painter.fillRect(QRectF(left - 3, at.y() - _LINE_PX / 2, width + 6, _LINE_PX), veil)
        text_at(painter, at, line, align)

    def _paint_ends(self, painter: QPainter) -> None:
        bar, colours = self._bar, palette_of(self._theme)
        if bar is None:
            return
        painter.setPen(QColor(colours.text))
        for value in (bar.high, 0.0, bar.low) if bar.low < 0 else (bar.high, bar.low):
            y = min(max(self._y(value), _AIR + 6), self.height() - _AIR - 6)
            self._say(painter, QPointF(_X + 18, y), _number(value, bar.low < 0), _LEFT)
        if bar.threshold <= 0:
            return
        painter.setPen(QPen(QColor(colours.text), 1))
        ends = (bar.threshold, -bar.threshold) if bar.low < 0 else (bar.threshold,)
        for value in ends:
            if bar.low <= value <= bar.high:
                y = self._y(value)
                painter.drawLine(QPointF(_X - 3, y), QPointF(_X + _WIDTH + 3, y))

    def _y(self, value: float) -> float:
        if self._bar is None:
            return 0.0
        share = (value - self._bar.low) / (self._bar.high - self._bar.low)
        return _AIR + (1 - share) * (self.height() - 2 * _AIR)


class ColourBars(QWidget):
    """The bars of a scene, as many as there is room for."""

    limitChosen = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.views = tuple(ColourBarView() for _ in range(MOST_BARS))
        self._n_bars, self._n_room = 0, MOST_BARS
        for view in self.views:
            view.limitChosen.connect(self.limitChosen)
            column.addWidget(view)
            view.hide()

    def show_bars(
        self, bars: tuple[ColourBar, ...], fixed: dict[str, float | None], theme: Theme
    ) -> None:
        """Show the bars of the visible layers, topmost first."""
        self._n_bars = min(len(bars), MOST_BARS)
        for view, bar in zip(self.views, bars, strict=False):
            view.show_bar(bar, fixed.get(bar.source), theme)
        self._share_out()

    def make_room(self, height_px: int, above_px: int = 0) -> None:
        """Show no more bars than fit, below so much that belongs to others."""
        self.layout().setContentsMargins(0, above_px, 0, 0)
        height_px -= above_px
        self._n_room = max(1, height_px // BAR_PX[1])
        self._share_out()

    def _share_out(self) -> None:
        for k, view in enumerate(self.views):
            view.setVisible(k < min(self._n_bars, self._n_room))
        self.adjustSize()


def in_words(bar: ColourBar) -> str:
    """Say what a colour bar shows."""
    title = " ".join(bar.title.split())
    said = f"; {bar.said}" if bar.said else ""
    low, high = (_number(v, bar.low < 0) for v in (bar.low, bar.high))
    return f"Colour bar: {title}, from {low} to {high}{said}"


def round_ends(high: float) -> tuple[float, ...]:
    """Return six ends, each 1, 2 or 5 times a power of ten, that surround a value."""
    first = math.floor(math.log10(high)) if high > 0 else 0
    found = [m * 10.0**e for e in range(first - 1, first + 2) for m in (1, 2, 5)]
    nearest = min(range(len(found)), key=lambda k: abs(math.log(found[k] / (high or 1.0))))
    start = min(max(nearest - 3, 0), len(found) - 6)
    return tuple(float(f"{v:.1g}") for v in found[start : start + 6])


def _number(value: float, signed: bool) -> str:
    if value == 0:
        return "0"
    digits = ".2g" if abs(value) < 100 else ".0f"
    said = f"{value:{'+' if signed else ''}{digits}}".replace("-", "−")
    # Beside the bar there is no room for zeros that say nothing.
    return said.replace("0.0", ".0", 1) if abs(value) < 0.1 else said
