"""Commands of the File menu."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app import asking
from app.commands.command import Command
from app.documents.asking import open_document, open_subject_window

if TYPE_CHECKING:
    from app.window import MainWindow

_RECENT = "File/Open recent"
# Sessions first, then data folders.
N_RECENT = 12


def _recent(window: MainWindow) -> list[str]:
    return [*window.settings.recent_files, *window.settings.recent_roots][:N_RECENT]


def _recent_at(window: MainWindow, k: int) -> str:
    found = _recent(window)
    return found[k] if k < len(found) else ""


def _why_no_recent(window: MainWindow, k: int = 0) -> str:
    return "" if _recent_at(window, k) else "No further session or folder was opened."


def _forget(window: MainWindow) -> None:
    window.settings.forget_recent()
    window.welcome.show_recent([], [])


def _recent_command(k: int) -> Command:
    return Command(
        f"file.recent-{k + 1}", _RECENT, f"Open recent {k + 1}", "",
        lambda w: w.open(Path(_recent_at(w, k))), False,
        why_not=lambda w: _why_no_recent(w, k),
        said=lambda w: _recent_at(w, k) or f"Open recent {k + 1}",
    )  # fmt: skip


COMMANDS: tuple[Command, ...] = (
    Command("file.new-window", "File", "New window", "Ctrl+Shift+N",
            lambda w: w.application.new_window(), False),
    Command("file.subject-window", "File", "Open subject in a new window…", "",
            lambda w: open_subject_window(w)),
    Command("file.open-folder", "File", "Open NSD folder…", "Ctrl+O",
            lambda w: asking.ask_root(w), False, True),
    Command("file.open", "File", "Open session or view…", "Ctrl+Shift+O",
            lambda w: open_document(w), False),
    *(_recent_command(k) for k in range(N_RECENT)),
    Command("file.back", "File", "Back to what was open before", "", lambda w: w.documents.go_back(),
            why_not=lambda w: "" if w.documents.left else "Nothing else was open in this window."),
    Command("file.forget-recent", _RECENT, "Forget what was opened", "", _forget, False, True,
            why_not=_why_no_recent),
    Command("file.demo", "File", "Make the demo subject", "", lambda w: w.open_demo(), False),
    Command("file.save", "File", "Save session", "Ctrl+S", lambda w: w.documents.save(), True, True),
    Command("file.save-as", "File", "Save session as…", "Ctrl+Shift+S",
            lambda w: w.documents.save_as()),
    Command("file.close", "File", "Close window", "Ctrl+W", lambda w: w.close(), False, True),
    Command("file.quit", "File", "Quit", "Ctrl+Q", lambda w: w.application.quit(), False),
)  # fmt: skip
