"""Panels that share one place, one of them in sight."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)


class Tabs(QFrame):
    """A row of chips over the panel that is in sight."""

    turned = Signal(int)

    def __init__(self, *pages: tuple[str, QWidget]) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.pages = QStackedWidget()
        self._group = QButtonGroup(self)
        self.row = row = QHBoxLayout()
        row.setContentsMargins(12, 6, 12, 0)
        row.setSpacing(4)
        self.chips: list[QToolButton] = []
        for k, (title, page) in enumerate(pages):
            chip = QToolButton(text=title, checkable=True)
            chip.setObjectName("chip")
            chip.setAccessibleName(f"Show {title}")
            self._group.addButton(chip, k)
            row.addWidget(chip)
            self.pages.addWidget(page)
            self.chips.append(chip)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self.pages, 1)
        self._group.idClicked.connect(self.turn_to)
        self.turn_to(0)

    def turn_to(self, k: int) -> None:
        """Bring the k-th panel into sight."""
        self.chips[k].setChecked(True)
        self.pages.setCurrentIndex(k)
        self.turned.emit(k)
