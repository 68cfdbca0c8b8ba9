"""What the window can do: a command has a name, a menu, perhaps a shortcut, and a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.window import MainWindow


@dataclass(frozen=True)
class Command:
    """One thing to do.

    Attributes
    ----------
    name
        What tests, guide and palette call it: its table and its work, as in ``file.save``.
    menu
        Title of its menu.
    shortcut
        Qt's portable text; "" for none.
    needs_view
        Whether a subject must be open.
    """

    name: str
    menu: str
    text: str
    shortcut: str
    call: Callable[[MainWindow], object]
    needs_view: bool = True
    starts_group: bool = False
