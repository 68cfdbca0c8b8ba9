"""What a window itself has under way, below the jobs; and the button that says how many those are."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.jobs.row import TaskRow
from app.jobs.words import summary_said
from app.widgets import heading
from nsdviewer.background import JobView

# What is over in less is not worth a line.
_AFTER_MS = 400


class OwnTasks(QWidget):
    """A line for each task that lasts; hidden while there is none."""

    cancelled = Signal(str)
    # A line came or went.
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, TaskRow] = {}
        self._begun: dict[str, QTimer] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addWidget(heading("This window"))
        self.hide()

    def begin(self, kind: str) -> None:
        """Show a task if it is not over soon."""
        if kind in self._rows:
            return
        if kind not in self._begun:
            timer = QTimer(self, singleShot=True, interval=_AFTER_MS)
            timer.timeout.connect(lambda: self._show(kind))
            self._begun[kind] = timer
        self._begun[kind].start()

    def show_progress(self, kind: str, fraction: float, text: str) -> None:
        if kind in self._rows:
            self._rows[kind].show_progress(fraction, text)

    def end(self, kind: str) -> None:
        timer = self._begun.pop(kind, None)
        if timer is not None:
            timer.stop()
            timer.deleteLater()
        row = self._rows.pop(kind, None)
        if row is not None:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
            self.setVisible(bool(self._rows))
            self.changed.emit()

    def _show(self, kind: str) -> None:
        row = TaskRow(kind)
        row.cancelled.connect(self.cancelled)
        self._rows[kind] = row
        self._column.addWidget(row)
        self.show()
        self.changed.emit()


class JobsButton(QPushButton):
    """How many jobs run and how far they are; opens and closes the drawer."""

    def __init__(self) -> None:
        super().__init__("Jobs")
        self.setObjectName("flat")
        self.setCheckable(True)
        self.setToolTip("Jobs (Ctrl+J)")
        self.show_running(())

    def show_running(self, running: tuple[JobView, ...]) -> None:
        text = summary_said(running)
        if text != self.text() or not self.accessibleName():
            self.setText(text)
            self.setAccessibleName(f"{text}: show the jobs" if running else "Show the jobs")
