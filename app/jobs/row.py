"""One line of the list of jobs, and one of what the window itself has under way."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.jobs.words import stage_said, task_said
from app.widgets import ElidedLabel, small
from nsdviewer.background import JobStage, JobView


class JobRow(QWidget):
    """Title and stage over a bar, and what it says or why it failed."""

    def __init__(self) -> None:
        super().__init__()
        self.job: JobView | None = None
        self.title = ElidedLabel(name="")
        self.stage = small()
        self.bar = _bar()
        self.said = ElidedLabel()
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.title, 1)
        top.addWidget(self.stage)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 7, 10, 7)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.bar)
        column.addWidget(self.said)

    def show_job(self, job: JobView) -> None:
        self.job = job
        runs = job.stage is JobStage.RUNNING
        self.title.setText(job.record.title)
        self.stage.setText(stage_said(job))
        name = "accent" if runs else "note" if job.stage in _WORRYING else "small"
        if self.stage.objectName() != name:
            self.stage.setObjectName(name)
            self.stage.style().unpolish(self.stage)
            self.stage.style().polish(self.stage)
        self.bar.setVisible(runs)
        self.bar.setValue(round(1000 * job.fraction))
        self.bar.setAccessibleName(f"Progress of {job.record.title}")
        self.said.setText(job.fault or job.message)
        self.said.setVisible(bool(job.fault or (runs and job.message)))


_WORRYING = (JobStage.FAILED, JobStage.INTERRUPTED)


class TaskRow(QWidget):
    """One task of this window, with what stops it."""

    cancelled = Signal(str)

    def __init__(self, kind: str) -> None:
        super().__init__()
        name = task_said(kind)
        self.title = ElidedLabel(name)
        self.bar = _bar()
        self.bar.setFixedWidth(90)
        self.bar.setAccessibleName(f"Progress: {name}")
        self.cancel = QPushButton("cancel")
        self.cancel.setObjectName("flat")
        self.cancel.setAccessibleName(f"Cancel: {name}")
        self.cancel.clicked.connect(lambda: self.cancelled.emit(kind))
        self._name = name
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 4, 0)
        row.setSpacing(10)
        row.addWidget(self.title, 1)
        row.addWidget(self.bar)
        row.addWidget(self.cancel)

    def show_progress(self, fraction: float, text: str) -> None:
        self.bar.setValue(round(1000 * fraction))
        self.title.setText(f"{self._name} · {text}" if text else self._name)


def _bar() -> QProgressBar:
    bar = QProgressBar()
    bar.setRange(0, 1000)
    bar.setTextVisible(False)
    return bar
