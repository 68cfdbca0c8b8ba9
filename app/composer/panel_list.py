"""The page's panels as a list: what each shows, and a way to them without the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from app.composer.arranging import reading_order
from app.composer.words import describe_panel, name_of
from app.plain_text import plain

if TYPE_CHECKING:
    from app.composer.editor import Composed

_ROLE = Qt.ItemDataRole.UserRole


class PanelList(QListWidget):
    """Panels in reading order; selecting here selects on the page."""

    chosen = Signal(tuple)
    deleteWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panels")
        self.setAccessibleName("Panels of the page")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._is_showing = False
        self.itemSelectionChanged.connect(self._tell)

    def show_page(self, now: Composed) -> None:
        """Show a page's panels, and which are selected."""
        self._is_showing = True
        order = reading_order(now.page)
        while self.count() > len(order):
            self.takeItem(self.count() - 1)
        while self.count() < len(order):
            self.addItem(QListWidgetItem())
        for row, k in enumerate(order):
            item, panel = self.item(row), now.page.panels[k]
            words = describe_panel(now.page, panel)
            item.setText(f"{name_of(panel)}\n{words}")
            item.setToolTip(plain(words))
            item.setData(_ROLE, k)
            item.setSizeHint(QSize(0, 3 * self.fontMetrics().lineSpacing() + 12))
            item.setSelected(k in now.selection)
        if len(now.selection) == 1:
            self.setCurrentRow(
                order.index(now.selection[0]), QItemSelectionModel.SelectionFlag.NoUpdate
            )
        self._is_showing = False

    def _tell(self) -> None:
        if not self._is_showing:
            self.chosen.emit(tuple(item.data(_ROLE) for item in self.selectedItems()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleteWanted.emit()
        else:
            super().keyPressEvent(event)
