"""What a window keeps of its figure: the page, and the composer once it was opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from nsdviewer.state import Page

if TYPE_CHECKING:
    from app.composer.window import ComposerWindow
    from app.view import View
    from app.window import MainWindow


class FigureComposer(QObject):
    """The page of a window; it outlives the composer's window.

    Attributes
    ----------
    pageChanged
        Another page, or the same one changed.
    window
        The composer's window; None before it was opened.
    """

    pageChanged = Signal()

    def __init__(self, main: MainWindow) -> None:
        super().__init__(main)
        self._main = main
        self._page: Page | None = None
        self.window: ComposerWindow | None = None
        main.controller.viewChanged.connect(self._hear)

    @property
    def page(self) -> Page | None:
        """What is composed; None where nothing was."""
        return self.window.editor.page if self.window is not None else self._page

    @page.setter
    def page(self, page: Page | None) -> None:
        self._page = page
        if self.window is not None and page is not None:
            self.window.show_page(page)
        elif self.window is not None:
            self.close()
            self.window.deleteLater()
            self.window = None
        self.pageChanged.emit()

    @property
    def busy(self) -> bool:
        """Whether the composer has something drawn."""
        return self.window is not None and self.window.busy

    def open(self) -> None:
        """Show the composer, with a good page of the present view where there is none."""
        view = self._main.controller.view
        if self._page is None and self.window is None:
            if view is None:
                return
            from nsdviewer.session.page_presets import first_page, on_paper

            self._page = on_paper(first_page(view.state))
        self._show()

    def open_file(self, path: Path) -> None:
        """Show the composer with the page of a file; a message there says what is wrong with it."""
        if self._main.controller.view is None and self.page is None:
            self._main.show_error("Open a subject first; a page is composed over a view.", "")
            return
        self.open()
        if self.window is not None:
            self.window.files.open(path)

    def close(self) -> None:
        """Close for good: the window goes, and what is drawn is given up."""
        if self.window is not None:
            self._page = self.window.editor.page
            self.window.previews.close()
            self.window.hide()

    def _show(self) -> None:
        if self.window is None:
            page = self._page
            assert page is not None
            from app.composer.window import ComposerWindow

            self.window = ComposerWindow(self._main, page)
            self.window.editor.changed.connect(self._tell)
        self.window.show()
        if self.window.isMinimized():
            self.window.showNormal()
        self.window.raise_()
        self.window.activateWindow()
        self.pageChanged.emit()

    def _tell(self, before: object, after: object) -> None:
        self.pageChanged.emit()

    def _hear(self, before: View | None, after: View) -> None:
        if self.window is not None:
            self.window.show_view(before, after)
