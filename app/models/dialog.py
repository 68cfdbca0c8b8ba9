"""The models manager: what there is, what is in use, and how to get the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.models.detail import ModelDetail
from app.models.listing import ModelList
from app.widgets import small
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsdviewer.session.model_entries import ModelEntry

_SIZE_PX, _SMALLEST_PX = (900, 600), (520, 380)
_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class ModelsDialog(QDialog):
    """Stays open beside the window; `asked` names what is to be done with the chosen model."""

    asked = Signal(str)
    opened = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.setMinimumSize(*_SMALLEST_PX)
        self._entries: tuple[ModelEntry, ...] = ()
        self._theme = Theme.DARK
        self._may_use = ""
        self.search = QLineEdit()
        self.search.setPlaceholderText("search: a name, a kind, an embedding, missing…")
        self.search.setAccessibleName("Search the models")
        self.search.setClearButtonEnabled(True)
        for button in self.search.findChildren(QToolButton):
            button.setAccessibleName("Clear the search")
        self.file = QPushButton("Choose a file…")
        self.file.setToolTip("Add a model file of yours: its header is read, nothing is executed")
        self.folder = QPushButton("Choose a folder…")
        self.folder.setToolTip("Add a diffusers pipeline, or the folder of a training")
        self.list, self.detail = ModelList(), ModelDetail()
        self.note = small("reading the headers…")
        self.note.setWordWrap(True)
        self._lay_out()
        self.search.textChanged.connect(lambda _: self._fill())
        self.search.installEventFilter(self)
        self.list.chosenChanged.connect(self._show_chosen)
        self.list.useWanted.connect(lambda: self._ask("use"))
        self.detail.asked.connect(self._ask)
        for name in ("file", "folder"):
            button = getattr(self, name)
            button.setAccessibleName(button.text().removesuffix(" …"))
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, n=name: self.asked.emit(f"choose-{n}"))
        available = self.screen().availableSize()
        self.resize(min(_SIZE_PX[0], available.width()), min(_SIZE_PX[1], available.height()))

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.search, 1)
        top.addWidget(self.file)
        top.addWidget(self.folder)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setObjectName("models")
        parts.addWidget(self.list)
        parts.addWidget(self.detail)
        parts.setStretchFactor(0, 5)
        parts.setStretchFactor(1, 4)
        parts.setSizes([490, 390])
        parts.setHandleWidth(10)
        parts.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 14, 14, 10)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(parts, 1)
        column.addWidget(self.note)

    # --- what it shows -----------------------------------------------------------------------

    def show_models(self, entries: Sequence[ModelEntry], theme: Theme, may_use: str) -> None:
        """Show the inventory; `may_use` says why none can be used at the moment."""
        self._entries, self._theme, self._may_use = tuple(entries), theme, may_use
        self._fill()

    def say(self, text: str) -> None:
        """Say something below the list."""
        self.note.setText(text)
        self.note.setAccessibleName(text)

    def chosen(self) -> ModelEntry | None:
        """Return the entry that buttons speak of."""
        return self.list.chosen()

    def _fill(self) -> None:
        found = [entry for entry in self._entries if entry.matches(self.search.text())]
        self.list.show_entries(found, self._theme)
        n_here = sum(entry.standing.name in ("IN_USE", "HERE") for entry in found)
        self.say(f"{n_here} of {len(found)} are here" if found else "nothing of that name")

    def _show_chosen(self) -> None:
        self.detail.show_entry(self.chosen(), self._may_use)

    # --- what a person does ------------------------------------------------------------------

    def _ask(self, what: str) -> None:
        if self.detail.buttons[what].isEnabled():
            self.asked.emit(what)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The arrows move in the list while the letters go to the field.
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        if pressed and event.key() in _MOVES:
            self.list.keyPressEvent(event)
            return True
        if pressed and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._ask("use")
            return True
        return super().eventFilter(watched, event)

    def come(self) -> None:
        """Come before the person's eyes, with the list as it is now."""
        self.opened.emit()
        self.show()
        self.raise_()
        self.activateWindow()
        self.search.setFocus()
        self.search.selectAll()
