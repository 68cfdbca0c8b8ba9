"""Commands of the Help menu."""

from __future__ import annotations

from app import asking
from app.commands.command import Command
from app.cortex.start_3d import try_again
from app.report_dialog import ReportDialog

COMMANDS: tuple[Command, ...] = (
    Command("help.guide", "Help", "Guide", "F1", lambda w: asking.show_guide(w), False),
    Command("help.palette", "Help", "Commands…", "Ctrl+Shift+P", lambda w: asking.show_palette(w),
            False),
    Command("help.shortcuts", "Help", "Shortcuts…", "?", lambda w: asking.show_shortcuts(w), False),
    Command("help.provenance", "Help", "Where this view comes from…", "",
            lambda w: asking.show_provenance(w)),
    Command("help.report", "Help", "Report for a bug…", "", lambda w: ReportDialog(w).show(), False,
            True),
    Command("help.opengl", "Help", "Try OpenGL again", "", lambda w: try_again(w), False,
            why_not=lambda w: "OpenGL works here." if w.cortex.has_opengl else ""),
)  # fmt: skip
