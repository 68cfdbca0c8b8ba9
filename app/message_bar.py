"""A line under the header that says what went wrong; the session goes on."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from app.icons import themed_icon

_MOST_LINES = 10


class MessageBar(QFrame):
    """Sentence, "Details" where there are any, and a close button."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self._toggle = QPushButton("Details")
        self._toggle.setCheckable(True)
        self._toggle.setObjectName("flat")
        self._close = QToolButton()
        self._close.setObjectName("flat")
        self._close.setToolTip("Close this message")
        self._close.setAccessibleName("Close this message")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Details of the error")
        row = QHBoxLayout()
        row.addWidget(self.sentence, 1)
        row.addWidget(self._toggle)
        row.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 6, 10, 6)
        column.addLayout(row)
        column.addWidget(self.details)
        self._toggle.toggled.connect(self.details.setVisible)
        self._close.clicked.connect(self.hide)
        self.hide()

    def show_message(self, sentence: str, details: str, icon_colour: str) -> None:
        self._close.setIcon(themed_icon("close", icon_colour))
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        self.details.setPlainText(details)
        n_lines = min(details.count("\n") + 2, _MOST_LINES)
        self.details.setFixedHeight(n_lines * self.details.fontMetrics().lineSpacing() + 12)
        self._toggle.setChecked(False)
        self._toggle.setVisible(bool(details))
        self.details.hide()
        self.show()
