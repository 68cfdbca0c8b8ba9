"""The one table of what the window can do: menus, shortcuts, palette and guide are made from it.

Each part of the window has a table of its own in this package; a further command is one entry in one
of them, and a further table one line here.
"""

from __future__ import annotations

from app.commands import (
    bench,
    concept,
    copy,
    data,
    edit,
    figure,
    file,
    jobs,
    layers,
    models,
    slices,
    trials,
    view,
)
from app.commands import help as help_
from app.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    *file.COMMANDS,
    *edit.COMMANDS,
    *copy.COMMANDS,
    *data.COMMANDS,
    *trials.COMMANDS,
    *bench.COMMANDS,
    *concept.COMMANDS,
    *view.COMMANDS,
    *layers.COMMANDS,
    *slices.COMMANDS,
    *models.COMMANDS,
    *jobs.COMMANDS,
    *figure.COMMANDS,
    *help_.COMMANDS,
)

__all__ = ["COMMANDS", "Command"]
