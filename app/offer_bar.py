"""A line over the view that offers something until it is answered; each line has its buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.plain_text import Label, caption

Answer = tuple[str, Callable[[], object]]


class OfferBar(QFrame):
    """Stays through whatever else is said; goes with the last offer."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(14, 6, 10, 6)
        self._column.setSpacing(4)
        self._lines: dict[object, QWidget] = {}
        self.hide()

    def offer(self, key: object, sentence: str, answers: Sequence[Answer]) -> None:
        """Add a line, in place of one of the same key; an answer takes it away."""
        self.withdraw(key)
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        label = Label(sentence)
        label.setWordWrap(True)
        label.setAccessibleName(sentence)
        row.addWidget(label, 1)
        for text, act in answers:
            button = QPushButton(caption(text))
            button.setAccessibleName(f"{text}: {sentence}")
            button.clicked.connect(lambda _=False, act=act: self._answer(key, act))
            row.addWidget(button)
        self._lines[key] = line
        self._column.addWidget(line)
        self.show()

    def withdraw(self, key: object) -> None:
        """Take a line away, if it is there."""
        line = self._lines.pop(key, None)
        if line is not None:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        self.setVisible(bool(self._lines))

    def _answer(self, key: object, act: Callable[[], object]) -> None:
        self.withdraw(key)
        act()
