"""The one way to ask for a folder, a file or a text; tests give the answers in its place."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from app.settings import Settings


def ask_folder(parent: QWidget, title: str, start: str = "") -> Path | None:
    """Ask for a folder; None where the person gives none."""
    folder = QFileDialog.getExistingDirectory(parent, title, start)
    return Path(folder) if folder else None


def ask_file(parent: QWidget, title: str, kinds: str, start: str = "") -> Path | None:
    """Ask for a file that is there, of `kinds` as Qt writes them; None where none is given."""
    name, _ = QFileDialog.getOpenFileName(parent, title, start, kinds)
    return Path(name) if name else None


def ask_new_file(parent: QWidget, title: str, kinds: str, start: str = "") -> Path | None:
    """Ask for a file to write; one without a suffix gets that of the kind that was chosen."""
    name, chosen = QFileDialog.getSaveFileName(parent, title, start, kinds)
    if not name:
        return None
    path = Path(name)
    suffix = chosen[chosen.rfind("*") + 1 : -1] if "*" in chosen else Path(start).suffix
    return path if path.suffix else path.with_suffix(suffix)


def ask_place(
    parent: QWidget, title: str, kinds: str, name: str, settings: Settings
) -> Path | None:
    """Ask for a file to write, offered beside what was written last; None where none is given."""
    path = ask_new_file(parent, title, kinds, str(settings.place_for(name)))
    if path is not None:
        settings.remember_written(path)
    return path


def free_place(path: Path) -> Path:
    """Return `path`, with a number behind its name where a file of that name is there already."""
    free, n = path, 2
    while free.exists():
        free, n = path.with_stem(f"{path.stem}-{n}"), n + 1
    return free


def ask_text(parent: QWidget, title: str, label: str, text: str = "") -> str | None:
    """Ask for a line of text; None where the person gives none."""
    said, agreed = QInputDialog.getText(parent, title, label, text=text)
    return said.strip() or None if agreed else None
