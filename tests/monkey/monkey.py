"""What a monkey does next: a function of its seed, the number of the action and what it sees."""

from __future__ import annotations

from pathlib import Path
from random import Random

import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QFileDialog,
    QLineEdit,
    QMenu,
    QPushButton,
    QWidget,
)

from app.window import MainWindow
from tests.monkey import hands

_KINDS = {
    "command": 30, "click": 26, "drag": 8, "wheel": 8, "hover": 4, "keys": 12, "write": 6,
    "resize": 3, "drop": 1, "open": 1,
}  # fmt: skip
_SIZES = ((640, 480), (1024, 768), (1280, 800), (1920, 1080), (2560, 1440))
# Closing the window and opening it again is done rarely: it takes a second.
_RARE = {"file.quit": 0.1, "file.close": 0.1, "file.new-window": 0.1, "file.demo": 0.0}
# After so many actions in a dialog or menu it is left.
_PATIENCE = 6
_STUBBORN = 60


class Monkey:
    """Acts on whatever stands before it.

    Parameters
    ----------
    folder
        Where files are written that it is asked for; nothing leaves it.
    files
        What it opens and drops: data folders, sessions, maps, damaged ones.
    left_out
        Commands that it does not choose.
    kinds
        How often it does what; None for everything.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        files: list[Path],
        left_out: frozenset[str] = frozenset(),
        kinds: dict[str, int] | None = None,
    ) -> None:
        self.seed, self.folder, self.files, self._left_out = seed, folder, files, left_out
        self._kinds = kinds or _KINDS
        self._before_it: QWidget | None = None
        self._n_before_it = 0
        self.stuck: list[str] = []

    def rng(self, number: int) -> Random:
        """Return the chance of one action, whatever came before."""
        return Random(f"{self.seed}:{number}")

    def act(self, windows: list[MainWindow], rng: Random) -> str:
        """Do one thing; returns it in words."""
        in_front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if in_front is not None and shiboken6.isValid(in_front):
            return self._face(in_front, rng)
        self._before_it, self._n_before_it = None, 0
        window = rng.choice(windows)
        kind = rng.choices(tuple(self._kinds), tuple(self._kinds.values()))[0]
        if kind == "command":
            return self.command(window, rng)
        if kind == "resize":
            size = rng.choice(_SIZES) if rng.random() < 0.5 else (
                rng.randint(640, 2560), rng.randint(480, 1440)
            )  # fmt: skip
            window.resize(*size)
            return f"resize {size}"
        if kind == "drop":
            paths = rng.sample(self.files, rng.choice((1, 1, 1, 2)))
            return hands.drop(window, paths, hands.place_in(window, rng))
        if kind == "open":
            path = rng.choice(self.files)
            window.open(path)
            return f"open {path.name}"
        beside = [
            top for top in QApplication.topLevelWidgets()
            if top.isVisible() and not isinstance(top, MainWindow) and top.width() > 2
        ]  # fmt: skip
        return self._touch(
            kind, rng.choice(beside) if beside and rng.random() < 0.4 else window, rng
        )

    def command(self, window: MainWindow, rng: Random) -> str:
        """Choose a command in the menu."""
        for _ in range(20):
            command = rng.choice(window.command_table)
            if command.name in self._left_out or rng.random() > _RARE.get(command.name, 1.0):
                continue
            if window.commands[command.name].isEnabled():
                window.commands[command.name].trigger()
                return f"command {command.name}"
        return "no command"

    def leave(self) -> bool:
        """Close a menu or dialog that stands before the window; returns whether there was one."""
        in_front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if in_front is None:
            for top in QApplication.topLevelWidgets():
                if isinstance(top, QDialog) and top.isVisible():
                    top.close()
                    return True
            return False
        _close(in_front)
        return True

    # --- what stands before the window -------------------------------------------------------

    def _face(self, widget: QWidget, rng: Random) -> str:
        if self._before_it is not widget:
            self._before_it, self._n_before_it = widget, 0
        self._n_before_it += 1
        name = hands.name_of(widget)
        if self._n_before_it > _STUBBORN:
            self.stuck.append(f"{name} cannot be left")
            widget.hide()
            return f"hide {name}"
        if self._n_before_it > _PATIENCE or rng.random() < 0.15:
            _close(widget)
            return f"leave {name}"
        if isinstance(widget, QFileDialog):
            return self._choose_file(widget, rng)
        if isinstance(widget, QMenu):
            return _choose_in(widget, rng)
        kind = rng.choices(("click", "keys", "write", "wheel", "drag"), (10, 3, 3, 1, 1))[0]
        return self._touch(kind, widget, rng)

    def _choose_file(self, dialog: QFileDialog, rng: Random) -> str:
        line = dialog.findChild(QLineEdit, "fileNameEdit")
        if line is None or rng.random() < 0.25:
            dialog.reject()
            return "no file"
        if dialog.acceptMode() is QFileDialog.AcceptMode.AcceptSave:
            suffixes = ("", ".png", ".svg", ".pdf", ".json", ".nii.gz", ".csv", ".mp4")
            path = (
                self.folder
                / f"{rng.choice(('view', 'ein Bild ✓', 'x' * 90))}{rng.choice(suffixes)}"
            )
        else:
            path = rng.choice(self.files)
        line.setText(str(path))
        for button in dialog.findChildren(QPushButton):
            if button.isDefault() and button.isVisible() and button.isEnabled():
                QTest.mouseClick(button, Qt.MouseButton.LeftButton)
                return f"file {path.name}"
        dialog.reject()
        return f"file {path.name} cannot be taken"

    # --- anything that is seen ---------------------------------------------------------------

    def _touch(self, kind: str, top: QWidget, rng: Random) -> str:
        """Do something to one of the parts of a window or of what it has opened beside it."""
        if kind in ("keys", "write"):
            focused = QApplication.focusWidget()
            target = focused if focused is not None and top.isAncestorOf(focused) else top
            if kind == "keys":
                return hands.press_keys(target, rng)
            fields = [f for f in _seen(top) if isinstance(f, QLineEdit) and not f.isReadOnly()]
            if fields and (not isinstance(target, QLineEdit) or rng.random() < 0.5):
                target = rng.choice(fields)
                target.setFocus()
            return hands.write(target, rng)
        target = _target(top, rng)
        if kind == "drag":
            return hands.drag(target, rng)
        if kind == "wheel":
            return hands.wheel(target, rng)
        if kind == "hover":
            return hands.hover(target, rng)
        return hands.click(target, rng)


def _seen(top: QWidget) -> list[QWidget]:
    """Return what is seen of a window and can be used."""
    # Not `findChildren`, which would make the window's Python half hold all of them.
    parts = [w for w in QApplication.allWidgets() if w.isVisible() and w.isEnabled()]
    return [w for w in parts if w.width() > 2 and w.height() > 2 and top.isAncestorOf(w)]


def _target(top: QWidget, rng: Random) -> QWidget:
    """Return a widget: any one, a button, or the one at a random point."""
    how = rng.random()
    if how < 0.4:
        return top.childAt(hands.place_in(top, rng)) or top
    seen = _seen(top)
    if how < 0.7:
        buttons = [w for w in seen if isinstance(w, QAbstractButton)]
        seen = buttons or seen
    return rng.choice(seen) if seen else top


def _choose_in(menu: QMenu, rng: Random) -> str:
    actions = [a for a in menu.actions() if a.isEnabled() and not a.isSeparator() and a.isVisible()]
    if not actions or rng.random() < 0.25:
        menu.close()
        return "close a menu"
    action = rng.choice(actions)
    said = f"choose {action.text()!r}"
    if _quits(action.objectName(), rng):
        menu.close()
        return "close a menu"
    QTest.mouseClick(
        menu, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        menu.actionGeometry(action).center(),
    )  # fmt: skip
    return said


def _quits(name: str, rng: Random) -> bool:
    return name in _RARE and rng.random() > _RARE[name]


def _close(widget: QWidget) -> None:
    if isinstance(widget, QDialog):
        widget.reject()
    else:
        widget.close()
