"""The palette: type a few letters, press Enter. For commands, and for long lists of choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.matching import fit_of
from app.plain_text import plain
from app.widgets import ElidedLabel

_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
_SIZE = QSize(600, 430)
_ROW_PX, _EDGE_PX, _MARK_PX, _GAP_PX = 30, 10, 20, 14
_SMALL_PX = 11
# A recent command comes before another that fits as well.
_RECENT = 0.4


@dataclass(frozen=True)
class Entry:
    """One line of the palette.

    Attributes
    ----------
    name
        By which it is remembered as recent.
    group
        Where else it is found: its menu.
    keys
        Its shortcut as people read it.
    why_not
        Why it cannot be chosen, "" where it can.
    checked
        Whether it is chosen; None for what is no choice.
    """

    name: str
    text: str
    run: Callable[[], object]
    group: str = ""
    keys: str = ""
    why_not: str = ""
    checked: bool | None = None

    def said(self) -> str:
        """Return everything about it in words."""
        state = {True: "chosen", False: "", None: ""}[self.checked]
        why = f"unavailable: {self.why_not}" if self.why_not else ""
        return ", ".join(part for part in (self.text, state, self.group, self.keys, why) if part)


class Palette(QDialog):
    """A field over a list of entries, which lies over the window until one is chosen."""

    def __init__(
        self, parent: QWidget, title: str, entries: Sequence[Entry], recent: Sequence[str] = ()
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._entries, self._recent = tuple(entries), tuple(recent)
        self.field = QLineEdit()
        self.field.setPlaceholderText(f"{title.lower()}: type a few letters")
        self.field.setAccessibleName(title)
        self.list = QListWidget()
        self.list.setAccessibleName(f"{title}: what fits")
        self.list.setItemDelegate(_Lines(self.list))
        self.list.setUniformItemSizes(True)
        # The field keeps the keyboard; the arrows move in the list all the same.
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.note = ElidedLabel(lines=2)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 8)
        column.setSpacing(8)
        column.addWidget(self.field)
        column.addWidget(self.list, 1)
        column.addWidget(self.note)
        self.field.textChanged.connect(self.filter)
        self.field.returnPressed.connect(self._run)
        self.list.itemClicked.connect(lambda _: self._run())
        self.list.currentItemChanged.connect(lambda *_: self._say())
        self.field.installEventFilter(self)
        self._place(parent)
        self.filter("")
        self.field.setFocus()

    def _place(self, parent: QWidget) -> None:
        room = parent.window().rect()
        width, height = (
            min(_SIZE.width(), room.width() - 20),
            min(_SIZE.height(), room.height() - 20),
        )
        corner = parent.window().mapToGlobal(room.topLeft())
        down = min(90, max((room.height() - height) // 2, 0))
        self.setGeometry(corner.x() + (room.width() - width) // 2, corner.y() + down, width, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The arrows move in the list while the letters go to the field.
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        if pressed and event.key() in _MOVES:
            self.list.keyPressEvent(event)
            return True
        return super().eventFilter(watched, event)

    def filter(self, typed: str) -> None:
        """Show what fits, the best and the most recent first."""
        ranks = {name: len(self._recent) - k for k, name in enumerate(self._recent)}
        found = []
        for k, entry in enumerate(self._entries):
            fit = fit_of(typed, entry.text, entry.group)
            if fit:
                rank = ranks.get(entry.name, 0)
                bonus = (rank if not typed.strip() else _RECENT) if rank else 0
                # What can be done comes before what cannot.
                found.append((-(fit + bonus - 0.5 * bool(entry.why_not)), k, entry))
        self.list.clear()
        for _, _, entry in sorted(found, key=lambda each: each[:2]):
            item = QListWidgetItem(entry.text)
            item.setData(Qt.ItemDataRole.UserRole, entry)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, entry.said())
            item.setToolTip(plain(entry.why_not))
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self._say()

    def current(self) -> Entry | None:
        """Return the entry that Enter would choose."""
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _say(self) -> None:
        entry = self.current()
        if entry is None:
            self.note.setText("Nothing fits; use fewer letters.")
        else:
            self.note.setText(entry.why_not or "Enter chooses, Esc leaves")
        self.note.setAccessibleName(entry.said() if entry is not None else self.note.full_text())

    def _run(self) -> None:
        entry = self.current()
        if entry is None or entry.why_not:
            return
        self.close()
        entry.run()


class _Lines(QStyledItemDelegate):
    """Draws an entry: mark and text at the left, its menu in small type, its keys at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:
        return QSize(200, _ROW_PX)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        entry: Entry = index.data(Qt.ItemDataRole.UserRole)
        widget = option.widget  # type: ignore[attr-defined]
        style = widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)
        palette: QPalette = widget.palette()
        strong = palette.color(QPalette.ColorRole.Text)
        muted = palette.color(QPalette.ColorRole.PlaceholderText)
        box: QRect = option.rect.adjusted(_EDGE_PX, 0, -_EDGE_PX, 0)  # type: ignore[attr-defined]
        if entry.checked is not None:
            self._text(painter, box, "●" if entry.checked else "○", muted, _SMALL_PX)
            box.setLeft(box.left() + _MARK_PX)
        keys_px = self._text(painter, box, entry.keys, muted, _SMALL_PX, at_right=True)
        box.setRight(box.right() - keys_px - (_GAP_PX if keys_px else 0))
        text_px = self._text(painter, box, entry.text, muted if entry.why_not else strong)
        box.setLeft(box.left() + text_px + _GAP_PX)
        beside = entry.group + (
            f"{' · ' if entry.group else ''}{entry.why_not}" if entry.why_not else ""
        )
        self._text(painter, box, beside, muted, _SMALL_PX)

    @staticmethod
    def _text(
        painter: QPainter,
        box: QRect,
        text: str,
        colour: QColor,
        px: int = 0,
        at_right: bool = False,
    ) -> int:
        """Draw a line of text in a box; returns its width in pixels."""
        if not text or box.width() < 8:
            return 0
        font = QFont(painter.font())
        before = QFont(font)
        if px:
            font.setPixelSize(px)
        painter.setFont(font)
        painter.setPen(colour)
        metrics = painter.fontMetrics()
        short = metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        side = Qt.AlignmentFlag.AlignRight if at_right else Qt.AlignmentFlag.AlignLeft
        painter.drawText(box, int(side | Qt.AlignmentFlag.AlignVCenter), short)
        painter.setFont(before)
        return metrics.horizontalAdvance(short)
