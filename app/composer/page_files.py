"""A page to files and back: opened, saved, exported, said as a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from app import questions
from app.tasks import Lane
from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import PartProgress, Ticket
from nsdviewer.state import DocumentKind, Page
from nsdviewer.state.documents import require_replaceable
from nsdviewer.state.named_paths import paths_of

if TYPE_CHECKING:
    from app.composer.window import ComposerWindow
    from nsdviewer.state import ViewState

KIND = "composed figure"
_PAGES = "Page of a figure (*.json)"
_FIGURES = "PDF page (*.pdf);;SVG drawing (*.svg);;PNG picture (*.png)"
_SUFFIXES = (".pdf", ".svg", ".png")


class PageFiles:
    """The files of one composer.

    Attributes
    ----------
    path
        Where the page was opened or saved last; None before.
    """

    def __init__(self, window: ComposerWindow) -> None:
        self._window = window
        self.path: Path | None = None
        self._saved: Page | None = None

    @property
    def is_saved(self) -> bool:
        """Whether the page stands in its file as it is."""
        return self.path is not None and self._saved == self._window.editor.page

    # --- opening -----------------------------------------------------------------------------

    def ask_open(self) -> None:
        settings = self._window.settings
        start = str(settings.place_for("") if self.path is None else self.path.parent)
        path = questions.ask_file(self._window, "Open a page", _PAGES, start)
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Show the page of a file; says what is wrong with one that is none.

        Nothing that it names is opened unless the window shows it already or the person agrees.
        """
        try:
            page = Page.load(path)
            strange = strange_paths(page, self._window.window_state())
        except NsdViewerError as error:
            self._window.say_error(str(error))
            return
        if not agrees_to(self._window, path.name, strange):
            return
        self.path, self._saved = path, page
        self._window.show_page(page)

    # --- saving ------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the page into its file; asks for one where it has none."""
        if self.path is None:
            self.save_as()
        else:
            self.save_to(self.path)

    def save_as(self) -> None:
        path = self._ask_where("Save the page", _PAGES, "page.json")
        if path is not None:
            self.save_to(path)

    def save_to(self, path: Path) -> bool:
        """Write the page as JSON; returns whether it could be."""
        page = self._window.editor.page
        try:
            page.save(path)
        except OSError as error:
            reason = error.strerror or error
            self._window.say_error(
                f"{path.name} cannot be written to {path.parent} ({reason}); choose another folder."
            )
            return False
        self.path, self._saved = path, page
        self._window.say(f"page saved: {path}")
        self._window.show_title()
        return True

    # --- figures -----------------------------------------------------------------------------

    def ask_export(self) -> None:
        usual = self.path.with_suffix(".pdf").name if self.path is not None else "figure.pdf"
        path = self._ask_where("Export the figure", _FIGURES, usual)
        if path is not None:
            self.export(path)

    def export(self, path: Path) -> None:
        """Write the page as a figure, by suffix, and the JSON that makes it again beside it."""
        window = self._window
        if path.suffix.lower() not in _SUFFIXES:
            window.say_error(
                f"A figure is written as {', '.join(_SUFFIXES)}; '{path.name}' is none of these."
            )
            return
        page, drawing = window.editor.page, window.drawing
        workspace_of = window.previews.workspaces.of

        def work(ticket: Ticket) -> Path:
            from app.export.exporting import write_elsewhere
            from nsdviewer.rendering.page import write_page
            from nsdviewer.rendering.view_kinds import sidecar_of
            from nsdviewer.session.page_export import drawing_of_page, finish_page

            require_replaceable(sidecar_of(path), DocumentKind.PAGE)
            drawing.warm()
            drawn = drawing_of_page(workspace_of, page, PartProgress(ticket, 0.0, 0.6))
            ticket.report(0.6, "drawing the page")
            rest = PartProgress(ticket, 0.6, 1.0)
            write_elsewhere(lambda p: drawing.run(write_page, drawn, p, progress=rest), path)
            return finish_page(drawn, path)[0]

        window.show_working(True)
        window.tasks.submit(
            Lane.FILES, KIND, work, lambda done: window.say(f"figure written: {done}"),
            window.say_failure, lambda: window.say("cancelled; nothing was written"),
        )  # fmt: skip

    def copy_command(self) -> None:
        """Copy the line for a shell that makes this figure; the page has to be in a file first."""
        if not self.is_saved:
            self.save()
        path = self.path
        if path is None or not self.is_saved:
            self._window.say("Save the page first; the command reads it from its file.")
            return
        try:
            line = command_of(path)
        except NsdViewerError as error:
            self._window.say_error(str(error))
            return
        QGuiApplication.clipboard().setText(line)
        self._window.say(f"copied: {line}")

    def _ask_where(self, title: str, kinds: str, name: str) -> Path | None:
        """Ask for a file to write: beside the page, or where something was written last."""
        if self.path is None:
            return questions.ask_place(self._window, title, kinds, name, self._window.settings)
        return questions.ask_new_file(self._window, title, kinds, str(self.path.with_name(name)))


def agrees_to(parent: QWidget, name: str, strange: tuple[str, ...]) -> bool:
    """Ask whether the paths that a page names may be opened; none is no question."""
    if not strange:
        return True
    box = QMessageBox(parent)
    box.setWindowTitle("Open a page")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"{name} opens files that this window has not opened. Open them?")
    shown = "\n".join(path[:200] for path in strange[:12])
    more = f"\n… and {len(strange) - 12} more" if len(strange) > 12 else ""
    box.setInformativeText(shown + more)
    box.setStandardButtons(QMessageBox.StandardButton.Open | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    answer = box.exec()
    box.deleteLater()
    return answer == QMessageBox.StandardButton.Open


def command_of(path: Path) -> str:
    """Return the line for a shell that draws the page of a file as a PDF beside it.

    Raises
    ------
    RequestError
        If no line can carry the file's name.
    """
    from nsdviewer.session.command_line import PROGRAM, CommandLine

    words = (PROGRAM, "figure", str(path), "-o", str(path.with_suffix(".pdf")))
    return CommandLine(words).text()


def strange_paths(page: Page, shown: ViewState | None) -> tuple[str, ...]:
    """Return the paths that drawing a page opens and the window has not opened already.

    Raises
    ------
    RequestError
        If a path is no whole one.
    """
    states = [page.state, *(panel.state_of(page) for panel in page.panels)]
    known = set()
    if shown is not None:
        known = {shown.root, shown.decoder, shown.encoder, shown.generator}
        known |= {layer.source.removeprefix("file:") for layer in shown.layers}
        known.add(shown.embedding.partition("@")[2])
    return tuple(dict.fromkeys(n.path for n in paths_of(states) if n.path not in known))
