"""Text as it is: Qt takes what looks like markup for it, and opens the pictures that it names.

Names, paths and sentences may come from a file that somebody sent. They are shown letter by letter,
on buttons and in menus too, where an ampersand would underline a letter and give it a key.
"""

from __future__ import annotations

import html
import re

from PySide6.QtCore import Qt
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtWidgets import QLabel, QWidget


class Label(QLabel):
    """A label that shows its text letter by letter."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if text:
            self.setText(text)


def plain(text: str) -> str:
    """Return what a tooltip has to be given to show `text` letter by letter."""
    if not GuiQt.mightBeRichText(text):
        return text
    return f'<span style="white-space: pre-wrap">{html.escape(text)}</span>'


def caption(text: str) -> str:
    """Return what a button or a line of a menu has to be given to show `text` in one line.

    Behind a tabulator a menu would show a shortcut.
    """
    return re.sub(r"\s", " ", text).replace("&", "&&")
