"""Commands that take a view home."""

from __future__ import annotations

from app import asking
from app.commands.command import Command
from app.export_dialog import ask_export

COMMANDS: tuple[Command, ...] = (
    Command("figure.whole", "Figure", "Export figure…", "Ctrl+E", lambda w: asking.ask_figure(w)),
    Command("figure.view", "Figure", "Export a view…", "Ctrl+Shift+E", lambda w: ask_export(w)),
)  # fmt: skip
