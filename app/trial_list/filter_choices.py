"""Choices of a filter that several may be made of: small numbered buttons, a list to tick."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import plain
from app.trial_list.facets import Category
from app.widgets import ElidedLabel

_LIST_PX = 132
_IN_A_ROW = 12


class NumberToggles(QWidget):
    """A small button a number, any of which may be down."""

    chosen = Signal(object)

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._buttons: dict[int, QToolButton] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._grid.setColumnStretch(_IN_A_ROW, 1)

    def offer(self, there: tuple[int, ...], lacking: tuple[int, ...] = ()) -> None:
        """Show these numbers, `lacking` ones greyed."""
        for button in self._buttons.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        self._buttons = {}
        for at, number in enumerate(sorted({*there, *lacking})):
            button = QToolButton(text=str(number), checkable=True)
            button.setObjectName("number")
            button.setFixedWidth(22)
            button.setAccessibleName(f"{self._what} {number}")
            if number in lacking:
                button.setEnabled(False)
                button.setToolTip(
                    plain(f"The betas of {self._what} {number} are not on this disk.")
                )
            button.clicked.connect(lambda: self.chosen.emit(self.numbers()))
            self._grid.addWidget(button, at // _IN_A_ROW, at % _IN_A_ROW)
            self._buttons[number] = button

    def known(self) -> tuple[int, ...]:
        return tuple(self._buttons)

    def numbers(self) -> tuple[int, ...]:
        return tuple(n for n, button in self._buttons.items() if button.isChecked())

    def set_numbers(self, numbers: Iterable[int]) -> None:
        """Show which are chosen, without a signal."""
        chosen = set(numbers)
        for number, button in self._buttons.items():
            button.setChecked(number in chosen)


class CategoryList(QWidget):
    """Categories to tick, and a field that finds one."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.field = QLineEdit()
        self.field.setPlaceholderText("find a category")
        self.field.setAccessibleName("Find a category")
        self.field.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName("categories")
        self.list.setAccessibleName("Categories")
        self.list.setUniformItemSizes(True)
        self.list.setFixedHeight(_LIST_PX)
        self.why_not = ElidedLabel(lines=3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.field, self.list, self.why_not):
            column.addWidget(widget)
        self.field.textChanged.connect(self._find)
        self.list.itemChanged.connect(lambda _: self.chosen.emit(self.names()))

    def offer(self, categories: tuple[Category, ...], why_not: str) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        for category in categories:
            item = QListWidgetItem(f"{category.name}  ·  {category.n_trials:,}", self.list)
            item.setData(Qt.ItemDataRole.UserRole, category.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked)
            if category.is_wide:
                font = item.font()
                font.setBold(True)
                item.setFont(font)
        self.list.blockSignals(False)
        self.field.setVisible(bool(categories))
        self.list.setVisible(bool(categories))
        self.why_not.setText(why_not or "Looking up what the pictures show…")
        self.why_not.setVisible(not categories)

    def names(self) -> tuple[str, ...]:
        ticked = (i for i in self._items() if i.checkState() is Qt.CheckState.Checked)
        return tuple(item.data(Qt.ItemDataRole.UserRole) for item in ticked)

    def set_names(self, names: Iterable[str]) -> None:
        """Show which are chosen, without a signal."""
        chosen = {name.casefold() for name in names}
        self.list.blockSignals(True)
        for item in self._items():
            is_chosen = item.data(Qt.ItemDataRole.UserRole) in chosen
            item.setCheckState(Qt.CheckState.Checked if is_chosen else Qt.CheckState.Unchecked)
        self.list.blockSignals(False)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(k) for k in range(self.list.count())]

    def _find(self, text: str) -> None:
        for item in self._items():
            name = item.data(Qt.ItemDataRole.UserRole)
            item.setHidden(text.strip().casefold() not in name)
