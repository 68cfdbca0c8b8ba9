"""Commands of the File menu."""

from __future__ import annotations

from app import asking
from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    Command("file.open-folder", "File", "Open NSD folder…", "Ctrl+O",
            lambda w: asking.ask_root(w), False),
    Command("file.open", "File", "Open saved view…", "Ctrl+Shift+O",
            lambda w: asking.ask_state(w), False),
    Command("file.demo", "File", "Make the demo subject", "", lambda w: w.open_demo(), False),
    Command("file.save", "File", "Save view…", "Ctrl+S", lambda w: asking.ask_save(w), True, True),
    Command("file.quit", "File", "Quit", "Ctrl+Q", lambda w: w.close(), False, True),
)  # fmt: skip
