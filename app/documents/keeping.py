"""Where nothing can be kept, as in a home that is read only, the window says so once and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.tasks import Lane

if TYPE_CHECKING:
    from app.window import MainWindow


def say_what_is_not_kept(window: MainWindow) -> None:
    """Look off the GUI thread whether settings and sessions can be kept."""

    def said(sentence: str) -> None:
        if sentence:
            window.autosave.is_said = True
            window.show_warning(sentence)

    window.controller.tasks.submit(Lane.DROPS, "keeping", lambda _: what_is_not_kept(), said)


def what_is_not_kept() -> str:
    """Return one sentence about the folders that cannot be written, "" where all can be."""
    from app.settings import settings_file, state_folder
    from nsdviewer.diagnosis.folders import can_be_written
    from nsdviewer.diagnosis.privacy import without_names

    lost = {
        "settings and recent folders": settings_file().parent,
        "unsaved sessions, jobs and the log": state_folder(),
    }
    lost = {what: folder for what, folder in lost.items() if not can_be_written(folder)}
    if not lost:
        return ""
    folders = " and ".join(dict.fromkeys(without_names(str(Path(f))) for f in lost.values()))
    return (
        f"Not kept when the window closes: {', '.join(lost)}, because {folders} cannot be written; "
        "make it writable, or set XDG_CONFIG_HOME and XDG_STATE_HOME to folders that are."
    )
