"""The menu bar, made from the table of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QKeySequence

from app.commands import COMMANDS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from app.window import MainWindow


def fill_menus(window: MainWindow) -> dict[str, QAction]:
    """Make the window's menus; returns the actions by the names of their commands."""
    menus: dict[str, QMenu] = {}
    made: dict[str, QAction] = {}
    for command in COMMANDS:
        menu = menus.get(command.menu)
        if menu is None:
            menu = menus[command.menu] = window.menuBar().addMenu(command.menu)
        if command.starts_group:
            menu.addSeparator()
        action = menu.addAction(command.text)
        action.setObjectName(command.name)
        action.setShortcut(QKeySequence(command.shortcut))
        action.triggered.connect(lambda _=False, call=command.call: call(window))
        action.setEnabled(not command.needs_view)
        made[command.name] = action
    return made
