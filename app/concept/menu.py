"""Saved concepts, history and examples, in one menu."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu

from app import questions
from app.concept.memory import ConceptMemory
from app.plain_text import caption
from app.widgets import MenuButton

_EXAMPLES = (
    "animal",
    "animal - tool",
    "building - animal",
    '"a bird in a tree"',
    "fish",
    "0.7*dog + 0.3*cat - car",
    "outdoor - indoor",
)
_MOST_RECENT = 10


class ConceptMenu(MenuButton):
    """Chooses an expression; saves the current one, and forgets saved ones."""

    taken = Signal(str)

    def __init__(self, memory: ConceptMemory) -> None:
        super().__init__("Saved concepts, history and examples", "flat")
        self.setText("▾")
        self.memory = memory
        self.expression = ""
        self._menu.aboutToShow.connect(self.fill)
        # Held here: a menu that is cleared keeps the menus inside it.
        self._removing = QMenu("remove a saved concept", self)

    def fill(self) -> None:
        """Make the menu anew."""
        menu, saved = self._menu, self.memory.saved
        menu.clear()
        save = menu.addAction(caption(f"save '{_short(self.expression)}' as…"))
        save.setEnabled(bool(self.expression))
        save.triggered.connect(lambda: self.ask_name())
        if saved:
            _head(menu, "saved")
            for name, expression in saved.items():
                self._add(menu, f"{name}:  {_short(expression)}", expression)
            self._removing.clear()
            menu.addMenu(self._removing)
            for name in saved:
                action = self._removing.addAction(caption(name))
                action.triggered.connect(lambda _=False, n=name: self.memory.remove(n))
        for title, expressions in (
            ("recent", self.memory.history[:_MOST_RECENT]),
            ("examples", _EXAMPLES),
        ):
            if expressions:
                _head(menu, title)
            for expression in expressions:
                self._add(menu, _short(expression), expression)

    def _add(self, menu: QMenu, text: str, expression: str) -> None:
        action = menu.addAction(caption(text))
        action.triggered.connect(lambda _=False, e=expression: self.taken.emit(e))

    def ask_name(self) -> None:
        """Ask for a name, and keep the concept under it."""
        name = questions.ask_text(
            self, "Save the concept", f"Name for '{_short(self.expression)}':"
        )
        if name is not None:
            self.memory.save(name, self.expression)


def _head(menu: QMenu, title: str) -> None:
    # The style draws the line of a section without its title.
    menu.addSeparator()
    menu.addAction(title).setEnabled(False)


def _short(expression: str) -> str:
    return expression if len(expression) <= 48 else f"{expression[:47]}…"
