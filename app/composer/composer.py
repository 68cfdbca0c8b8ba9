"""What a window keeps of its figure: the page, and the composer once it was opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.documents import Part
from nsdviewer.errors import NsdViewerError
from nsdviewer.state import Page

if TYPE_CHECKING:
    from app.composer.window import ComposerWindow
    from app.documents.autosave import Autosave
    from app.documents.documents import Documents
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
        # Came with a session, and the person has not seen which files it opens.
        self._is_unseen = False
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
        if self._is_unseen and self._page is not None and not self._agrees(self._page):
            return
        self._is_unseen = False
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

    # --- with a session ----------------------------------------------------------------------

    def travel_with(self, documents: Documents, autosave: Autosave) -> None:
        """Have the page kept with the window's sessions."""
        documents.parts["page"] = Part(self.page_values, self.take_values)
        self.pageChanged.connect(autosave.note)

    def page_values(self) -> dict[str, Any] | None:
        """Return the page as JSON values, for a session to keep; None where there is none."""
        page = self.page
        return page.to_dict() if page is not None else None

    def take_values(self, values: dict[str, Any] | None) -> None:
        """Take what a session kept; what cannot be read is said, and the window goes on.

        Where it kept none, the page that is here stays: it has a state of its own, and says so.
        """
        if values is None:
            return
        try:
            page = Page.from_dict(values)
        except NsdViewerError as error:
            self._main.show_error(str(error), "")
            return
        is_shown = self.window is not None and self.window.isVisible()
        if is_shown and not self._agrees(page):
            return
        self._is_unseen = not is_shown
        self.page = page

    def _agrees(self, page: Page) -> bool:
        """Ask where a page opens files that the window has not opened."""
        from app.composer.page_files import agrees_to, strange_paths

        view = self._main.controller.view
        try:
            strange = strange_paths(page, view.state if view is not None else None)
        except NsdViewerError as error:
            self._main.show_error(str(error), "")
            return False
        return agrees_to(self._main, "The figure of this session", strange)

    # --- the end -----------------------------------------------------------------------------

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
