"""Plots of one voxel's responses: by trial, and repetition against repetition."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.dots import dots_image, weight_of
from app.plain_text import plain
from app.style import palette_of
from app.widgets import text_at
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.session.voxels import VoxelCard

Floats = NDArray[np.float64]
_LEFT_PX, _BOTTOM_PX, _GAP_PX = 34, 14, 8
_NEAR_PX = 8.0
_MARK_PX = 7.0


class BetasAs(Enum):
    """How responses are laid out."""

    TRIALS = "by trial"
    REPETITIONS = "by repetition"


@dataclass(frozen=True)
class _Dots:
    """One plot: points in 0..1 of its box, from the bottom left, and the trial of each."""

    box: QRectF
    x: Floats
    y: Floats
    trials: NDArray[np.int64]
    title: str = ""

    def places(self) -> tuple[Floats, Floats]:
        """Return x and y in pixels."""
        x = self.box.x() + self.x * self.box.width()
        return x, self.box.bottom() - self.y * self.box.height()


class BetaPlot(QWidget):
    """A voxel's single-trial responses; the selected picture's are marked."""

    trialClicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._card: VoxelCard | None = None
        self._marked = np.zeros(0, np.int64)
        self._as = BetasAs.TRIALS
        self._theme = Theme.DARK
        self._cloud: tuple[object, QImage] | None = None
        self.setMinimumHeight(56)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_card(self, card: VoxelCard, marked: NDArray[np.int64], theme: Theme) -> None:
        """Show the responses of a card; `marked` are trials."""
        self._card, self._marked, self._theme = card, marked, theme
        self._say()
        self.update()

    def clear(self) -> None:
        """Show no card."""
        self._card, self._marked = None, np.zeros(0, np.int64)
        self.setAccessibleDescription("")
        self.update()

    def set_layout_of(self, layout: BetasAs) -> None:
        """Choose how responses are laid out."""
        self._as = layout
        self._say()
        self.update()

    def plots(self) -> list[_Dots]:
        """Return what is drawn, in pixels of the widget."""
        if self._card is None or not np.isfinite(self._card.psc).any():
            return []
        return self._by_trial() if self._as is BetasAs.TRIALS else self._by_repetition()

    def _say(self) -> None:
        if self._card is None:
            return
        there = np.isfinite(self._card.psc)
        n, mean = int(there.sum()), float(self._card.psc[there].mean()) if there.any() else 0.0
        self.setAccessibleName(f"{n} responses of the voxel {self._as.value}")
        self.setAccessibleDescription(
            f"mean {mean:+.2f} % signal change; {len(self._marked)} of the selected picture"
        )
        unit = "% signal change" if self._as is BetasAs.TRIALS else "z within a session"
        self.setToolTip(
            plain(
                f"Responses {self._as.value}, {unit}; click a point to select its trial, arrows go "
                "through the selected picture's"
            )
        )

    # --- where points stand --------------------------------------------------------------------

    def _by_trial(self) -> list[_Dots]:
        card = self._card
        assert card is not None
        there = np.isfinite(card.psc)
        trials, psc = card.trials[there], card.psc[there].astype(np.float64)
        box = QRectF(_LEFT_PX + 3, 5, self.width() - _LEFT_PX - 12, self.height() - _BOTTOM_PX - 11)
        x = trials / max(int(card.trials[-1]), 1)
        return [_Dots(box, x, 0.5 + np.clip(psc / self.end_psc, -1, 1) / 2, trials)]

    def _by_repetition(self) -> list[_Dots]:
        card = self._card
        assert card is not None
        pairs, z = card.repetitions.pairs, card.repetitions.z
        if not pairs:
            return []
        room = (self.width() - 4 - (len(pairs) - 1) * _GAP_PX) / len(pairs)
        side = min(room, self.height() - _BOTTOM_PX - 4.0)
        step = min(room, side + 26) + _GAP_PX
        end = self.end_z
        found = []
        for k, pair in enumerate(pairs):
            both = np.isfinite(z[:, pair.first - 1]) & np.isfinite(z[:, pair.second - 1])
            x, y = (
                0.5 + np.clip(z[both, n - 1].astype(np.float64) / end, -1, 1) / 2
                for n in (pair.first, pair.second)
            )
            title = f"{pair.first}×{pair.second}  {short(pair.r)}"
            box = QRectF(2 + k * step, _BOTTOM_PX, side, side)
            trials = card.repetitions.trials[both, pair.first - 1]
            found.append(_Dots(box, x, y, trials, title))
        return found

    @property
    def end_psc(self) -> float:
        """End of the axis by trial, in % signal change."""
        psc = self._card.psc if self._card is not None else np.zeros(1)
        return float(np.percentile(np.abs(psc[np.isfinite(psc)]), 99.5)) or 1.0

    @property
    def end_z(self) -> float:
        """End of both axes by repetition, in deviations."""
        z = self._card.repetitions.z if self._card is not None else np.ones(1)
        known = np.abs(z[np.isfinite(z)])
        return float(np.percentile(known, 99.5)) if len(known) else 1.0

    # --- drawing -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        painter.setPen(QColor(colours.muted))
        plots = self.plots()
        if not plots:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), int(flags), self._why_empty())
        elif self._as is BetasAs.TRIALS:
            self._paint_trial_axes(painter, plots[0].box)
        else:
            for plot in plots:
                self._paint_square(painter, plot)
        if plots:
            self._paint_dots(painter, plots)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _why_empty(self) -> str:
        if self._card is None:
            return ""
        if np.isfinite(self._card.psc).any():
            return "no picture was repeated in these sessions"
        return self._card.notes.get("responses", "no responses here")

    def _paint_trial_axes(self, painter: QPainter, box: QRectF) -> None:
        card, end = self._card, self.end_psc
        assert card is not None
        middle = box.center().y()
        for value, at in ((end, box.top()), (0.0, middle), (-end, box.bottom())):
            text = f"{value:+.1f}".replace("-", "−") if value else "0 %"
            inside = min(max(at, 8.0), box.bottom() - 2.0)
            text_at(painter, QPointF(_LEFT_PX - 4, inside), text, Qt.AlignmentFlag.AlignRight)
        line = self.height() - 7
        text_at(painter, QPointF(_LEFT_PX, line), "trial 0", Qt.AlignmentFlag.AlignLeft)
        last = f"{int(card.trials[-1]):,}"
        text_at(painter, QPointF(self.width() - 6, line), last, Qt.AlignmentFlag.AlignRight)
        painter.setPen(QPen(QColor(palette_of(self._theme).border), 1))
        painter.drawLine(QPointF(_LEFT_PX, middle), QPointF(self.width() - 6, middle))

    def _paint_square(self, painter: QPainter, plot: _Dots) -> None:
        colours = palette_of(self._theme)
        painter.setPen(QColor(colours.muted))
        text_at(
            painter, QPointF(plot.box.x(), 6), plot.title, Qt.AlignmentFlag.AlignLeft, self.width()
        )
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.drawRect(plot.box)
        painter.drawLine(plot.box.bottomLeft(), plot.box.topRight())

    def _paint_dots(self, painter: QPainter, plots: list[_Dots]) -> None:
        colours = palette_of(self._theme)
        painter.drawImage(QPointF(0, 0), self._cloud_of(plots))
        pen = QPen(QColor(colours.accent), _MARK_PX)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        for plot in plots:
            x, y = plot.places()
            chosen = self._is_marked(plot)
            for a, b in zip(x[chosen].tolist(), y[chosen].tolist(), strict=True):
                painter.drawPoint(QPointF(a, b))

    def _is_marked(self, plot: _Dots) -> NDArray[np.bool_]:
        if self._as is BetasAs.TRIALS or self._card is None:
            return np.isin(plot.trials, self._marked)
        # A point stands for its picture, of which any trial may be selected.
        own = np.isin(self._card.repetitions.trials, self._marked).any(axis=1)
        return np.isin(plot.trials, self._card.repetitions.trials[own])

    def _cloud_of(self, plots: list[_Dots]) -> QImage:
        """Return all points as one picture, kept until anything of it changes."""
        ratio = self.devicePixelRatioF()
        key = (id(self._card), self._as, self._theme, self.width(), self.height(), ratio)
        if self._cloud is None or self._cloud[0] != key:
            n = sum(len(plot.x) for plot in plots)
            points = [plot.places() for plot in plots]
            x = np.concatenate([p[0] for p in points]) * ratio
            y = np.concatenate([p[1] for p in points]) * ratio
            size = (round(self.width() * ratio), round(self.height() * ratio))
            area_px = sum(plot.box.width() * plot.box.height() for plot in plots)
            radius, opacity = weight_of(n / max(area_px, 1.0))
            colour = QColor(palette_of(self._theme).muted)
            image = dots_image(x, y, size, colour, radius * ratio, opacity)
            image.setDevicePixelRatio(ratio)
            self._cloud = (key, image)
        return self._cloud[1]

    # --- choosing ------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        best, trial = _NEAR_PX, -1
        for plot in self.plots():
            x, y = plot.places()
            distance = np.hypot(x - event.position().x(), y - event.position().y())
            if len(distance) and distance.min() <= best:
                best, trial = float(distance.min()), int(plot.trials[distance.argmin()])
        if trial >= 0:
            self.trialClicked.emit(trial)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        card = self._card
        if by is None or card is None or not len(self._marked):
            super().keyPressEvent(event)
            return
        there = card.trials[np.isfinite(card.psc)]
        if len(there):
            at = int(np.searchsorted(there, self._marked[0])) + by
            self.trialClicked.emit(int(there[min(max(at, 0), len(there) - 1)]))


def short(value: float) -> str:
    """``.58``, as the field writes correlations."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
