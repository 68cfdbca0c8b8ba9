"""The first page: nothing is open yet."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.widgets import heading, small


class WelcomePanel(QWidget):
    """Invites to open a folder or to make the demo subject."""

    openWanted = Signal()
    demoWanted = Signal()
    rootWanted = Signal(str)
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        title = QLabel("See what a person saw beside what their brain says they saw")
        title.setObjectName("title")
        lead = QLabel(
            "Open a folder laid out as the Natural Scenes Dataset’s bucket, or begin with a "
            "simulated subject."
        )
        lead.setObjectName("lead")
        for label in (title, lead):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
        self._open = QPushButton("Open an NSD folder…")
        self._open.setObjectName("large")
        self._demo = QPushButton("Make the demo subject (simulated)")
        self._demo.setObjectName("primary")
        self._open.clicked.connect(self.openWanted)
        self._demo.clicked.connect(self.demoWanted)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addStretch()
        buttons.addWidget(self._open)
        buttons.addWidget(self._demo)
        buttons.addStretch()
        hint = small("or drop a folder or a saved view onto this window")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(60, 30, 60, 30)
        column.setSpacing(16)
        column.addStretch(3)
        for part in (title, lead):
            column.addWidget(part)
        column.addSpacing(8)
        column.addLayout(buttons)
        column.addWidget(hint)
        column.addSpacing(14)
        column.addLayout(self._progress_row())
        self._recent = QVBoxLayout()
        column.addLayout(self._recent)
        column.addStretch(4)

    def _progress_row(self) -> QVBoxLayout:
        self._message = small()
        self._message.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(320)
        self._cancel = QPushButton("cancel")
        self._cancel.setObjectName("flat")
        self._cancel.clicked.connect(self.cancelled)
        column = QVBoxLayout()
        for widget in (self._message, self._bar, self._cancel):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
            widget.hide()
        return column

    def show_recent(self, roots: list[str]) -> None:
        while (item := self._recent.takeAt(0)) is not None:
            if item.widget() is not None:
                item.widget().deleteLater()
        there = [r for r in roots if Path(r).is_dir()]
        if there:
            self._recent.addWidget(heading("Recent"), 0, Qt.AlignmentFlag.AlignHCenter)
        for root in there:
            button = QPushButton(root)
            button.setObjectName("flat")
            button.clicked.connect(lambda _=False, r=root: self.rootWanted.emit(r))
            self._recent.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def show_progress(self, fraction: float, text: str) -> None:
        self._bar.setValue(round(1000 * fraction))
        self._message.setText(f"{text} · {fraction:.0%}" if text else f"{fraction:.0%}")
        self._set_working(True)

    def finish(self) -> None:
        self._set_working(False)

    def _set_working(self, working: bool) -> None:
        for widget in (self._message, self._bar, self._cancel):
            widget.setVisible(working)
        for button in (self._open, self._demo):
            button.setEnabled(not working)
