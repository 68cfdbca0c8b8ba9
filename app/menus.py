"""The menu bar, made from the table of commands, and what its actions say at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QMenu

from app.commands import COMMANDS

if TYPE_CHECKING:
    from app.commands import Command
    from app.window import MainWindow

# Slices that are scrolled through bring many views a second.
_PAUSE_MS = 60
PALETTE = "help.palette"


def fill_menus(window: MainWindow) -> dict[str, QAction]:
    """Make the window's menus; returns the actions by the names of their commands."""
    menus: dict[str, QMenu] = {}
    made: dict[str, QAction] = {}
    for command in COMMANDS:
        menu = _menu_of(window, menus, command.menu)
        if command.starts_group and not menu.isEmpty():
            menu.addSeparator()
        # Made here: of one that Qt makes, Python does not hear when a closed window takes it along.
        action = QAction(command.text, menu)
        menu.addAction(action)
        action.setObjectName(command.name)
        action.setShortcut(QKeySequence(command.shortcut))
        action.setCheckable(command.checked is not None)
        made[command.name] = action
    Actions(window, made, menus)
    return made


def _menu_of(window: MainWindow, menus: dict[str, QMenu], path: str) -> QMenu:
    """Return the menu of a path such as ``View/Slices``, made where it is not there yet."""
    if path not in menus:
        outer, _, title = path.rpartition("/")
        holder = _menu_of(window, menus, outer) if outer else window.menuBar()
        menus[path] = QMenu(title, holder)
        menus[path].setToolTipsVisible(True)
        holder.addMenu(menus[path])
    return menus[path]


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
            action.setText(text.replace("&", "&&"))
            action.setToolTip(why or text)
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
