"""Dialogs that only show: shortcuts, and where a view comes from."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.matching import fit_of
from app.plain_text import Label
from app.widgets import heading

Groups = dict[str, list[tuple[str, str]]]
_ROOM_PX, _MOST_HEIGHT_PX = 80, 720
_BAR_PX = 24
# Width of the left column, in letters and pixels.
_MOST_LEFT, _LEFT_PX = 48, 340


class TableDialog(QDialog):
    """Two columns of text under headings, which scroll where there is no room."""

    def __init__(self, parent: QWidget, title: str, groups: Groups) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._groups = groups
        self.area = QScrollArea()
        self.area.setAccessibleName(title)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Reached by Tab, it scrolls with the arrows.
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.area.viewport().setAutoFillBackground(False)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(20, 16, 12, 16)
        self.column.setSpacing(10)
        self.column.addWidget(self.area)
        self.fill("")
        self._fit(parent)

    def fill(self, typed: str) -> None:
        """Show the lines that a few typed letters fit; all for none."""
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setContentsMargins(4, 2, 12, 2)
        grid.setHorizontalSpacing(28)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        row = 0
        for name, lines in self._groups.items():
            fitting = [line for line in lines if fit_of(typed, " ".join(line), name)]
            if not fitting:
                continue
            grid.addWidget(heading(name), row, 0, 1, 2)
            for k, line in enumerate(fitting, row + 1):
                self._add_line(grid, k, *line)
            row += len(fitting) + 2
            grid.setRowMinimumHeight(row - 1, 8)
        if not row:
            grid.addWidget(Label("Nothing fits; use fewer letters."), 0, 0)
        grid.setRowStretch(row + 1, 1)
        self.area.setWidget(inside)
        # The area makes it opaque, in a colour that is not the theme's.
        inside.setAutoFillBackground(False)

    @staticmethod
    def _add_line(grid: QGridLayout, row: int, left: str, right: str) -> None:
        first, second = Label(left), Label(right)
        second.setObjectName("small")
        second.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        second.setWordWrap(len(right) > 60)
        second.setMaximumWidth(560)
        # One long line would move the right column away from all others.
        first.setWordWrap(len(left) > _MOST_LEFT)
        first.setMaximumWidth(_LEFT_PX)
        grid.addWidget(first, row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(second, row, 1)

    def _fit(self, parent: QWidget) -> None:
        room = parent.window().screen().availableGeometry()
        wanted = self.area.widget().sizeHint()
        around = self.column.sizeHint().height() - self.area.sizeHint().height()
        height = min(wanted.height() + around + _BAR_PX, _MOST_HEIGHT_PX, room.height() - _ROOM_PX)
        width = min(wanted.width() + 60, room.width() - _ROOM_PX)
        self.resize(width, height)


class ShortcutsDialog(TableDialog):
    """All keys, with a field that searches them."""

    def __init__(self, parent: QWidget, groups: Groups) -> None:
        super().__init__(parent, "Shortcuts", groups)
        self.search = QLineEdit()
        self.search.setPlaceholderText("find a shortcut")
        self.search.setAccessibleName("Find a shortcut")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self.fill)
        self.column.insertWidget(0, self.search)
        self.search.setFocus()
