"""The one table of what the composer can do; its menus are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.composer.arranging import Edge
from app.composer.words import KINDS
from app.menu_bar import fill_menu_bar
from app.plain_text import plain

if TYPE_CHECKING:
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenu

    from app.composer.window import ComposerWindow


@dataclass(frozen=True)
class PageCommand:
    """One thing to do; see `app.commands.Command`.

    Attributes
    ----------
    needs
        How many panels must be selected.
    why_not
        Why it can do nothing at the moment, "" where it can.
    """

    name: str
    menu: str
    text: str
    shortcut: str
    call: Callable[[ComposerWindow], object]
    needs: int = 0
    starts_group: bool = False
    why_not: Callable[[ComposerWindow], str] | None = None
    checked: Callable[[ComposerWindow], bool] | None = None

    def hindrance(self, window: ComposerWindow) -> str:
        """Return why it can do nothing at the moment, "" where it can."""
        if len(window.editor.selection) < self.needs:
            some = "a panel" if self.needs == 1 else f"{self.needs} panels"
            return f"Select {some} first."
        return self.why_not(window) if self.why_not is not None else ""


def _no_undo(window: ComposerWindow) -> str:
    return "" if window.editor.can_undo else "There is nothing to undo."


def _no_redo(window: ComposerWindow) -> str:
    return "" if window.editor.can_redo else "There is nothing to do again."


PAGE_COMMANDS: tuple[PageCommand, ...] = (
    PageCommand("page.open", "Page", "Open page…", "Ctrl+O", lambda w: w.files.ask_open()),
    PageCommand("page.save", "Page", "Save page", "Ctrl+S", lambda w: w.files.save()),
    PageCommand("page.save-as", "Page", "Save page as…", "Ctrl+Shift+S", lambda w: w.files.save_as()),
    PageCommand("page.export", "Page", "Export…", "Ctrl+E", lambda w: w.files.ask_export(), 0, True),
    PageCommand("page.copy", "Page", "Copy as command", "Ctrl+Shift+C",
                lambda w: w.files.copy_command()),
    PageCommand("page.state", "Page", "Page takes the window's present view", "",
                lambda w: w.take_page_view(), 0, True),
    PageCommand("page.close", "Page", "Close", "Ctrl+W", lambda w: w.close(), 0, True),
    PageCommand("edit.undo", "Edit", "Undo", "Ctrl+Z", lambda w: w.editor.undo(), 0, False, _no_undo),
    PageCommand("edit.redo", "Edit", "Redo", "Ctrl+Shift+Z", lambda w: w.editor.redo(), 0, False,
                _no_redo),
    PageCommand("edit.duplicate", "Edit", "Duplicate", "Ctrl+D", lambda w: w.editor.duplicate(),
                1, True),
    PageCommand("edit.delete", "Edit", "Delete", "", lambda w: w.editor.delete(), 1),
    PageCommand("edit.all", "Edit", "Select all", "Ctrl+A", lambda w: w.editor.select_all()),
    *(
        PageCommand(f"panel.add-{kind.value}", "Panel/Add", said, "",
                    lambda w, kind=kind: w.editor.add(kind))
        for kind, said in KINDS.items()
    ),
    PageCommand("panel.take", "Panel", "Take the window's present view", "Ctrl+Return",
                lambda w: w.take_view(), 1, True),
    PageCommand("panel.same", "Panel", "Show the page's view", "",
                lambda w: w.editor.change_panels(changes=()), 1),
    PageCommand("panel.front", "Panel", "Bring to front", "Ctrl+Shift+Up",
                lambda w: w.editor.restack(True), 1, True),
    PageCommand("panel.back", "Panel", "Send to back", "Ctrl+Shift+Down",
                lambda w: w.editor.restack(False), 1),
    *(
        PageCommand(f"panel.align-{edge.name.lower()}", "Panel/Align", edge.value.capitalize(), "",
                    lambda w, edge=edge: w.editor.align(edge), 1)
        for edge in Edge
    ),
    PageCommand("panel.distribute-across", "Panel/Align", "Equal gaps across", "",
                lambda w: w.editor.distribute(True), 3, True),
    PageCommand("panel.distribute-down", "Panel/Align", "Equal gaps down", "",
                lambda w: w.editor.distribute(False), 3),
    PageCommand("panel.equal", "Panel/Align", "Same size as the first", "",
                lambda w: w.editor.equalise(), 2),
    PageCommand("view.in", "View", "Zoom in", "Ctrl++", lambda w: w.zoom_by(1.25)),
    PageCommand("view.out", "View", "Zoom out", "Ctrl+-", lambda w: w.zoom_by(0.8)),
    PageCommand("view.fit", "View", "Whole page", "Ctrl+0", lambda w: w.canvas.fit()),
    PageCommand("view.true", "View", "As large as on paper", "Ctrl+1",
                lambda w: w.canvas.set_zoom(1.0)),
    PageCommand("view.snap", "View", "Snap to panels, margins and grid", "Ctrl+G",
                lambda w: w.toggle_snap(), 0, True, None, lambda w: w.canvas.snaps),
    PageCommand("view.again", "View", "Draw everything again", "F5", lambda w: w.draw_again()),
)  # fmt: skip


def fill_page_menus(window: ComposerWindow) -> tuple[dict[str, QAction], dict[str, QMenu]]:
    """Make the composer's menus; returns the actions by the names of their commands, and the menus.

    Both are to be kept: what Qt alone holds, Python may forget, and take the actions along.
    """
    made, menus = fill_menu_bar(window.menuBar(), PAGE_COMMANDS, "composer.")
    for command in PAGE_COMMANDS:
        made[command.name].triggered.connect(lambda _=False, c=command: run_command(window, c))
    return made, menus


def run_command(window: ComposerWindow, command: PageCommand) -> None:
    """Do it, or say why not."""
    hindrance = command.hindrance(window)
    if hindrance:
        window.say(hindrance)
    else:
        command.call(window)
    refresh_actions(window)


def refresh_actions(window: ComposerWindow) -> None:
    """Say of each command whether it can be done."""
    for command in PAGE_COMMANDS:
        action, why = window.actions_by_name[command.name], command.hindrance(window)
        action.setEnabled(not why)
        action.setToolTip(plain(why or command.text))
        if command.checked is not None:
            action.setChecked(command.checked(window))
