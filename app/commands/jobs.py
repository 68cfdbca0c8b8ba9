"""Commands about long work: fits, trainings, caches, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands.command import Command

if TYPE_CHECKING:
    from app.window import MainWindow


def _nothing_ended(window: MainWindow) -> str:
    return "" if window.desk.panel.ended_ids else "No job has ended."


COMMANDS: tuple[Command, ...] = (
    Command("jobs.show", "Jobs", "Jobs", "Ctrl+J", lambda w: w.desk.toggle(), False,
            checked=lambda w: not w.desk.panel.isHidden()),
    Command("jobs.new", "Jobs", "New job…", "Ctrl+Shift+J", lambda w: w.desk.new_job(), False),
    Command("jobs.clear", "Jobs", "Clear ended jobs", "", lambda w: w.desk.clear(), False,
            why_not=_nothing_ended),
    Command("jobs.training", "Jobs", "Watch a training…", "Ctrl+Shift+T", lambda w: w.watch.open(),
            False, True),
)  # fmt: skip
