"""The monkey's hands: presses, drags, wheels, keys and files, as a person's arrive."""

from __future__ import annotations

import string
from pathlib import Path
from random import Random

import shiboken6
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QCursor,
    QDragEnterEvent,
    QDropEvent,
    QInputMethodEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

_LEFT, _RIGHT, _MIDDLE = (
    Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton,
)  # fmt: skip
_NONE = Qt.KeyboardModifier.NoModifier
_SHIFT, _CONTROL, _ALT = (
    Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)  # fmt: skip
# No slash, dot or tilde: what is typed into a field for a file stays in the folder that is there.
_NAMED_KEYS = ("Left", "Right", "Up", "Down", "PageUp", "PageDown", "Home", "End", "Tab", "Backtab",
               "Return", "Escape", "Space", "Delete", "Backspace", "Plus", "Minus", "Equal",
               "BracketLeft", "BracketRight", "Question", "F1", "F2", "F5", "F6", "F10")  # fmt: skip
_KEYS = tuple(
    getattr(Qt.Key, f"Key_{name}")
    for name in (*_NAMED_KEYS, *string.ascii_uppercase, *string.digits)
)
# With Control they close the window, which its commands do often enough.
_ENDS = (Qt.Key.Key_Q, Qt.Key.Key_W)
TEXTS = (
    "animal", "tool", "animal - tool", "food", "a face", "indoor − outdoor", "0.5 animal + tool",
    "qqqq", "", "   ", "-", "animal -", "image:3", "trial:5", "5", "-1", "1e9", "V1v", "session 1",
    "shared", "Ünïcødé ✓ 脑", "x" * 400, "<b>bold</b>", "a\tb", "floc-faces", "%s%n", "map", "jobs",
)  # fmt: skip


def place_in(widget: QWidget, rng: Random) -> QPoint:
    """Return a random point inside a widget."""
    return QPoint(rng.randrange(max(widget.width(), 1)), rng.randrange(max(widget.height(), 1)))


def name_of(widget: QWidget) -> str:
    """Say what a widget is, for the record."""
    said = widget.accessibleName() or widget.objectName() or str(widget.property("text") or "")
    return f"{type(widget).__name__} {said[:40]!r}".replace("\n", " ")


def click(widget: QWidget, rng: Random, at: QPoint | None = None) -> str:
    """Click, now and then with another button, a modifier, or twice."""
    at = place_in(widget, rng) if at is None else at
    button = rng.choices((_LEFT, _RIGHT, _MIDDLE), (20, 3, 1))[0]
    modifier = rng.choices((_NONE, _SHIFT, _CONTROL), (14, 1, 1))[0]
    double = rng.random() < 0.12
    said = f"click{' twice' if double else ''} {button.name} {name_of(widget)} {at.toTuple()}"
    QTest.mousePress(widget, button, modifier, at)
    if double and shiboken6.isValid(widget):
        QTest.mouseDClick(widget, button, modifier, at)
    if shiboken6.isValid(widget):
        QTest.mouseRelease(widget, button, modifier, at)
    if button is _RIGHT and shiboken6.isValid(widget):
        reason = QContextMenuEvent.Reason.Mouse
        QApplication.sendEvent(widget, QContextMenuEvent(reason, at, widget.mapToGlobal(at)))
    return said


def drag(widget: QWidget, rng: Random) -> str:
    """Press, move and let go."""
    start, end = place_in(widget, rng), place_in(widget, rng)
    button = rng.choices((_LEFT, _RIGHT, _MIDDLE), (8, 1, 1))[0]
    modifier = rng.choices((_NONE, _SHIFT), (8, 1))[0]
    said = f"drag {button.name} {name_of(widget)} {start.toTuple()} to {end.toTuple()}"
    QTest.mousePress(widget, button, modifier, start)
    for step in range(1, 6):
        if not shiboken6.isValid(widget):
            return said
        at = QPointF(start) + (QPointF(end) - QPointF(start)) * step / 5
        QApplication.sendEvent(
            widget,
            QMouseEvent(
                QMouseEvent.Type.MouseMove, at, widget.mapToGlobal(at), Qt.MouseButton.NoButton,
                button, modifier,
            ),
        )  # fmt: skip
    if shiboken6.isValid(widget):
        QTest.mouseRelease(widget, button, modifier, end)
    return said


def wheel(widget: QWidget, rng: Random) -> str:
    """Turn the wheel by some notches."""
    at = QPointF(place_in(widget, rng))
    turn = QPoint(0, rng.choice((-360, -120, -30, 30, 120, 360)))
    modifier = rng.choices((_NONE, _CONTROL), (5, 1))[0]
    event = QWheelEvent(
        at, widget.mapToGlobal(at), QPoint(), turn, Qt.MouseButton.NoButton, modifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    said = f"wheel {turn.y()} {name_of(widget)}"
    QApplication.sendEvent(widget, event)
    return said


def hover(widget: QWidget, rng: Random) -> str:
    """Put the real pointer over a widget."""
    QCursor.setPos(widget.mapToGlobal(place_in(widget, rng)))
    return f"hover {name_of(widget)}"


def press_keys(widget: QWidget, rng: Random) -> str:
    """Press one to three keys."""
    said = []
    for _ in range(rng.randint(1, 3)):
        if not shiboken6.isValid(widget):
            break
        key = rng.choice(_KEYS)
        modifier = rng.choices((_NONE, _SHIFT, _CONTROL, _ALT), (12, 2, 2, 1))[0]
        if modifier is _CONTROL and key in _ENDS:
            modifier = _NONE
        said.append(f"{modifier.name}+{key.name}")
        QTest.keyClick(widget, key, modifier)
    return f"keys {' '.join(said)}"


def write(widget: QWidget, rng: Random) -> str:
    """Type a text, perhaps over what is there, perhaps with Enter."""
    text = rng.choice(TEXTS)
    said = f"write {text[:30]!r} in {name_of(widget)}"
    if rng.random() < 0.6:
        QTest.keyClick(widget, Qt.Key.Key_A, _CONTROL)
    for letter in text[:60]:
        if not shiboken6.isValid(widget):
            return said
        if letter.isascii():
            QTest.keyClicks(widget, letter)
        else:
            # As an input method sends what no key has.
            event = QInputMethodEvent()
            event.setCommitString(letter)
            QApplication.sendEvent(widget, event)
    if rng.random() < 0.4 and shiboken6.isValid(widget):
        QTest.keyClick(widget, Qt.Key.Key_Return)
    return said


def drop(window: QWidget, paths: list[Path], at: QPoint) -> str:
    """Drop files on a window."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, action = _LEFT, Qt.DropAction.CopyAction
    QApplication.sendEvent(window, QDragEnterEvent(at, action, mime, buttons, _NONE))
    QApplication.sendEvent(window, QDropEvent(QPointF(at), action, mime, buttons, _NONE))
    return f"drop {', '.join(path.name for path in paths)}"
