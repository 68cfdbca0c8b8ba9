"""Between the jobs and one window: the drawer, the button, and what is offered when a job ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication

from app.faults import describe
from app.jobs.curves import JobCurves, is_generator, read_curves, training_folder
from app.jobs.dialogs import AtQuit, NewJobDialog, QuitQuestion
from app.jobs.tasks import JobsButton
from app.jobs.words import command_said, duration
from app.panels.jobs import JobsPanel
from app.style import palette_of
from nsdviewer.background import JobStage, JobView
from nsdviewer.background.kinds import Home
from nsdviewer.background.outputs import option
from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from app.window import MainWindow

_FITTED = ("decoder", "encoder")
_LOG_BYTES = 64 << 10
_INTERRUPTED = "interrupted jobs"


class JobDesk(QObject):
    """Shows the jobs in one window, and does what its person asks of them."""

    # The titles of those that were interrupted.
    interruptedChanged = Signal(list)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.jobs = window.application.jobs
        self.panel = JobsPanel()
        self.button = JobsButton()
        self._curves: JobCurves | None = None
        self._greets = False
        panel, jobs, tasks = self.panel, self.jobs, window.controller.tasks
        jobs.changed.connect(self._show)
        jobs.looked.connect(self._on_looked)
        jobs.ended.connect(self._on_ended)
        jobs.failed.connect(self._on_failed)
        panel.seen.connect(self._on_seen)
        panel.newWanted.connect(self.new_job)
        panel.actionWanted.connect(self._act)
        panel.clearWanted.connect(self.clear)
        panel.chosenChanged.connect(self._on_chosen)
        panel.own.cancelled.connect(tasks.cancel)
        tasks.begun.connect(panel.own.begin)
        tasks.progressed.connect(panel.own.show_progress)
        tasks.finished.connect(panel.own.end)
        self.button.toggled.connect(panel.setVisible)
        window.status.add_button(self.button)

    # --- what may be asked -------------------------------------------------------------------

    def toggle(self) -> None:
        """Open the drawer, the keyboard in its list, or close it."""
        is_open = not self.panel.isHidden()
        self.panel.setVisible(not is_open)
        if not is_open:
            (self.panel.list if self.jobs.jobs else self.panel.new).setFocus()

    def clear(self) -> None:
        """Forget the jobs that have ended, and their logs."""
        self.jobs.remove(*self.panel.ended_ids)

    def new_job(self) -> None:
        """Ask what to run, filled in from what is shown."""
        NewJobDialog(self._window, self.home(), self.start).open()

    def start(self, title: str, command: tuple[str, ...]) -> str:
        """Start a job and show it; returns "" or, where it cannot be started, the sentence why."""
        try:
            job_id = self.jobs.start(title, command, Path.home())
        except Exception as error:
            return describe("jobs", error)[0]
        self.panel.show()
        self.panel.choose(job_id)
        return ""

    def home(self) -> Home:
        """Return the subject that is shown, as a job's options say it."""
        view = self._window.controller.view
        if view is None:
            roots = self._window.settings.recent_roots
            return Home(root=roots[0] if roots else "")
        state = view.state
        return Home(
            state.root, str(state.subject), state.space.value, state.version.short,
            view.workspace.embedding_name,
        )  # fmt: skip

    def may_close(self) -> bool:
        """Ask once what becomes of the jobs that this process started; False where we are to stay.

        Asked by the last window; jobs that were let go on before are not asked about again.
        """
        running = self.jobs.running_own
        if not running or self._window.application.windows != [self._window]:
            return True
        question = QuitQuestion(self._window, running)
        question.exec()
        if question.answer is AtQuit.STOP:
            self.jobs.stop(running)
        return question.answer is not AtQuit.STAY

    def wear(self, theme: Theme) -> None:
        self.panel.wear(theme)

    def greet(self) -> None:
        """Look for jobs that were interrupted, and offer them back; for a process's first window."""
        self._greets = True
        self.jobs.look()

    def _offer_interrupted(self) -> None:
        found = self.jobs.interrupted
        if not found:
            return
        first = found[0].record.title
        ids = [job.id for job in found]
        sentence = (
            f"The job '{first}' was interrupted; what it needs to go on is kept."
            if len(found) == 1
            else f"{len(found)} jobs were interrupted, '{first}' the last; what they need to go on "
            "is kept."
        )
        self._window.offers.offer(
            _INTERRUPTED, sentence,
            (
                ("Resume", lambda: [self.jobs.resume(job_id) for job_id in ids]),
                ("Forget", lambda: self.jobs.remove(*ids)),
                ("Show", lambda: self._open(ids[0])),
            ),
        )  # fmt: skip

    # --- what it hears -----------------------------------------------------------------------

    def _show(self) -> None:
        self.panel.show_jobs(self.jobs.jobs, self.jobs.fault)
        self.button.show_running(self.jobs.running)
        if self.jobs.running:
            self._window.status.show()
        self._refresh_buttons()
        self.interruptedChanged.emit([job.record.title for job in self.jobs.interrupted])

    def _on_chosen(self) -> None:
        self._curves = None
        self._refresh_chosen()

    def _on_looked(self) -> None:
        if self._greets:
            self._greets = False
            self._offer_interrupted()
        self._refresh_chosen()

    def _on_seen(self, in_sight: bool) -> None:
        self.button.setChecked(in_sight)
        self.jobs.watch(self, in_sight)
        if in_sight:
            self._show()

    def _on_failed(self, sentence: str, details: str) -> None:
        if self._is_in_front():
            self._window.show_error(sentence, details)

    def _on_ended(self, job: JobView) -> None:
        if job.stage is JobStage.FAILED and self._is_in_front():
            self._window.message.offer(
                f"The job '{job.record.title}' failed: {job.fault}", "Show it",
                lambda: self._reveal(job), palette_of(self._window.theme).text, job.log_tail,
            )  # fmt: skip
        elif job.stage is JobStage.DONE and self._fitted_here(job):
            sentence = f"{job.record.title} is done ({duration(job.seconds)})."
            answers = (("Use it", lambda: self._use(job)), ("Not now", lambda: None))
            self._window.offers.offer(job.id, sentence, answers)
        elif job.stage is JobStage.DONE and self._is_in_front():
            self._window.status.say(f"done: {job.record.title}")

    def _reveal(self, job: JobView) -> None:
        self.panel.show()
        self.panel.choose(job.id)
        self.panel.list.setFocus()

    @property
    def _is_open(self) -> bool:
        """Whether the window is there still; what was read for it may come later."""
        return self._window in self._window.application.windows

    def _is_in_front(self) -> bool:
        windows = self._window.application.windows
        active = [w for w in windows if w.isActiveWindow()]
        return (active or windows)[:1] == [self._window]

    # --- the chosen job ----------------------------------------------------------------------

    def _refresh_buttons(self) -> None:
        job = self.panel.chosen
        if job is None:
            return
        folder = training_folder(job)
        self.panel.offer_use(
            job.stage is JobStage.DONE and self._fitted_here(job),
            is_generator(job) and folder is not None and folder.is_dir(),
            folder is not None,
        )

    def _refresh_chosen(self) -> None:
        """Read the chosen job's log or curves, off the GUI thread; only where they are in sight."""
        job = self.panel.chosen
        if job is None or self.panel.isHidden():
            return
        self._refresh_buttons()
        if self.panel.shows_curves:
            since = self._curves
            self.jobs.ask(lambda: read_curves(job, since), self._show_curves)
        else:
            self.jobs.ask(
                lambda: self.jobs.store.log(job.id, _LOG_BYTES),
                lambda text: self._show_log(job.id, text),
            )

    def _show_log(self, job_id: str, text: str) -> None:
        if self._is_open:
            self.panel.show_log(job_id, text)

    def _show_curves(self, found: JobCurves | None) -> None:
        if not self._is_open:
            return
        if found is None or found is not self._curves:
            self._curves = found
            self.panel.show_curves(found)

    def _act(self, name: str, job: JobView) -> None:
        acts: dict[str, Any] = {
            "Cancel": lambda: self.jobs.cancel(job.id, at_once=job.is_stopping),
            "Resume": lambda: self.jobs.resume(job.id),
            "Use": lambda: self._use(job),
            "Watch": lambda: self._watch(job),
            "Folder": lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(job.record.folder))),
            "Copy": lambda: self._copy(job),
            "Remove": lambda: self.jobs.remove(job.id),
        }
        acts[name]()
        # Answered here as well as there.
        if name in ("Resume", "Remove"):
            self._window.offers.withdraw(_INTERRUPTED)
        elif name == "Use":
            self._window.offers.withdraw(job.id)

    def _copy(self, job: JobView) -> None:
        try:
            QGuiApplication.clipboard().setText(command_said(job.record.command))
        except RequestError as error:
            self._window.show_error(str(error), "")
        else:
            self._window.status.say("command copied")

    def _watch(self, job: JobView) -> None:
        folder = training_folder(job)
        if folder is not None:
            self._window.watch.watch(folder)

    def _open(self, job_id: str) -> None:
        self.panel.show()
        self.panel.choose(job_id)
        self.panel.list.setFocus()

    # --- what was fitted ---------------------------------------------------------------------

    def _fitted_here(self, job: JobView) -> bool:
        """Whether a job fitted a decoder or an encoder for what this window shows."""
        command, home = job.record.command, self.home()
        if command[:1] != ("fit",) or len(command) < 3 or command[1] not in _FITTED:
            return False
        if self._window.controller.view is None:
            return False
        asked = Home(
            str(job.record.place / command[2]), option(command, "--subject"),
            option(command, "--space") or "func1pt8mm", option(command, "--version") or "b3",
            option(command, "--embedding") or home.embedding,
        )  # fmt: skip
        return asked == Home(
            str(Path(home.root).absolute()), home.subject, home.space, home.version, home.embedding
        )

    def _use(self, job: JobView) -> None:
        """Show the view with what was fitted, loaded anew."""
        controller = self._window.controller
        view, kind = controller.view, job.record.command[1]
        if view is None or not self._fitted_here(job):
            return
        out = option(job.record.command, "--out")
        file = str((job.record.place / out).absolute()) if out else ""
        if file and not view.workspace.has_kept((kind, file)):
            self._window.request(**{kind: file})
            return
        # The file of this name was read before: nothing that was made of it holds.
        try:
            controller.open_state(view.state.replace(**{kind: file}))
        except NsdViewerError as error:
            self._window.show_error(str(error), "")
