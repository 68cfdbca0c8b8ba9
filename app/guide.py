"""The guide in a window of its own: pages at the left, text and pictures at the right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import (
    QDesktopServices,
    QImage,
    QResizeEvent,
    QShowEvent,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QTextBrowser,
    QVBoxLayout,
)

from app.plain_text import plain
from app.style import palette_of
from app.widgets import resize_on_screen
from nsdviewer.resources import resource_path
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from app.window import MainWindow

_FIRST = "index.md"
_MARGIN_PX = 60
_PAGES_PX = 270
_SIZE_PX, _NARROW_PX = (1080, 780), 800
# What Qt knows of CSS; colours and letters are the window's.
_SHEET = """
h1 { font-size: 22px; font-weight: 600; margin: 12px 0 10px 0; }
h2 { font-size: 16px; font-weight: 600; margin: 26px 0 6px 0; }
p, li { line-height: 145%; margin: 8px 0; }
pre { margin: 10px 0 10px 14px; }
td, th { padding: 3px 26px 3px 0; }
a { text-decoration: none; }
"""


class GuidePage(QTextBrowser):
    """One page; pictures are as wide as the page, at most their own size.

    Parameters
    ----------
    theme_of
        Returns the theme that the page is to wear.
    """

    def __init__(self, theme_of: Callable[[], Theme]) -> None:
        super().__init__()
        self._theme_of = theme_of
        self.setAccessibleName("Page of the guide")
        self.setOpenLinks(False)
        self._file = Path()
        # Those of the page that is shown, as wide as it is.
        self._pictures: dict[tuple[str, int], QImage] = {}
        self._is_outdated = False

    def show_file(self, file: Path) -> None:
        """Show a Markdown file; pictures are read relative to it."""
        if file != self._file:
            self._pictures.clear()
        self._file, self._is_outdated = file, False
        # A table is no part of plain CommonMark, and the list of commands is one.
        reader = MarkdownIt("commonmark").enable("table")
        # Qt would take the colour of links from the application; the theme is the window's.
        link = palette_of(self._theme_of()).accent
        self.document().setDefaultStyleSheet(f"{_SHEET} a {{ color: {link}; }}")
        text = reader.render(file.read_text(encoding="utf-8"))
        # The spacing of lines is a share of their height, and a picture's line is as high as it.
        self.setHtml(text.replace("<p><img", '<p style="line-height: 100%"><img'))

    def loadResource(self, kind: int, name: QUrl) -> Any:
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return super().loadResource(kind, name)
        ratio = self.devicePixelRatioF()
        room = round(ratio * max(self.viewport().width() - _MARGIN_PX, 100))
        key = (name.toString(), room)
        if key not in self._pictures:
            # Of another width nothing is shown any more.
            self._pictures = {k: kept for k, kept in self._pictures.items() if k[1] == room}
            picture = QImage(str((self._file.parent / name.toString()).resolve()))
            if picture.width() > room:
                picture = picture.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation)
            picture.setDevicePixelRatio(ratio)
            self._pictures[key] = picture
        return self._pictures[key]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._show_again()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show_again()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._is_outdated:
            self._show_again()

    def _show_again(self) -> None:
        """Show the page as it fits now, at the same place; of one out of sight, once it is seen."""
        if not self._file.name:
            return
        if not self.isVisible():
            self._is_outdated = True
            return
        bar = self.verticalScrollBar()
        place = bar.value() / max(bar.maximum(), 1)
        self.show_file(self._file)
        bar.setValue(round(place * bar.maximum()))


class GuideDialog(QDialog):
    """The guide; links between its pages stay in it, others go to the browser."""

    def __init__(self, window: MainWindow | None = None) -> None:
        super().__init__(window)
        self.setWindowTitle("nsdviewer guide")
        self._folder = resource_path("guide")
        self.pages = QListWidget()
        self.pages.setAccessibleName("Pages of the guide")
        self.pages.setFixedWidth(_PAGES_PX)
        self.pages.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.search = QLineEdit()
        self.search.setPlaceholderText("find in the guide")
        self.search.setAccessibleName("Find in the guide")
        self.search.setClearButtonEnabled(True)
        self.page = GuidePage(lambda: window.theme if window is not None else Theme.DARK)
        for file in self._files():
            item = QListWidgetItem(title_of(file))
            item.setToolTip(plain(item.text()))
            item.setData(Qt.ItemDataRole.UserRole, file)
            self.pages.addItem(item)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(self.search)
        left.addWidget(self.pages, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 14, 14, 14)
        row.setSpacing(12)
        row.addLayout(left)
        row.addWidget(self.page, 1)
        self.pages.currentItemChanged.connect(self._show_item)
        self.page.anchorClicked.connect(self._follow)
        self.search.textChanged.connect(lambda _: self._filter())
        self.search.returnPressed.connect(self._find_next)
        resize_on_screen(self, *_SIZE_PX)
        if self.width() < _NARROW_PX:
            self.pages.setFixedWidth(self.width() // 3)
        self.pages.setCurrentRow(0)

    def open_page(self, name: str) -> None:
        """Show a page by its file's name; the first one where there is none of that name."""
        rows = [k for k in range(self.pages.count()) if self._file_of(k).name == name]
        self.pages.setCurrentRow(rows[0] if rows else 0)

    def _files(self) -> list[Path]:
        """Return the pages in the order in which the first one names them."""
        first = self._folder / _FIRST
        text = first.read_text(encoding="utf-8")
        others = [f for f in self._folder.glob("*.md") if f != first and f"({f.name})" in text]
        return [first, *sorted(others, key=lambda f: text.index(f"({f.name})"))]

    def _file_of(self, row: int) -> Path:
        file: Path = self.pages.item(row).data(Qt.ItemDataRole.UserRole)
        return file

    def _show_item(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.page.show_file(item.data(Qt.ItemDataRole.UserRole))
            self._mark()

    def _follow(self, link: QUrl) -> None:
        if link.isRelative():
            self.open_page(link.path())
        else:
            QDesktopServices.openUrl(link)

    def _filter(self) -> None:
        """Leave the pages in the list that hold what is searched for."""
        words = _plain(self.search.text())
        first = -1
        for k in range(self.pages.count()):
            found = not words or words in _plain(self._file_of(k).read_text(encoding="utf-8"))
            self.pages.item(k).setHidden(not found)
            first = k if found and first < 0 else first
        current = self.pages.currentItem()
        if first >= 0 and (current is None or current.isHidden()):
            self.pages.setCurrentRow(first)
        self._mark()

    def _mark(self) -> None:
        """Go to the first place on the page that holds what is searched for."""
        cursor = self.page.textCursor()
        cursor.setPosition(0)
        self.page.setTextCursor(cursor)
        if self.search.text().strip():
            self.page.find(self.search.text().strip())

    def _find_next(self) -> None:
        if self.search.text().strip() and not self.page.find(self.search.text().strip()):
            self._mark()


def _plain(text: str) -> str:
    """Return a text without the ends of its lines, which are no part of its sentences."""
    return " ".join(text.lower().split())


def title_of(file: Path) -> str:
    """Return the first heading of a Markdown file."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()
