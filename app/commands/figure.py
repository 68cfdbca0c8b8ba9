"""Commands that take a view home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import asking
from app.commands.command import Command
from app.composer.turntable import ask_turntable
from app.export.dialog import ask_export

if TYPE_CHECKING:
    from app.window import MainWindow


def _no_cortex(window: MainWindow) -> str:
    scene = window.scene()
    return "" if scene is not None and scene.hemispheres else "There is no cortex to turn."


COMMANDS: tuple[Command, ...] = (
    Command("figure.whole", "Figure", "Export figure…", "Ctrl+E", lambda w: asking.ask_figure(w)),
    Command("figure.view", "Figure", "Export a view…", "Ctrl+Shift+E", lambda w: ask_export(w)),
    Command("figure.turntable", "Figure", "Make a turntable film…", "", lambda w: ask_turntable(w),
            why_not=_no_cortex),
    Command("figure.compose", "Figure", "Figure composer", "Ctrl+Shift+C", lambda w: w.composer.open(),
            True, True),
)  # fmt: skip
