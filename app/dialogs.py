"""Command palette, shortcut help, and where a view comes from."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.widgets import heading

_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class CommandPalette(QDialog):
    """Type a few letters of a command, press Enter."""

    def __init__(self, parent: QWidget, actions: Sequence[QAction]) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setWindowTitle("Commands")
        self._actions = [a for a in actions if a.isEnabled()]
        self._field = QLineEdit()
        self._field.setPlaceholderText("type a command")
        self._field.setAccessibleName("Command")
        self._list = QListWidget()
        self._list.setAccessibleName("Commands")
        column = QVBoxLayout(self)
        column.addWidget(self._field)
        column.addWidget(self._list)
        self._field.textChanged.connect(self._filter)
        self._field.returnPressed.connect(self._run)
        self._list.itemActivated.connect(lambda _: self._run())
        self._field.installEventFilter(self)
        self.resize(460, 380)
        corner = parent.mapToGlobal(parent.rect().topLeft())
        self.move(corner.x() + (parent.width() - self.width()) // 2, corner.y() + 90)
        self._filter("")
        self._field.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The arrows move in the list while the letters go to the field.
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        if pressed and event.key() in _MOVES:
            self._list.keyPressEvent(event)
            return True
        return super().eventFilter(watched, event)

    def _filter(self, text: str) -> None:
        self._list.clear()
        words = text.lower().split()
        for action in self._actions:
            name = action.text().replace("&", "")
            if all(w in name.lower() for w in words):
                shortcut = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
                item = QListWidgetItem(f"{name}    {shortcut}".rstrip())
                item.setData(Qt.ItemDataRole.UserRole, action)
                self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self) -> None:
        item = self._list.currentItem()
        self.close()
        if item is not None:
            item.data(Qt.ItemDataRole.UserRole).trigger()


class TableDialog(QDialog):
    """Two columns of text under headings."""

    def __init__(
        self, parent: QWidget, title: str, groups: dict[str, list[tuple[str, str]]]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        grid = QGridLayout(self)
        grid.setContentsMargins(24, 20, 24, 22)
        grid.setHorizontalSpacing(28)
        grid.setVerticalSpacing(5)
        row = 0
        for name, lines in groups.items():
            grid.addWidget(heading(name), row, 0, 1, 2)
            row += 1
            for left, right in lines:
                first, second = QLabel(left), QLabel(right)
                second.setObjectName("small")
                second.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                grid.addWidget(first, row, 0)
                grid.addWidget(second, row, 1)
                row += 1
            grid.setRowMinimumHeight(row, 8)
            row += 1
