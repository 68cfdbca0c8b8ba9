"""The menu bar, made from the table of commands, and what its actions say at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QDialog

from app.commands import COMMANDS
from app.menu_bar import fill_menu_bar
from app.plain_text import caption, plain

if TYPE_CHECKING:
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenu

    from app.commands import Command
    from app.window import MainWindow

# Slices that are scrolled through bring many views a second.
_PAUSE_MS = 60
PALETTE = "help.palette"


def fill_menus(window: MainWindow) -> dict[str, QAction]:
    """Make the window's menus; returns the actions by the names of their commands."""
    actions, menus = fill_menu_bar(window.menuBar(), COMMANDS)
    Actions(window, actions, menus)
    return actions


class Actions(QObject):
    """Keeps the actions of the menus as the window is: what can be done, what is chosen."""

    def __init__(
        self, window: MainWindow, actions: dict[str, QAction], menus: dict[str, QMenu]
    ) -> None:
        super().__init__(window)
        self.setObjectName("actions")
        # Menus are held here: what Qt alone holds, Python may forget and take with it.
        self._window, self._actions, self._menus = window, actions, menus
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self.refresh)
        for command in COMMANDS:
            actions[command.name].triggered.connect(lambda _=False, c=command: self._run(c))
        for menu in menus.values():
            menu.aboutToShow.connect(self.refresh)
        window.controller.viewChanged.connect(self._note)
        window.installEventFilter(self)
        self.refresh()

    def refresh(self) -> None:
        """Say of each command whether it can be done, and whether it is chosen."""
        for command in COMMANDS:
            action, why = self._actions[command.name], command.hindrance(self._window)
            action.setEnabled(not why)
            text = command.text_now(self._window)
            action.setText(caption(text))
            action.setToolTip(plain(why or text))
            if command.checked is not None:
                action.setChecked(command.is_checked(self._window))

    def _note(self, before: object, after: object) -> None:
        if before is None:
            self.refresh()
        if not self._pause.isActive():
            self._pause.start()

    def _run(self, command: Command) -> None:
        command.run(self._window)
        # A click has turned the mark of a checkable action; the window knows what holds.
        self.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # A dialog is a window of its own, where the main window's shortcuts are not heard.
        if event.type() == QEvent.Type.ChildPolished:
            child = event.child()  # type: ignore[attr-defined]
            if isinstance(child, QDialog):
                child.addAction(self._actions[PALETTE])
        return False
