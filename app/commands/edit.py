"""Commands of the Edit menu."""

from __future__ import annotations

from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    Command("edit.undo", "Edit", "Undo", "Ctrl+Z", lambda w: w.controller.step(forward=False)),
    Command("edit.redo", "Edit", "Redo", "Ctrl+Shift+Z", lambda w: w.controller.step(forward=True)),
    Command("edit.concept", "Edit", "Edit the concept", "Ctrl+L", lambda w: w.header.focus_concept(),
            True, True),
    Command("edit.search", "Edit", "Search pictures", "Ctrl+F", lambda w: w.trials.search.setFocus()),
)  # fmt: skip
