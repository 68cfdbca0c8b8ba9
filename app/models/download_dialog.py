"""What is asked before anything is fetched: size, licence, source, place and room."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.models.listing import size_said
from app.plain_text import Label, plain
from app.style import palette_of
from app.widgets import small
from app.wrapped_text import WrappedText
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.models.catalogue import CatalogueEntry

_WIDTH_PX = 560


class DownloadDialog(QDialog):
    """Nothing is fetched before `accepted`, and none of it is sent anywhere.

    `sizeWanted` asks for the size, which only the server knows; see `show_size`.
    """

    sizeWanted = Signal()

    def __init__(self, parent: QWidget, entry: CatalogueEntry, theme: Theme) -> None:
        super().__init__(parent)
        self.setWindowTitle("Download")
        self.entry = entry
        self._link_colour = palette_of(theme).accent
        self.folder: Path | None = None
        title = Label(entry.title)
        title.setObjectName("score")
        said = size_said(entry.remote.n_bytes) or "not stated; the server knows"
        self._size = WrappedText(said, "size")
        self.ask = _button("Ask the server", "Ask for the size; nothing is fetched")
        self.ask.setVisible(entry.remote.n_bytes is None)
        self._place = WrappedText(name="to")
        self.change = _button("Change…", "Choose another folder")
        self.agree = QCheckBox(f"I agree to the licence: {entry.licence}")
        self.agree.setAccessibleName(f"I agree to the licence {entry.licence}")
        self.start = _button("Download", "Start a job that downloads it; it can be stopped")
        self.start.setObjectName("primary")
        self.start.setEnabled(False)
        self.cancel = _button("Cancel", "Fetch nothing")
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 18, 22, 18)
        column.setSpacing(12)
        column.addWidget(title)
        purpose = small(entry.purpose)
        purpose.setWordWrap(True)
        column.addWidget(purpose)
        column.addLayout(self._facts())
        column.addWidget(self.agree)
        column.addLayout(_row(None, self.cancel, self.start))
        self.setFixedWidth(min(_WIDTH_PX, self.screen().availableSize().width()))
        self.agree.toggled.connect(self.start.setEnabled)
        self.ask.clicked.connect(self._ask)
        self.change.clicked.connect(self._change)
        self.start.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)
        self._show_place()

    def _facts(self) -> QFormLayout:
        entry = self.entry
        licence = Label()
        licence.setTextFormat(Qt.TextFormat.RichText)
        address = escape(entry.licence_address)
        licence.setText(f'<a href="{address}" style="color: {self._link_colour}">{address}</a>')
        licence.setOpenExternalLinks(True)
        licence.setWordWrap(True)
        licence.setAccessibleName(f"Licence {entry.licence}: {entry.licence_address}")
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.addRow(small("size"), _row(self._size, None, self.ask))
        form.addRow(small("licence"), licence)
        form.addRow(small("from"), WrappedText(entry.remote.address, "from"))
        form.addRow(
            small("SHA-256"),
            WrappedText(entry.remote.sha256 or "not published: not checked", "SHA-256"),
        )
        form.addRow(small("to"), _row(self._place, self.change))
        return form

    def words(self) -> tuple[str, ...]:
        """Return the command that downloads it."""
        place = ("--to", str(self.folder)) if self.folder is not None else ()
        return ("download", self.entry.name, *place)

    def show_size(self, text: str) -> None:
        """Show what the server said, or why it said nothing."""
        self._size.say(text)
        self.ask.setEnabled(True)
        self.adjustSize()

    def _ask(self) -> None:
        self.ask.setEnabled(False)
        self._size.say("asking…")
        self.sizeWanted.emit()

    def _change(self) -> None:
        folder = questions.ask_folder(self, "Download into a folder")
        if folder is not None:
            self.folder = folder
            self._show_place()

    def _show_place(self) -> None:
        place = self.entry.place(self.folder)
        nearest = next((f for f in place.parents if f.is_dir()), Path("/"))
        try:
            room = f"{size_said(shutil.disk_usage(nearest).free)} free there"
        except OSError:
            room = "room unknown"
        self._place.say(f"{place}\n{room}")


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(plain(tip))
    button.setAccessibleName(text.removesuffix(" …"))
    button.setAutoDefault(False)
    return button


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(10)
    for widget in widgets:
        if widget is None:
            row.addStretch()
        else:
            row.addWidget(widget, 1 if isinstance(widget, WrappedText) else 0)
    return row
