"""What is shown, copied to the clipboard as a command that makes it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication

from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from app.view import View
    from app.window import MainWindow
    from nsdviewer.session.command_line import CommandLine


def copy_figure(window: MainWindow) -> None:
    """Copy the command that draws the present view."""
    from nsdviewer.session.command_line import figure_command

    _copy(window, lambda view: figure_command(view.state))


def copy_map(window: MainWindow) -> None:
    """Copy the command that writes the concept's map."""
    from nsdviewer.session.command_line import map_command

    _copy(window, lambda view: map_command(view.state))


def copy_decode(window: MainWindow) -> None:
    """Copy the command that decodes and paints the selected trials."""
    from nsdviewer.session.command_line import decode_command

    _copy(window, lambda view: decode_command(view.workspace, view.state))


def copy_betas(window: MainWindow) -> None:
    """Copy the command that writes the betas of the selected trials."""
    from nsdviewer.session.command_line import betas_command

    _copy(window, lambda view: betas_command(view.workspace, view.state))


def _copy(window: MainWindow, make: Callable[[View], CommandLine]) -> None:
    view = window.controller.view
    if view is None:
        return
    try:
        command = make(view)
        line = command.text()
    except NsdViewerError as error:
        window.show_error(str(error), "")
        return
    QGuiApplication.clipboard().setText(line)
    lacks = f", without {command.left_out}" if command.left_out else ""
    window.status.say(f"copied: {command.words[0]} {command.words[1]} …{lacks}")
