"""Commands that copy what is shown as a line for a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands.command import Command
from app.concept.choices import UNTESTED
from app.export import copying

if TYPE_CHECKING:
    from app.window import MainWindow

_MENU = "Edit/Copy as command"


def _why_no_trial(window: MainWindow) -> str:
    return "" if window.controller.view.state.trials else "No trial is selected; choose one first."


def _why_no_concept(window: MainWindow) -> str:
    return "" if window.controller.view.state.concept else "There is no concept; type one first."


def _why_not_drawn(window: MainWindow) -> str:
    """Say why the figure of what is chosen cannot be drawn, here or by the line."""
    view = window.controller.view
    return view.test_error if view.state.statistic != UNTESTED else ""


COMMANDS: tuple[Command, ...] = (
    Command("copy.figure", _MENU, "Copy the figure as command", "Ctrl+Shift+K", copying.copy_figure,
            why_not=_why_not_drawn),
    Command("copy.map", _MENU, "Copy the map as command", "", copying.copy_map,
            why_not=_why_no_concept),
    Command("copy.decode", _MENU, "Copy the reconstruction as command", "", copying.copy_decode,
            why_not=_why_no_trial),
    Command("copy.betas", _MENU, "Copy the betas as command", "", copying.copy_betas,
            why_not=_why_no_trial),
)  # fmt: skip
