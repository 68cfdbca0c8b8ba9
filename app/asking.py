"""What the window asks for, and the dialogs that only show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence

from app import questions
from app.dialogs import ShortcutsDialog, TableDialog
from app.palette import Entry, Palette
from app.tasks import Lane

if TYPE_CHECKING:
    from app.commands import Command
    from app.window import MainWindow
    from nsdviewer.jobs import Ticket

_FIGURE_FILTER = "PNG picture (*.png);;SVG drawing (*.svg);;PDF page (*.pdf)"
_STATE_FILTER = "Saved view (*.json)"
_GENERATOR_FILTER = "Generator (*.safetensors)"
_MOST_RECENT = 8
_MOUSE = [
    (
        "Slices",
        "click or drag moves the cursor, the wheel scrolls, Ctrl+wheel enlarges",
    ),
    ("Cortex", "click moves the cursor, drag turns, Shift+drag shifts, wheel zooms, rest to read"),
    ("Trials", "arrows move, Ctrl+click and Shift+click select several"),
]
# Keys that are heard where the keyboard is, and nowhere else.
KEYS_OF_PANELS = {
    "Slices, where the keyboard is": [
        ("Cursor within the slice", "arrows"),
        ("Next and previous slice", "Page Up, Page Down"),
        ("Larger and smaller", "+, −"),
    ],
    "Cortex, where the keyboard is": [
        ("Turn", "arrows"),
        ("Shift", "Shift+arrows"),
        ("Nearer and farther", "+, −"),
    ],
    "Trials, where the keyboard is": [
        ("Select one, several", "arrows, Shift+arrows"),
        ("Pictures like this one, like the decoded one", "L, Shift+L"),
        ("All repetitions of this picture", "R"),
        ("The list's own order again", "Esc"),
    ],
}


def ask_root(window: MainWindow) -> None:
    folder = questions.ask_folder(window, "Open an NSD folder")
    if folder is not None:
        window.open(folder)


def ask_state(window: MainWindow) -> None:
    path = questions.ask_file(window, "Open a saved view", _STATE_FILTER)
    if path is not None:
        window.open(path)


def ask_save(window: MainWindow) -> None:
    path = questions.ask_place(window, "Save the view", _STATE_FILTER, "view.json", window.settings)
    if path is not None:
        window.save_view(path.with_suffix(".json"))


def ask_figure(window: MainWindow) -> None:
    path = questions.ask_place(
        window, "Export the figure", _FIGURE_FILTER, "figure.png", window.settings
    )
    if path is not None:
        window.export_figure(path)


def ask_generator_file(window: MainWindow) -> None:
    path = questions.ask_file(window, "Paint with a file", _GENERATOR_FILTER)
    if path is not None:
        window.request(generator=str(path))


def ask_generator_folder(window: MainWindow) -> None:
    folder = questions.ask_folder(window, "Paint with a diffusers pipeline")
    if folder is not None:
        window.request(generator=str(folder))


def ask_training(window: MainWindow) -> None:
    start = window.settings.training_folder
    folder = questions.ask_folder(window, "Watch the training in a run folder", start)
    if folder is not None:
        window.watch.watch(folder)


def show_palette(window: MainWindow) -> None:
    """Open all commands, those that can do nothing at the moment with their reason."""
    entries = [_entry(window, command) for command in window.command_table]
    Palette(window, "Commands", entries, window.settings.recent_commands).show()


def _entry(window: MainWindow, command: Command) -> Entry:
    def run() -> None:
        others = [name for name in window.settings.recent_commands if name != command.name]
        window.settings.recent_commands = [command.name, *others][:_MOST_RECENT]
        window.commands[command.name].trigger()

    return Entry(
        command.name,
        command.text_now(window),
        run,
        command.menu.replace("/", " ▸ "),
        keys_in_words(command.shortcut),
        command.hindrance(window),
        None if command.checked is None else command.is_checked(window),
    )


def keys_in_words(shortcut: str) -> str:
    """Return a shortcut as people of this system read it."""
    return QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)


def show_shortcuts(window: MainWindow) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for command in window.command_table:
        if command.shortcut:
            menu = command.menu.replace("/", " ▸ ")
            groups.setdefault(menu, []).append((command.text, keys_in_words(command.shortcut)))
    ShortcutsDialog(window, {**groups, **KEYS_OF_PANELS, "Mouse": _MOUSE}).show()


def show_guide(window: MainWindow) -> None:
    # It reads its pages and pictures from disk; nobody waits for that before asking for it.
    from app.guide import GuideDialog

    found = window.findChild(GuideDialog) or GuideDialog(window)
    found.show()
    found.raise_()
    found.activateWindow()


def show_provenance(window: MainWindow) -> None:
    view = window.controller.view
    if view is None:
        return

    def look(_: Ticket) -> tuple[tuple[str, str], ...]:
        from nsdviewer.session.view_provenance import provenance_in_words

        return provenance_in_words(view.workspace, view.state)

    def show(lines: tuple[tuple[str, str], ...]) -> None:
        TableDialog(window, "Where this view comes from", {"Provenance": [*lines]}).show()

    # The models' files are read for their fingerprints.
    window.controller.tasks.submit(Lane.DETAIL, "provenance", look, show)
