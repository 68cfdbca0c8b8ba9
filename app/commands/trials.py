"""Commands that choose trials."""

from __future__ import annotations

from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    Command("trials.next", "Trials", "Next trial", "]", lambda w: w.trials.step(1)),
    Command("trials.previous", "Trials", "Previous trial", "[", lambda w: w.trials.step(-1)),
    Command("trials.alike", "Trials", "Pictures like this one", "",
            lambda w: w.trials.search_alike(), True, True),
    Command("trials.decoded-alike", "Trials", "Pictures like the decoded one", "",
            lambda w: w.trials.search_decoded_alike()),
    Command("trials.repetitions", "Trials", "All repetitions of this picture", "",
            lambda w: w.trials.select_repetitions()),
    Command("trials.filter", "Trials", "Filter trials…", "Ctrl+Shift+F",
            lambda w: w.trials.filters.open_popover(), True, True),
)  # fmt: skip
