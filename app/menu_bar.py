"""A menu bar made from a table of commands, for any window that has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenuBar


class MenuRow(Protocol):
    """What the menu bar needs to know of a command; `menu` is a path such as ``View/Slices``."""

    @property
    def name(self) -> str: ...
    @property
    def menu(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def shortcut(self) -> str: ...
    @property
    def starts_group(self) -> bool: ...
    @property
    def checked(self) -> object: ...


def fill_menu_bar(
    bar: QMenuBar, rows: Sequence[MenuRow], prefix: str = ""
) -> tuple[dict[str, QAction], dict[str, QMenu]]:
    """Make the menus of a window.

    Both returned are to be kept: what Qt alone holds, Python may forget and take along.

    Parameters
    ----------
    prefix
        Put before the names of commands to make those of Qt's objects.

    Returns
    -------
    actions
        By the names of their commands.
    menus
        By their paths.
    """
    menus: dict[str, QMenu] = {}
    actions: dict[str, QAction] = {}
    for row in rows:
        menu = _menu_of(bar, menus, row.menu)
        if row.starts_group and not menu.isEmpty():
            menu.addSeparator()
        # Made here: of one that Qt makes, Python does not hear when a closed window takes it along.
        action = QAction(row.text, menu)
        menu.addAction(action)
        action.setObjectName(prefix + row.name)
        action.setShortcut(QKeySequence(row.shortcut))
        action.setCheckable(row.checked is not None)
        actions[row.name] = action
    return actions, menus


def _menu_of(bar: QMenuBar, menus: dict[str, QMenu], path: str) -> QMenu:
    """Return the menu of a path, made where it is not there yet."""
    if path not in menus:
        outer, _, title = path.rpartition("/")
        holder = _menu_of(bar, menus, outer) if outer else bar
        menus[path] = QMenu(title, holder)
        menus[path].setToolTipsVisible(True)
        holder.addMenu(menus[path])
    return menus[path]
