"""A list model of trials whose thumbnails are asked for when they are looked at."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.style import palette_of
from app.widgets import rgb_image
from nsdviewer.state import Theme

_MOST_KEPT = 3000
_BATCH = 48
Index = QModelIndex | QPersistentModelIndex


class ThumbnailModel(QAbstractListModel):
    """Trials in the list's order; pictures arrive later."""

    wanted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._trials: NDArray[np.int64] = np.zeros(0, np.int64)
        self._rows: dict[int, int] = {}
        self._nsd_ids = self._repetition = self._n_shown = self._trials
        self._labels: dict[int, tuple[str, str]] = {}
        self._pixmaps: OrderedDict[int, QPixmap] = OrderedDict()
        self._missing: dict[int, None] = {}
        self._under_way: set[int] = set()
        self._timer = QTimer(self, singleShot=True, interval=15)
        self._timer.timeout.connect(self._ask)

    @property
    def busy(self) -> bool:
        return self._timer.isActive() or bool(self._under_way)

    def set_table(self, table: Any, labels: dict[int, tuple[str, str]]) -> None:
        self._pixmaps.clear()
        self._missing.clear()
        self._under_way.clear()
        self._labels = labels
        self._nsd_ids = table.column("nsd_id")
        self._repetition = table.column("repetition")
        _, inverse, counts = np.unique(self._nsd_ids, return_inverse=True, return_counts=True)
        self._n_shown = counts[inverse]
        self.set_trials(np.zeros(0, np.int64))

    def set_trials(self, trials: NDArray[np.int64]) -> None:
        self.beginResetModel()
        self._trials = trials
        self._rows = {int(t): r for r, t in enumerate(trials)}
        self.endResetModel()

    def add_pictures(self, nsd_ids: NDArray[np.int64], pictures: NDArray[np.uint8] | None) -> None:
        if pictures is None:
            self._under_way.clear()
            return
        for nsd_id, picture in zip(nsd_ids.tolist(), pictures, strict=True):
            self._pixmaps[nsd_id] = QPixmap.fromImage(rgb_image(picture))
            self._under_way.discard(nsd_id)
        while len(self._pixmaps) > _MOST_KEPT:
            self._pixmaps.popitem(last=False)
        if len(self._trials):
            role = [int(Qt.ItemDataRole.DecorationRole)]
            self.dataChanged.emit(self.index(0), self.index(len(self._trials) - 1), role)
        if self._missing:
            self._timer.start()

    def row_of(self, trial: int) -> int | None:
        return self._rows.get(trial)

    def trial_at(self, row: int) -> int:
        return int(self._trials[row])

    def badge(self, row: int) -> str:
        trial = self._trials[row]
        return f"{self._repetition[trial]}/{self._n_shown[trial]}"

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._trials)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        trial = int(self._trials[index.row()])
        nsd_id = int(self._nsd_ids[trial])
        if role == Qt.ItemDataRole.DecorationRole:
            return self._picture(nsd_id)
        if role == Qt.ItemDataRole.UserRole:
            return self.badge(index.row())
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            label = " · ".join(self._labels.get(nsd_id, ()))
            return f"trial {trial:,} · picture {nsd_id}\nrepetition {self.badge(index.row())}" + (
                f"\n{label}" if label else ""
            )
        return None

    def _picture(self, nsd_id: int) -> QPixmap | None:
        found = self._pixmaps.get(nsd_id)
        if found is None and nsd_id not in self._under_way:
            # What was looked at last is asked for first.
            self._missing.pop(nsd_id, None)
            self._missing[nsd_id] = None
            self._timer.start()
        return found

    def _ask(self) -> None:
        if self._under_way or not self._missing:
            return
        chosen = list(self._missing)[-_BATCH:]
        self._missing.clear()
        self._under_way = set(chosen)
        self.wanted.emit(np.array(sorted(chosen), np.int64))


class ThumbnailDelegate(QStyledItemDelegate):
    """Paints a rounded thumbnail, its repetition, and the selection's frame."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._side = 76
        self._theme = Theme.DARK

    def set_side(self, side: int) -> None:
        self._side = side

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(self._side, self._side)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        colours = palette_of(self._theme)
        box = QRectF(option.rect.adjusted(3, 3, -3, -3))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(box, 4, 4)
        painter.fillPath(path, QColor(colours.raised))
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        if picture is not None:
            painter.setClipPath(path)
            painter.drawPixmap(box, picture, QRectF(picture.rect()))
            painter.setClipping(False)
        self._badge(painter, option.rect, str(index.data(Qt.ItemDataRole.UserRole)))
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(colours.accent), 2.5))
            painter.drawRoundedRect(box.adjusted(-1, -1, 1, 1), 5, 5)
        painter.restore()

    def _badge(self, painter: QPainter, cell: QRect, text: str) -> None:
        font = QFont(painter.font())
        font.setPixelSize(10)
        painter.setFont(font)
        width = painter.fontMetrics().horizontalAdvance(text) + 8
        box = QRectF(cell.right() - width - 5, cell.bottom() - 19, width, 14)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(16, 19, 24, 190))
        painter.drawRoundedRect(box, 3, 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor("#e8ecf1"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
