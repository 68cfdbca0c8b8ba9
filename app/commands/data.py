"""Commands of the Subject menu: whose data are shown, where they are sampled, by which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import choosing
from app.commands.command import Command

if TYPE_CHECKING:
    from app.window import MainWindow


def _step(window: MainWindow, by: int) -> None:
    subject = choosing.other_subject(window.controller.view, by)
    if subject is not None:
        window.request(subject=subject)


def _no_other(window: MainWindow, by: int) -> str:
    there = choosing.other_subject(window.controller.view, by) is not None
    return (
        "" if there else f"There is no {'next' if by > 0 else 'previous'} subject in this folder."
    )


COMMANDS: tuple[Command, ...] = (
    Command("subject.next", "Subject", "Next subject", "Ctrl+PgDown", lambda w: _step(w, 1),
            why_not=lambda w: _no_other(w, 1)),
    Command("subject.previous", "Subject", "Previous subject", "Ctrl+PgUp", lambda w: _step(w, -1),
            why_not=lambda w: _no_other(w, -1)),
    Command("subject.choose", "Subject", "Choose a subject…", "", choosing.choose_subject),
    Command("subject.space", "Subject", "Choose a space…", "", choosing.choose_space, True, True),
    Command("subject.version", "Subject", "Choose the betas…", "", choosing.choose_version),
)  # fmt: skip
