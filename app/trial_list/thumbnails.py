"""Thumbnails that are asked for when they are looked at, and how one is painted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import (
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
from app.trial_list.thumbnail_reading import FoundThumbnails
from app.widgets import rgb_image
from nsdviewer.state import Theme

_MOST_KEPT = 3000
_BATCH = 48
_SLATE = QColor(16, 19, 24, 190)
Index = QModelIndex | QPersistentModelIndex

# What a model of trials says of each row besides its text.
BADGE_ROLE = int(Qt.ItemDataRole.UserRole)
PICTURE_ROLE = BADGE_ROLE + 1
LIKENESS_ROLE = BADGE_ROLE + 2
NAME_ROLE = BADGE_ROLE + 3


class ThumbnailCache(QObject):
    """The thumbnails that were looked at last; others are asked for, the newest first."""

    wanted = Signal(object)
    arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pixmaps: OrderedDict[int, QPixmap] = OrderedDict()
        self._missing: dict[int, None] = {}
        self._under_way: set[int] = set()
        self._absent: set[int] = set()
        self._timer = QTimer(self, singleShot=True, interval=15)
        self._timer.timeout.connect(self._ask)

    def __len__(self) -> int:
        return len(self._pixmaps)

    @property
    def busy(self) -> bool:
        return self._timer.isActive() or bool(self._under_way)

    def clear(self) -> None:
        self._pixmaps.clear()
        self._missing.clear()
        self._under_way.clear()
        self._absent.clear()

    def try_again(self) -> None:
        """Ask anew for what could not be read: a folder may be back."""
        self._absent.clear()

    def picture(self, nsd_id: int) -> QPixmap | None:
        """Return a thumbnail, None while it is asked for or where it cannot be read."""
        found = self._pixmaps.get(nsd_id)
        if found is not None:
            self._pixmaps.move_to_end(nsd_id)
        elif nsd_id >= 0 and nsd_id not in self._under_way and nsd_id not in self._absent:
            # What was looked at last is asked for first.
            self._missing.pop(nsd_id, None)
            self._missing[nsd_id] = None
            self._timer.start()
        return found

    def add(self, found: FoundThumbnails) -> None:
        asked = set(found.asked.tolist())
        self._under_way -= asked
        self._absent |= asked - set(found.pictures)
        for nsd_id, picture in found.pictures.items():
            self._pixmaps[nsd_id] = QPixmap.fromImage(rgb_image(picture))
        while len(self._pixmaps) > _MOST_KEPT:
            self._pixmaps.popitem(last=False)
        self.arrived.emit()
        if self._missing:
            self._timer.start()

    def _ask(self) -> None:
        if self._under_way or not self._missing:
            return
        chosen = list(self._missing)[-_BATCH:]
        self._missing.clear()
        self._under_way = set(chosen)
        self.wanted.emit(np.array(sorted(chosen), np.int64))


class ThumbnailDelegate(QStyledItemDelegate):
    """Paints a rounded thumbnail, its repetition, its likeness, and the selection's frame."""

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
        picture = index.data(PICTURE_ROLE)
        if picture is not None:
            painter.setClipPath(path)
            painter.drawPixmap(box, picture, QRectF(picture.rect()))
            painter.setClipping(False)
        else:
            self._name(painter, box, str(index.data(NAME_ROLE)))
        _badge(painter, option.rect, str(index.data(BADGE_ROLE)), Qt.AlignmentFlag.AlignRight)
        likeness = index.data(LIKENESS_ROLE)
        if likeness and option.state & QStyle.StateFlag.State_MouseOver:
            _badge(painter, option.rect, likeness, Qt.AlignmentFlag.AlignLeft)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(colours.accent), 2.5))
            painter.drawRoundedRect(box.adjusted(-1, -1, 1, 1), 5, 5)
        painter.restore()

    def _name(self, painter: QPainter, box: QRectF, text: str) -> None:
        painter.setFont(_small(painter.font()))
        painter.setPen(QColor(palette_of(self._theme).muted))
        flags = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(box.adjusted(5, 4, -3, -18), int(flags), text)


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPixelSize(10)
    return small


def _badge(painter: QPainter, cell: QRect, text: str, side: Qt.AlignmentFlag) -> None:
    """Write on a dark slate in a lower corner."""
    painter.setFont(_small(painter.font()))
    width = painter.fontMetrics().horizontalAdvance(text) + 8
    left = cell.right() - width - 5 if side == Qt.AlignmentFlag.AlignRight else cell.left() + 6
    box = QRectF(left, cell.bottom() - 19, width, 14)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_SLATE)
    painter.drawRoundedRect(box, 3, 3)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QColor("#e8ecf1"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def shown_names(shows: Mapping[int, str], nsd_id: int) -> str:
    """Return what stands in the place of a picture."""
    return f"{nsd_id}\n{shows.get(nsd_id, '')}" if nsd_id >= 0 else ""
