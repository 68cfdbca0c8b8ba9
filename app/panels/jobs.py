"""Long work: the jobs of this person, and what this window has under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import themed_icon
from app.jobs.log import LogView
from app.jobs.row import JobRow
from app.jobs.tasks import OwnTasks
from app.jobs.words import command_shown, stage_said
from app.plain_text import Label, plain
from app.style import palette_of
from app.tabs import Tabs
from app.widgets import ElidedLabel, heading, small
from nsdviewer.background import JobStage, JobView
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from app.jobs.curves import JobCurves

_SHARE, _HEIGHT_PX = 0.3, (190, 340)
# Of a drawer that only says that it is empty.
_EMPTY_PX = 84
_ENDED = (JobStage.DONE, JobStage.FAILED, JobStage.CANCELLED)
LOG, CURVES = 0, 1


class JobsPanel(QFrame):
    """A drawer: the list on the left, log and curves of the chosen job on the right.

    `actionWanted` carries what is to be done, as the button is called, and the job.
    """

    newWanted = Signal()
    actionWanted = Signal(str, object)
    clearWanted = Signal()
    chosenChanged = Signal()
    seen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("drawer")
        self.setAccessibleName("Jobs")
        self._theme = Theme.DARK
        self._plots: Any = None
        self._axis = ""
        self._make_list()
        self._make_detail()
        self._lay_out()
        self.hide()

    # --- building ----------------------------------------------------------------------------

    def _make_list(self) -> None:
        self.list = QListWidget()
        self.list.setObjectName("jobs")
        self.list.setAccessibleName("Jobs, the newest first")
        self.list.currentItemChanged.connect(lambda *_: self._choose())
        self.new = QPushButton("New job…")
        self.clear = QPushButton("Clear ended")
        self.clear.setToolTip("Forget the jobs that are done, failed or cancelled, and their logs")
        self.close_button = QToolButton()
        self.close_button.setObjectName("flat")
        self.close_button.setToolTip("Close the jobs (Esc)")
        self.close_button.setAccessibleName("Close the jobs")
        self.note = small("", "note")
        self.note.setWordWrap(True)
        self.empty = small(
            "No jobs. Fits, trainings and caches run here: they go on when the window is closed, and "
            "are found again."
        )
        self.empty.setWordWrap(True)
        self.own = OwnTasks()
        self.own.changed.connect(self._fit)
        self.new.clicked.connect(self.newWanted)
        self.clear.clicked.connect(self.clearWanted)
        self.close_button.clicked.connect(self.hide)

    def _make_detail(self) -> None:
        self.title = ElidedLabel(name="")
        self.stage = small()
        self.command = ElidedLabel()
        self.fault = small("", "note")
        self.fault.setWordWrap(True)
        self.buttons: dict[str, QPushButton] = {}
        for name, tip in (
            ("Cancel", "Stop the job; what it needs to go on is kept"),
            ("Resume", "Run its command again; fits and trainings go on where they were"),
            ("Use", "Load what was fitted into this window"),
            ("Watch", "Watch the training: curves and sheets"),
            ("Folder", "Show the job's folder"),
            ("Copy", "Copy its command for a shell"),
            ("Remove", "Forget the job and its log; what it wrote elsewhere stays"),
        ):
            button = QPushButton(name)
            button.setObjectName("flat")
            button.setToolTip(plain(tip))
            button.setAccessibleName(f"{name} the chosen job")
            button.clicked.connect(lambda _=False, n=name: self._act(n))
            self.buttons[name] = button
        self.log = LogView()
        self._curves_area = QScrollArea()
        self._curves_area.setWidgetResizable(True)
        self._curves_area.viewport().setAutoFillBackground(False)
        self.no_curves = Label("reading the curves…")
        self.no_curves.setObjectName("small")
        self.no_curves.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._curves_area.setWidget(self.no_curves)
        self.tabs = Tabs(("log", self.log), ("curves", self._curves_area))
        self.tabs.row.setContentsMargins(0, 2, 0, 4)
        self.tabs.turned.connect(lambda _: self.chosenChanged.emit())

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(heading("Jobs"))
        top.addStretch()
        top.addWidget(self.clear)
        top.addWidget(self.new)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(14, 10, 10, 8)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self.note)
        column.addWidget(self.list, 1)
        column.addWidget(self.empty, 1, Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.own)
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(self.title, 1)
        for button in self.buttons.values():
            head.addWidget(button)
        right = QWidget()
        inner = QVBoxLayout(right)
        inner.setContentsMargins(14, 10, 6, 8)
        inner.setSpacing(4)
        inner.addLayout(head)
        said = QHBoxLayout()
        said.setSpacing(10)
        said.addWidget(self.command, 1)
        said.addWidget(self.stage)
        inner.addLayout(said)
        inner.addWidget(self.fault)
        inner.addWidget(self.tabs, 1)
        self._right = right
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(right)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 3)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 6, 0)
        row.setSpacing(0)
        row.addWidget(split, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.show_jobs((), "")

    # --- what it shows -----------------------------------------------------------------------

    def show_jobs(self, jobs: tuple[JobView, ...], fault: str) -> None:
        """Show all jobs in their order; rows that stay keep their place and the keyboard's."""
        rows = [self._row(k) for k in range(self.list.count())]
        if [row.job.id for row in rows if row.job] != [job.id for job in jobs]:
            self._fill(jobs)
        for k, job in enumerate(jobs):
            row, item = self._row(k), self.list.item(k)
            row.show_job(job)
            item.setSizeHint(QSize(10, row.sizeHint().height()))
            item.setData(
                Qt.ItemDataRole.AccessibleTextRole, f"{job.record.title}, {stage_said(job)}"
            )
        self.note.setText(fault)
        self.note.setVisible(bool(fault))
        self.list.setVisible(bool(jobs))
        self.empty.setVisible(not jobs)
        self.clear.setEnabled(bool(self.ended_ids))
        self._fit()
        self._show_chosen()

    def choose(self, job_id: str) -> None:
        """Make a job the chosen one."""
        for k in range(self.list.count()):
            job = self._row(k).job
            if job is not None and job.id == job_id:
                self.list.setCurrentRow(k)

    @property
    def chosen(self) -> JobView | None:
        row = self.list.currentRow()
        return self._row(row).job if row >= 0 else None

    @property
    def ended_ids(self) -> tuple[str, ...]:
        jobs = [self._row(k).job for k in range(self.list.count())]
        return tuple(job.id for job in jobs if job is not None and job.stage in _ENDED)

    @property
    def shows_curves(self) -> bool:
        return self.tabs.pages.currentIndex() == CURVES

    @property
    def draws_curves(self) -> bool:
        return self._plots is not None

    def offer_use(self, offered: bool, watchable: bool, has_curves: bool) -> None:
        """Say what can be done with the chosen job besides what every job can."""
        self.buttons["Use"].setVisible(offered)
        self.buttons["Watch"].setVisible(watchable)
        self.tabs.chips[CURVES].setVisible(has_curves)
        if not has_curves and self.shows_curves:
            self.tabs.turn_to(LOG)

    def show_log(self, job_id: str, text: str) -> None:
        if self.chosen is not None and self.chosen.id == job_id:
            self.log.show_log(text)

    def show_curves(self, found: JobCurves | None) -> None:
        """Show the chosen job's curves; None says that there are none yet."""
        if found is None:
            if self._plots is None:
                self.no_curves.setText("no curve yet")
            return
        if self.chosen is None or self.chosen.id != found.job_id:
            return
        if self._axis != found.axis:
            # Loaded by whoever read the curves, on another thread.
            from app.plots import Plots

            self._axis, self._plots = found.axis, Plots(found.axis)
            self._curves_area.setWidget(self._plots)
            self._plots.setAutoFillBackground(False)
        self._plots.show_curves(found.curves, found.last, self._theme)

    def wear(self, theme: Theme) -> None:
        self._theme = theme
        self.close_button.setIcon(themed_icon("close", palette_of(theme).muted))

    # --- helpers -----------------------------------------------------------------------------

    def _fill(self, jobs: tuple[JobView, ...]) -> None:
        before = self.chosen
        self.list.blockSignals(True)
        self.list.clear()
        for _ in jobs:
            item = QListWidgetItem()
            self.list.addItem(item)
            self.list.setItemWidget(item, JobRow())
        places = {job.id: k for k, job in enumerate(jobs)}
        if jobs:
            self.list.setCurrentRow(places.get(before.id, 0) if before is not None else 0)
        self.list.blockSignals(False)
        after = jobs[self.list.currentRow()].id if jobs else None
        if after != (before.id if before is not None else None):
            QTimer.singleShot(0, self, self._choose)

    def _row(self, k: int) -> JobRow:
        row = self.list.itemWidget(self.list.item(k))
        assert isinstance(row, JobRow)
        return row

    def _choose(self) -> None:
        self.log.show_log("")
        if self._plots is not None:
            self._plots.show_curves({}, 1, self._theme)
        self._show_chosen()
        self.chosenChanged.emit()

    def _show_chosen(self) -> None:
        job = self.chosen
        self._right.setVisible(job is not None)
        if job is None:
            return
        runs = job.stage is JobStage.RUNNING
        self.title.setText(job.record.title)
        self.stage.setText(stage_said(job))
        self.command.setText(command_shown(job.record.command) if job.record.command else "")
        self.fault.setText(job.fault)
        self.fault.setVisible(bool(job.fault))
        self.buttons["Cancel"].setVisible(runs)
        self.buttons["Cancel"].setText("Stop at once" if job.is_stopping else "Cancel")
        self.buttons["Resume"].setVisible(job.can_resume)
        self.buttons["Copy"].setEnabled(bool(job.record.command))
        self.buttons["Remove"].setVisible(not runs)

    def _fit(self) -> None:
        """Be no higher than there is something to show."""
        least, most = _HEIGHT_PX
        height = min(max(round(_SHARE * self.window().height()), least), most)
        is_bare = not self.list.count() and self.own.isHidden() and self.note.isHidden()
        self.setFixedHeight(_EMPTY_PX if is_bare else height)

    def _act(self, name: str) -> None:
        if self.chosen is not None:
            self.actionWanted.emit(name, self.chosen)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()
        self.seen.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.seen.emit(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)
