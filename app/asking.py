"""File dialogs, and the dialogs that only show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFileDialog

from app.dialogs import CommandPalette, TableDialog

if TYPE_CHECKING:
    from app.window import MainWindow

_FIGURE_FILTER = "PNG picture (*.png);;SVG drawing (*.svg);;PDF page (*.pdf)"
_STATE_FILTER = "Saved view (*.json)"
_GENERATOR_FILTER = "Generator (*.safetensors)"
_MOUSE = [
    (
        "Slices",
        "click or drag moves the cursor, the wheel scrolls, Ctrl+wheel enlarges",
    ),
    ("Cortex", "click moves the cursor, drag turns, Shift+drag shifts, wheel zooms, rest to read"),
    ("Trials", "arrows move, Ctrl+click and Shift+click select several"),
]


def ask_root(window: MainWindow) -> None:
    folder = QFileDialog.getExistingDirectory(window, "Open an NSD folder")
    if folder:
        window.open(Path(folder))


def ask_state(window: MainWindow) -> None:
    name, _ = QFileDialog.getOpenFileName(window, "Open a saved view", "", _STATE_FILTER)
    if name:
        window.open(Path(name))


def ask_save(window: MainWindow) -> None:
    name, _ = QFileDialog.getSaveFileName(window, "Save the view", "view.json", _STATE_FILTER)
    if name:
        window.save_view(Path(name).with_suffix(".json"))


def ask_figure(window: MainWindow) -> None:
    name, chosen = QFileDialog.getSaveFileName(
        window, "Export the figure", "figure.png", _FIGURE_FILTER
    )
    if name:
        path = Path(name)
        suffix = chosen[chosen.rfind("*") + 1 : -1] if "*" in chosen else ".png"
        window.export_figure(path if path.suffix else path.with_suffix(suffix))


def ask_generator_file(window: MainWindow) -> None:
    name, _ = QFileDialog.getOpenFileName(window, "Paint with a file", "", _GENERATOR_FILTER)
    if name:
        window.request(generator=name)


def ask_generator_folder(window: MainWindow) -> None:
    folder = QFileDialog.getExistingDirectory(window, "Paint with a diffusers pipeline")
    if folder:
        window.request(generator=folder)


def ask_training(window: MainWindow) -> None:
    start = window.settings.training_folder
    folder = QFileDialog.getExistingDirectory(window, "Watch the training in a run folder", start)
    if folder:
        window.watch.watch(Path(folder))


def show_palette(window: MainWindow) -> None:
    CommandPalette(window, list(window.commands.values())).show()


def show_shortcuts(window: MainWindow) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for command in window.command_table:
        if command.shortcut:
            keys = QKeySequence(command.shortcut)
            text = keys.toString(QKeySequence.SequenceFormat.NativeText)
            groups.setdefault(command.menu, []).append((command.text, text))
    TableDialog(window, "Shortcuts", {**groups, "Mouse": _MOUSE}).show()


def show_provenance(window: MainWindow) -> None:
    scene = window.scene()
    if scene is not None:
        lines = [(line.partition(": ")[0], line.partition(": ")[2]) for line in scene.provenance]
        TableDialog(window, "Where this view comes from", {"Provenance": lines}).show()
