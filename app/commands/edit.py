"""Commands of the Edit menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands.command import Command

if TYPE_CHECKING:
    from app.window import MainWindow


def _said(word: str, forward: bool, window: MainWindow) -> str:
    step = window.controller.openings.step_title(forward)
    return f"{word}: {step}" if step else word


def _why_not(word: str, forward: bool, window: MainWindow) -> str:
    has_step = bool(window.controller.openings.step_title(forward))
    return "" if has_step else f"There is nothing to {word}."


COMMANDS: tuple[Command, ...] = (
    Command("edit.undo", "Edit", "Undo", "Ctrl+Z", lambda w: w.controller.step(forward=False),
            why_not=lambda w: _why_not("undo", False, w), said=lambda w: _said("Undo", False, w)),
    Command("edit.redo", "Edit", "Redo", "Ctrl+Shift+Z", lambda w: w.controller.step(forward=True),
            why_not=lambda w: _why_not("do again", True, w), said=lambda w: _said("Redo", True, w)),
    Command("edit.concept", "Edit", "Edit the concept", "Ctrl+L", lambda w: w.header.focus_concept(),
            True, True),
    Command("edit.search", "Edit", "Search pictures", "Ctrl+F", lambda w: w.trials.search.setFocus()),
)  # fmt: skip
