"""Fields of numbers and texts that keep what makes sense and forget what does not."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit

from app.plain_text import plain

_DECIMALS = 2


class RealField(QLineEdit):
    """A number; Enter or leaving the field takes it, arrows step, nonsense goes back.

    Signals
    -------
    taken
        The number, where it is another than before.
    """

    taken = Signal(float)

    def __init__(self, name: str, step: float = 1.0, fine: float = 0.1) -> None:
        super().__init__()
        self.setObjectName("number")
        self.setAccessibleName(name)
        self.setToolTip(plain(name))
        self.setMinimumWidth(58)
        self._step, self._fine = step, fine
        self._value: float | None = None
        self.returnPressed.connect(self._take)

    def value(self) -> float | None:
        """Return the number that holds; None where several panels differ."""
        return self._value

    def set_value(self, value: float | None, mixed: bool = False) -> None:
        """Show a number without a signal; what is being typed stays."""
        is_typing = self.hasFocus() and self.isModified()
        self._value = value
        self.setPlaceholderText("several" if mixed else "")
        if not is_typing:
            self._show()

    def _show(self) -> None:
        value = self._value
        self.setText("" if value is None else f"{round(value, _DECIMALS):g}")
        self.setModified(False)

    def _take(self) -> None:
        typed = parse_number(self.text())
        if self.isModified() and typed is not None and typed != self._value:
            self.setModified(False)
            # Shown as typed until the page answers; a refusal brings the old one back.
            self.taken.emit(typed)
        self._show()

    def event(self, event: QEvent) -> bool:
        # Where nothing is being typed, undo is the page's.
        return False if leaves_undo(event) and not self.isModified() else super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._take()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if by is not None and self._value is not None:
            fine = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self.setModified(False)
            self.taken.emit(round(self._value + by * (self._fine if fine else self._step), 3))
            self._show()
        elif event.key() == Qt.Key.Key_Escape and self.isModified():
            self._show()
        else:
            super().keyPressEvent(event)


class TextField(QLineEdit):
    """A line of text; Enter or leaving the field takes it, Escape goes back."""

    taken = Signal(str)

    def __init__(self, name: str, placeholder: str = "") -> None:
        super().__init__()
        self.setObjectName("number")
        self.setAccessibleName(name)
        self.setToolTip(plain(name))
        self.setPlaceholderText(placeholder)
        self._value = ""
        self.returnPressed.connect(self._take)

    def set_value(self, value: str) -> None:
        """Show a text without a signal; what is being typed stays."""
        is_typing = self.hasFocus() and self.isModified()
        self._value = value
        if not is_typing:
            self._show()

    def _show(self) -> None:
        self.setText(self._value)
        self.setModified(False)

    def _take(self) -> None:
        if self.isModified() and self.text() != self._value:
            self.setModified(False)
            self.taken.emit(self.text())
        self._show()

    def event(self, event: QEvent) -> bool:
        # Where nothing is being typed, undo is the page's.
        return False if leaves_undo(event) and not self.isModified() else super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._take()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.isModified():
            self._show()
        else:
            super().keyPressEvent(event)


def leaves_undo(event: QEvent) -> bool:
    """Whether an event asks if a field wants the keys of undo; the page's is meant by them."""
    return (
        event.type() == QEvent.Type.ShortcutOverride
        and isinstance(event, QKeyEvent)
        and (event.matches(QKeySequence.StandardKey.Undo)
             or event.matches(QKeySequence.StandardKey.Redo))
    )  # fmt: skip


class ProseField(QPlainTextEdit):
    """Several lines of text; Ctrl+Enter or leaving the field takes them, Escape goes back."""

    taken = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("prose")
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.setFixedHeight(72)
        self._value = ""

    def set_value(self, value: str) -> None:
        """Show a text without a signal; what is being typed stays."""
        changed = value != self._value
        self._value = value
        if changed and not (self.hasFocus() and self.document().isModified()):
            self._show()

    def _show(self) -> None:
        self.setPlainText(self._value)
        self.document().setModified(False)

    def _take(self) -> None:
        if self.toPlainText() != self._value:
            self.taken.emit(self.toPlainText())
        self.document().setModified(False)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._take()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._take()
        elif event.key() == Qt.Key.Key_Escape:
            self._show()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        # Escape is the field's, not a shortcut of its window.
        is_key = event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent)
        if is_key and event.key() == Qt.Key.Key_Escape:  # type: ignore[attr-defined]
            event.accept()
            return True
        if leaves_undo(event) and not self.document().isModified():
            return False
        return super().event(event)


def parse_number(text: str) -> float | None:
    """Read a number, with a point or a comma, perhaps with its unit; None where it is none."""
    plain = text.strip().lower().removesuffix("mm").removesuffix("pt").replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
