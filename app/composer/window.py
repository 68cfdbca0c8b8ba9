"""The composer's window: panels listed, the page, and the fields of both, beside one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QMainWindow, QWidget

from app import style
from app.composer.canvas import PageCanvas
from app.composer.editor import Composed, PageEditor
from app.composer.laying_out import lay_out
from app.composer.look import composer_sheet
from app.composer.page_commands import fill_page_menus, refresh_actions
from app.composer.page_fields import PageFields
from app.composer.page_files import KIND, PageFiles
from app.composer.panel_fields import PanelFields
from app.composer.panel_list import PanelList
from app.composer.previews import Previews
from app.composer.words import changes_to
from app.faults import describe
from app.message_bar import MessageBar
from app.view import View, state_differs
from nsdviewer.errors import RequestError
from nsdviewer.state import Page, Theme

if TYPE_CHECKING:
    from app.window import MainWindow
    from nsdviewer.state import ViewState

# While a page is changed quickly its pictures wait.
_PAUSE_MS = 120
# On a narrower window the page has the room of the list; Space walks through its panels.
_WIDE_PX = 860


class ComposerWindow(QMainWindow):
    """Composes a page over what a window shows; closing it keeps the page.

    Parameters
    ----------
    main
        The window whose views the panels take.
    """

    editor: PageEditor
    files: PageFiles
    canvas: PageCanvas

    def __init__(self, main: MainWindow, page: Page) -> None:
        super().__init__(main, Qt.WindowType.Window)
        self.setObjectName("composer")
        self._main = main
        self.settings = main.settings
        self.tasks = main.controller.tasks
        self.drawing = main.controller.drawing
        self.editor = PageEditor(page, self)
        self.previews = Previews(self.drawing, self)
        self.files = PageFiles(self)
        self.canvas = PageCanvas(self.previews.of)
        self.panels = PanelList()
        self.page_fields = PageFields(self.editor)
        self.panel_fields = PanelFields(self.editor)
        self.message = MessageBar()
        self.bars = lay_out(self)
        self.actions_by_name, self._menus = fill_page_menus(self)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._ask_for_pictures)
        self._connect()
        self.wear(main.theme)
        self._show(self.editor.now, self.editor.now)

    def _connect(self) -> None:
        editor, canvas, panels = self.editor, self.canvas, self.panels
        editor.changed.connect(self._show)
        editor.refused.connect(self.say_error)
        self.previews.changed.connect(self._show_pictures)
        canvas.selected.connect(editor.select)
        canvas.placed.connect(editor.place)
        canvas.nudged.connect(editor.nudge)
        canvas.grown.connect(editor.grow)
        canvas.nextWanted.connect(editor.select_next)
        canvas.deleteWanted.connect(editor.delete)
        canvas.fieldsWanted.connect(self._go_to_fields)
        canvas.zoomed.connect(self._show_zoom)
        panels.chosen.connect(editor.select)
        panels.deleteWanted.connect(editor.delete)
        panels.itemActivated.connect(lambda _: self._go_to_fields())
        self.panel_fields.viewWanted.connect(self.take_view)
        self.bars.cancel.clicked.connect(lambda: self.tasks.cancel(KIND))
        self.bars.presets.chosen.connect(self._begin_with)
        self.bars.add.chosen.connect(editor.add)
        self.bars.show_here.clicked.connect(self._open_in_window)
        self.tasks.progressed.connect(self._show_progress)
        self.tasks.finished.connect(self._finish)

    # --- inward ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a picture is drawn or about to be."""
        return self._pause.isActive() or self.previews.busy

    def window_state(self) -> ViewState | None:
        """Return what the window shows."""
        view = self._main.controller.view
        return view.state if view is not None else None

    def show_page(self, page: Page) -> None:
        """Begin with another page."""
        self.editor.start(page)
        self.canvas.fit()

    def show_view(self, before: View | None, after: View) -> None:
        """Hear that the window shows something else; the page keeps its own state."""
        if state_differs(before, after, "theme"):
            self.wear(after.state.theme)
        if before is None or before.workspace is not after.workspace:
            self._say_of_window()
            if self.isVisible():
                self._pause.start()

    def wear(self, theme: Theme) -> None:
        """Take the colours of a theme; the page keeps its own."""
        self.setStyleSheet(composer_sheet(theme))
        self.canvas.wear(style.palette_of(theme))
        self._text_colour = style.palette_of(theme).text

    def say(self, text: str) -> None:
        """Say something in the status line."""
        self.bars.said.setText(text)

    def say_error(self, sentence: str, details: str = "") -> None:
        """Say what went wrong."""
        self.message.show_message(sentence, details, self._text_colour)

    def say_failure(self, error: BaseException) -> None:
        self.say_error(*describe(KIND, error))

    # --- what its commands do ----------------------------------------------------------------

    def take_view(self) -> None:
        """Have the selected panels show what the window shows."""
        state = self.window_state()
        if state is None:
            self.say("The window shows no subject.")
            return
        try:
            changes = changes_to(self.editor.page, state)
        except RequestError as error:
            self.say_error(str(error))
            return
        self.editor.change_panels(changes=tuple(sorted(changes.items())))

    def take_page_view(self) -> None:
        """Draw the page from what the window shows; what panels change stays theirs."""
        state = self.window_state()
        if state is not None:
            self.editor.show_state(state.replace(theme=self.editor.page.state.theme))
            self._say_of_window()

    def zoom_by(self, factor: float) -> None:
        self.canvas.set_zoom(self.canvas.zoom * factor)

    def toggle_snap(self) -> None:
        self.canvas.snaps = not self.canvas.snaps

    def draw_again(self) -> None:
        self.previews.forget()

    def _begin_with(self, name: str) -> None:
        from nsdviewer.session.page_presets import presets

        state = self.window_state() or self.editor.page.state
        theme = self.editor.page.state.theme
        self.editor.take(presets()[name](state.replace(theme=theme)))
        self.canvas.fit()

    def _open_in_window(self) -> None:
        self._main.controller.open_state(self.editor.page.state.replace(theme=self._main.theme))

    def _go_to_fields(self) -> None:
        if self.editor.selection:
            is_text = self.panel_fields.text.isVisible()
            field: QWidget = self.panel_fields.text if is_text else self.panel_fields.place["x"]
            field.setFocus(Qt.FocusReason.TabFocusReason)

    # --- showing -----------------------------------------------------------------------------

    def _show(self, before: Composed, after: Composed) -> None:
        self.canvas.show_page(after)
        self.panels.show_page(after)
        self.page_fields.show_page(after)
        self.panel_fields.show_page(after)
        self.show_title()
        refresh_actions(self)
        self.bars.say_page(after.page)
        if before.page.state is not after.page.state:
            self._say_of_window()
        if before.page is not after.page:
            self.message.hide()
        if self.isVisible():
            self._pause.start()

    def _ask_for_pictures(self) -> None:
        ratio = self.devicePixelRatioF()
        self.previews.show_page(
            self.editor.page,
            self.canvas.px_per_mm * ratio,
            self.editor.selection,
            self._main.controller.view,
        )

    def _show_pictures(self) -> None:
        self.canvas.refresh()
        self.canvas.show_foot(self.previews.foot())
        n = self.previews.n_missing
        self.bars.drawing.setText("" if n == 0 else f"drawing {n} panel{'s' if n > 1 else ''}…")

    def _show_zoom(self, zoom: float) -> None:
        self.bars.zoom.setText(f"{zoom:.0%}")
        if self.isVisible():
            self._pause.start()

    def show_title(self) -> None:
        """Say which page is composed, and whether it is saved."""
        name = self.files.path.name if self.files.path is not None else "unsaved page"
        self.setWindowTitle(f"{name}[*] – figure composer – nsdviewer")
        self.setWindowModified(not self.files.is_saved)

    def _say_of_window(self) -> None:
        """Say where the page is of other data than the window."""
        state, page = self.window_state(), self.editor.page.state
        differs = state is not None and (state.root, state.subject) != (page.root, page.subject)
        self.bars.other.setVisible(differs)
        if differs and state is not None:
            self.bars.other_said.setText(
                f"This page shows subject {page.subject} of {Path(page.root).name}; the window shows "
                f"subject {state.subject} of {Path(state.root).name}."
            )

    def show_working(self, working: bool) -> None:
        """Show the bar of an export, or hide it."""
        self.bars.working.setVisible(working)
        if working:
            self.bars.progress.setValue(0)

    def _show_progress(self, kind: str, fraction: float, text: str) -> None:
        if kind == KIND:
            self.bars.progress.setValue(round(1000 * fraction))
            self.say(f"{text}…")

    def _finish(self, kind: str) -> None:
        if kind == KIND:
            self.show_working(False)

    # --- Qt ----------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.drawing.warm()
        self._say_of_window()
        self._pause.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._pause.stop()
        self.previews.rest()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        is_wide = self.width() >= _WIDE_PX
        self.bars.left.setVisible(is_wide)
        self.bars.size.setVisible(is_wide)

    def closeEvent(self, event: QCloseEvent) -> None:
        # What is being typed counts.
        self.canvas.setFocus()
        super().closeEvent(event)
