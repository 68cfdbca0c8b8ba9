"""Help → Report for a bug: what `nsdviewer doctor` says, to be read and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout

from app.plain_text import Label
from app.tasks import Lane

if TYPE_CHECKING:
    from app.window import MainWindow

_SIZE_PX = (760, 560)
_LEAD = (
    "This is what helps to find a fault. It names no person and no data; read it, copy it, and paste "
    "it where you tell of the fault. Nothing is sent by itself."
)


class ReportDialog(QDialog):
    """The report, collected while the dialog is open."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.setWindowTitle("Report for a bug")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lead = Label(_LEAD)
        lead.setObjectName("lead")
        lead.setWordWrap(True)
        self.text = QPlainTextEdit("collecting…")
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Report")
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.copy = QPushButton("Copy")
        self.copy.setObjectName("primary")
        self.copy.setEnabled(False)
        self.copy.clicked.connect(self._copy)
        close = QPushButton("Close")
        close.setObjectName("large")
        close.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(close)
        buttons.addWidget(self.copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(12)
        column.addWidget(lead)
        column.addWidget(self.text, 1)
        column.addLayout(buttons)
        room = window.screen().availableSize()
        self.resize(min(_SIZE_PX[0], room.width() - 40), min(_SIZE_PX[1], room.height() - 80))
        self._is_open = True
        self.finished.connect(self._leave)
        window.controller.tasks.submit(Lane.DROPS, "report", lambda _: _collect(), self._show)

    def _show(self, text: str) -> None:
        if self._is_open:
            self.text.setPlainText(text)
            self.copy.setEnabled(True)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self.copy.setText("Copied")

    def _leave(self) -> None:
        self._is_open = False


def _collect() -> str:
    from nsdviewer.diagnosis.report import as_text, diagnose

    return as_text(diagnose())
