"""Commands about long work: fits, trainings, caches, downloads."""

from __future__ import annotations

from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    Command("jobs.training", "Jobs", "Watch a training…", "Ctrl+Shift+T", lambda w: w.watch.open(),
            False),
)  # fmt: skip
