"""Curves of a training: one small plot for each quantity, over pictures shown or epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from app.style import SMALL_PX, palette_of
from app.widgets import small
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.models.generators.following import Curve

_LEAST_PLOT_PX = (236, 112)
_GAP_PX = 12
_FEW_POINTS = 40
_FAINT = 95
_BEST_ASPECT = 1.7
# The other player of the game: what the discriminator pays for the same thing.
_OPPONENT = "d_"
PICTURES = "pictures shown"


class PicturesAxis(pg.AxisItem):
    """Numbers of pictures, in thousands where they are many."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{v / 1000:g} k" if v >= 1000 else f"{v:g}" for v in values]


class Plot(QWidget):
    """One quantity: names and latest values above, the curves below."""

    def __init__(self, axis: str = PICTURES) -> None:
        super().__init__()
        self._axis = axis
        self.said = small()
        self.said.setTextFormat(Qt.TextFormat.RichText)
        self.view = pg.PlotWidget(axisItems={"bottom": PicturesAxis("bottom")})
        self.view.setMenuEnabled(False)
        self.view.hideButtons()
        self.view.setMouseEnabled(x=False, y=False)
        # The wheel belongs to the area around.
        self.view.wheelEvent = lambda event: event.ignore()
        self.view.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.view.getPlotItem().setDownsampling(auto=True, mode="peak")
        self.view.getPlotItem().setClipToView(True)
        self.view.getAxis("left").setWidth(42)
        self.view.getAxis("left").setTickDensity(0.55)
        # Half a digit of the topmost and of the last number.
        self.view.getPlotItem().setContentsMargins(0, 6, 8, 0)
        for side in ("bottom", "left"):
            self.view.getAxis(side).enableAutoSIPrefix(False)
            self.view.getAxis(side).setStyle(tickFont=_font(), tickLength=-4)
        self._lines: dict[str, tuple[pg.PlotDataItem, pg.PlotDataItem]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.said)
        column.addWidget(self.view, 1)
        self.setMinimumSize(*_LEAST_PLOT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(330, 150)

    def show_curves(self, curves: Mapping[str, Curve], n_images: float, theme: Theme) -> None:
        """Show curves of one unit."""
        colours = palette_of(theme)
        self.view.setBackground(colours.canvas)
        for side in ("bottom", "left"):
            self.view.getAxis(side).setPen(colours.border)
            self.view.getAxis(side).setTextPen(colours.muted)
        self.view.getAxis("bottom").setLabel(
            self._axis, **{"color": colours.muted, "font-size": "10px"}
        )
        said = []
        for k, (name, curve) in enumerate(curves.items()):
            colour = (colours.accent, colours.warning)[k % 2]
            self._draw(name, curve, QColor(colour))
            latest = f"{curve.values[-1]:.3g}".replace("-", "−")
            said.append(f'<span style="color:{colour}">●</span> {escape(name)} <b>{latest}</b>')
        self.view.setXRange(0, max(n_images, 1), padding=0.01)
        self.said.setText("&nbsp;&nbsp;&nbsp;".join(said))
        self.view.setAccessibleName(
            "; ".join(f"{name}: now {c.values[-1]:.3g}" for name, c in curves.items())
        )

    def _draw(self, name: str, curve: Curve, colour: QColor) -> None:
        """Few points as they are; many faintly, with their running mean."""
        if name not in self._lines:
            self._lines[name] = (self.view.plot(antialias=True), self.view.plot(antialias=True))
        points, mean = self._lines[name]
        few = len(curve.values) < _FEW_POINTS
        faint = QColor(colour)
        faint.setAlpha(_FAINT)
        points.setData(
            curve.n_shown, curve.values, pen=pg.mkPen(colour if few else faint, width=1.2),
            symbol="o" if few else None, symbolSize=6, symbolPen=None, symbolBrush=colour,
        )  # fmt: skip
        mean.setData(curve.n_shown, curve.smoothed(), pen=pg.mkPen(colour, width=1.8))
        mean.setVisible(not few)


class Plots(QWidget):
    """A grid of plots, as many a row as fit; `axis` says what they are over."""

    def __init__(self, axis: str = PICTURES) -> None:
        super().__init__()
        self._axis = axis
        self.plots: dict[str, Plot] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_GAP_PX)
        self._placed: tuple[int, int] = (0, 0)

    def show_curves(self, curves: Mapping[str, Curve], n_images: float, theme: Theme) -> None:
        """Show all curves; a term and its opponent's share a plot."""
        grouped: dict[str, dict[str, Curve]] = {}
        for name, curve in curves.items():
            grouped.setdefault(name.removeprefix(_OPPONENT), {})[name] = curve
        for name in [n for n in self.plots if n not in grouped]:
            self.plots.pop(name).deleteLater()
            self._placed = (0, 0)
        for name, group in grouped.items():
            if name not in self.plots:
                self.plots[name] = Plot(self._axis)
            self.plots[name].show_curves(group, n_images, theme)
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        n = len(self.plots)
        n_columns = self._best_columns(n) if n else 0
        if (n, n_columns) == self._placed:
            return
        self._placed = (n, n_columns)
        for k, plot in enumerate(self.plots.values()):
            self._grid.addWidget(plot, k // n_columns, k % n_columns)
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 1 if column < n_columns else 0)

    def _best_columns(self, n: int) -> int:
        """Return how many plots a row bring each nearest to the shape that curves are read best in."""
        fitting = max(1, (self.width() + _GAP_PX) // (_LEAST_PLOT_PX[0] + _GAP_PX))

        def strangeness(n_columns: int) -> float:
            width = self.width() / n_columns
            height = max(self.height() / -(-n // n_columns), _LEAST_PLOT_PX[1])
            return abs(math.log(width / height / _BEST_ASPECT))

        return min(range(1, min(fitting, n) + 1), key=strangeness)


def _font() -> QFont:
    font = QFont()
    font.setPixelSize(SMALL_PX - 1)
    return font
