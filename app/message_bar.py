"""A line under the header that says what went wrong; the session goes on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from app.icons import themed_icon
from app.plain_text import Label, caption

_MOST_LINES = 10
# Details of a defect of ours, and not of what a person can mend.
_DEFECT = "Traceback"


class MessageBar(QFrame):
    """Sentence, what can be done about it, "Details" where there are any, and a close button.

    Of a defect of ours a report can be copied, too.
    """

    reportWanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self.sentence = Label()
        self.sentence.setWordWrap(True)
        self.action = QPushButton()
        self._on_action: Callable[[], object] | None = None
        self._toggle = QPushButton("Details")
        self._toggle.setCheckable(True)
        self._toggle.setObjectName("flat")
        self.copy = QPushButton("Copy report")
        self.copy.setObjectName("flat")
        self.copy.setToolTip("Copy what helps to find this fault; nothing is sent")
        self.copy.clicked.connect(lambda: self.reportWanted.emit(self.details.toPlainText()))
        self._close = QToolButton()
        self._close.setObjectName("flat")
        self._close.setToolTip("Close this message")
        self._close.setAccessibleName("Close this message")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Details of the error")
        row = QHBoxLayout()
        row.addWidget(self.sentence, 1)
        row.addWidget(self.action)
        row.addWidget(self.copy)
        row.addWidget(self._toggle)
        row.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 6, 10, 6)
        column.addLayout(row)
        column.addWidget(self.details)
        self._toggle.toggled.connect(self.details.setVisible)
        self._close.clicked.connect(self.hide)
        self.action.clicked.connect(self._act)
        self.hide()

    def offer(
        self,
        sentence: str,
        text: str,
        act: Callable[[], object],
        icon_colour: str,
        details: str = "",
    ) -> None:
        """Say something that one click answers; it goes with the click."""
        self.show_message(sentence, details, icon_colour)
        self.add_action(text, act)

    def add_action(self, text: str, act: Callable[[], object]) -> None:
        """Put a button beside the sentence that is shown; both go with the click."""
        self._on_action = act
        self.action.setText(caption(text))
        self.action.setAccessibleName(f"{text}: {self.sentence.text()}")
        self.action.show()

    def _act(self) -> None:
        act, self._on_action = self._on_action, None
        self.hide()
        if act is not None:
            act()

    def show_message(self, sentence: str, details: str, icon_colour: str) -> None:
        self._on_action = None
        self.action.hide()
        self._close.setIcon(themed_icon("close", icon_colour))
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        self.details.setPlainText(details)
        n_lines = min(details.count("\n") + 2, _MOST_LINES)
        self.details.setFixedHeight(n_lines * self.details.fontMetrics().lineSpacing() + 12)
        self._toggle.setChecked(False)
        self._toggle.setVisible(bool(details))
        self.copy.setVisible(_DEFECT in details)
        self.details.hide()
        self.show()
