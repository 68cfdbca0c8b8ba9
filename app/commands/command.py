"""What the window can do: a command has a name, a menu, perhaps a shortcut, and a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.window import MainWindow

_NO_VIEW = "Open a subject first."


@dataclass(frozen=True)
class Command:
    """One thing to do.

    Attributes
    ----------
    name
        What tests, guide and palette call it: its table and its work, as in ``file.save``.
    menu
        Title of its menu; of a menu within one, ``View/Slices``.
    shortcut
        Qt's portable text; "" for none.
    needs_view
        Whether a subject must be open.
    why_not
        Says in a sentence why it can do nothing at the moment, "" where it can; asked only where
        `needs_view` is met.
    checked
        Whether what it chooses is chosen; None for a command that chooses nothing.
    said
        Its text at the moment, where that says more than `text`.
    """

    name: str
    menu: str
    text: str
    shortcut: str
    call: Callable[[MainWindow], object]
    needs_view: bool = True
    starts_group: bool = False
    why_not: Callable[[MainWindow], str] | None = None
    checked: Callable[[MainWindow], bool] | None = None
    said: Callable[[MainWindow], str] | None = None

    def hindrance(self, window: MainWindow) -> str:
        """Return why it can do nothing at the moment, "" where it can."""
        if self.needs_view and window.controller.view is None:
            return _NO_VIEW
        return self.why_not(window) if self.why_not is not None else ""

    def is_checked(self, window: MainWindow) -> bool:
        """Return whether what it chooses is chosen."""
        ready = not self.needs_view or window.controller.view is not None
        return ready and self.checked is not None and self.checked(window)

    def text_now(self, window: MainWindow) -> str:
        """Return its text at the moment."""
        ready = not self.needs_view or window.controller.view is not None
        return self.said(window) if ready and self.said is not None else self.text

    def run(self, window: MainWindow) -> None:
        """Do it, or say in the status line why not."""
        hindrance = self.hindrance(window)
        if hindrance:
            window.status.say(hindrance)
        else:
            self.call(window)
