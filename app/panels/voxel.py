"""The voxel card: its responses, how reliable it is, and the pictures it likes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, Heading, Picture, small, text_at
from nsdviewer.state import Theme

_LEFT_PX, _BOTTOM_PX = 34, 14
_NEAR_PX = 8.0
_N_BEST = 6


class BetaScatter(QWidget):
    """A voxel's single-trial responses by trial; the selected picture's are marked."""

    trialClicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._trials = np.zeros(0, np.int64)
        self._psc = np.zeros(0, np.float32)
        self._marked = np.zeros(0, bool)
        self._theme = Theme.DARK
        self.setMinimumHeight(56)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip("Responses by trial, % signal change; click a point to select its trial")

    def show_responses(
        self, trials: np.ndarray, psc: np.ndarray, marked: np.ndarray, theme: Theme
    ) -> None:
        there = np.isfinite(psc)
        self._trials, self._psc, self._marked = trials[there], psc[there], marked[there]
        self._theme = theme
        self.setAccessibleName(f"{len(self._psc)} responses of the voxel by trial")
        self.update()

    def _places(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Return x, y in pixels of all points, and the end of the axis in % signal."""
        end = float(np.percentile(np.abs(self._psc), 99.5)) or 1.0
        width = self.width() - _LEFT_PX - 6
        height = self.height() - _BOTTOM_PX - 8
        x = _LEFT_PX + 3 + self._trials / max(int(self._trials[-1]), 1) * (width - 6)
        y = 4 + (0.5 - np.clip(self._psc / end, -1, 1) / 2) * height
        return x, y, end

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        painter.setPen(QColor(colours.muted))
        if len(self._psc) == 0:
            text = "no responses here: outside the measured voxels"
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        x, y, end = self._places()
        bottom = self.height() - _BOTTOM_PX - 4
        for value, at in ((end, 4.0), (0.0, (4 + bottom) / 2), (-end, float(bottom))):
            text = f"{value:+.1f}".replace("-", "−") if value else "0 %"
            box_y = min(max(at, 8.0), bottom - 2.0)
            text_at(painter, QPointF(_LEFT_PX - 4, box_y), text, Qt.AlignmentFlag.AlignRight)
        middle = self.height() - 7
        text_at(painter, QPointF(_LEFT_PX, middle), "trial 0", Qt.AlignmentFlag.AlignLeft)
        last = f"{int(self._trials[-1]):,}"
        text_at(painter, QPointF(self.width() - 6, middle), last, Qt.AlignmentFlag.AlignRight)
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.drawLine(QPointF(_LEFT_PX, (4 + bottom) / 2),
                         QPointF(self.width() - 6, (4 + bottom) / 2))  # fmt: skip
        self._paint_points(painter, x, y)

    def _paint_points(self, painter: QPainter, x: np.ndarray, y: np.ndarray) -> None:
        colours = palette_of(self._theme)
        many = len(x) > 3000
        faint = QColor(colours.muted)
        faint.setAlpha(70 if many else 125)
        for marked, colour, size in (
            (False, faint, 2.0 if many else 2.6),
            (True, QColor(colours.accent), 7.0),
        ):
            pen = QPen(colour, size)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            chosen = self._marked == marked
            painter.drawPoints(
                [QPointF(a, b) for a, b in zip(x[chosen].tolist(), y[chosen].tolist(), strict=True)]
            )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if len(self._psc) == 0:
            return
        x, y, _ = self._places()
        distance = np.hypot(x - event.position().x(), y - event.position().y())
        nearest = int(distance.argmin())
        if distance[nearest] <= _NEAR_PX:
            self.trialClicked.emit(int(self._trials[nearest]))


class VoxelPanel(QFrame):
    """The card of the voxel under the cursor."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._heading = Heading("Voxel")
        self._facts = ElidedLabel()
        self.scatter = BetaScatter()
        self._best = [Picture(f"Best picture {k + 1}") for k in range(_N_BEST)]
        self._best_ids: list[int] = []
        self._view: View | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 8)
        column.setSpacing(4)
        column.addWidget(self._heading)
        column.addWidget(self._facts)
        column.addWidget(self.scatter, 1)
        column.addWidget(small("pictures with the largest responses"))
        row = QHBoxLayout()
        row.setSpacing(5)
        for k, picture in enumerate(self._best):
            picture.setMaximumSize(QSize(84, 84))
            picture.setCursor(Qt.CursorShape.PointingHandCursor)
            picture.clicked.connect(lambda k=k: self._choose_picture(k))
            row.addWidget(picture, 100)
        row.addStretch(1)
        column.addLayout(row)
        self.scatter.trialClicked.connect(lambda t: self.wanted.emit({"trials": (t,)}))
        self.setMinimumWidth(230)

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        card = after.card
        if card is None:
            return
        if differs(before, after, "card"):
            i, j, k = card.ijk
            names = f" · {', '.join(card.rois[:3])}" if card.rois else ""
            self._heading.setText(f"Voxel {i}, {j}, {k}{names}")
            self._facts.setText(_facts(card))
        if differs(before, after, "card_pictures"):
            self._best_ids = [nsd_id for nsd_id, _ in after.card_pictures]
            pictures = [rgb for _, rgb in after.card_pictures]
            for k, picture in enumerate(self._best):
                picture.set_rgb(pictures[k] if k < len(pictures) else None)
        if differs(before, after, "card") or state_differs(before, after, "trials", "theme"):
            self.scatter.show_responses(card.trials, card.psc, _marked(after), after.state.theme)

    def _choose_picture(self, k: int) -> None:
        if self._view is None or k >= len(self._best_ids):
            return
        table = self._view.workspace.table
        shown = (table.column("nsd_id") == self._best_ids[k]) & table.column("has_betas").astype(
            bool
        )
        self.wanted.emit({"trials": (int(np.flatnonzero(shown)[0]),)})


def _facts(card: object) -> str:
    def said(value: float, text: str) -> str:
        return text if np.isfinite(value) else "–"

    ceiling, r = card.noise_ceiling, card.test_r  # type: ignore[attr-defined]
    return (
        f"noise ceiling {said(ceiling, f'{100 * ceiling:.0f} %')} · encoder r "
        f"{said(r, f'{r:.2f}')} on held-out pictures"
    )


def _marked(view: View) -> np.ndarray:
    """Return which of the card's trials showed the selected picture."""
    card = view.card
    if card is None or not view.state.trials:
        return np.zeros(0 if card is None else len(card.trials), bool)
    nsd_ids = view.workspace.table.column("nsd_id")
    return np.asarray(nsd_ids[card.trials] == nsd_ids[view.state.trials[0]])
