"""The jobs of this person, as all windows of the process show them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.bridge import Bridge
from app.faults import describe
from nsdviewer.background import JobStage, JobStore, JobView, jobs_folder
from nsdviewer.errors import NsdViewerError

_POLL_MS = 1_000


class JobList(QObject):
    """Looks at the store off the GUI thread, while something runs or somebody looks.

    `changed` says that `jobs` or `fault` has; `ended` brings a job that ran when it was last looked
    at, whoever started it; `failed` brings (sentence, details) of a wish that could not be met.

    Parameters
    ----------
    folder
        Of the store; the usual one where None.

    Attributes
    ----------
    jobs
        All that are known, the newest first; empty before the first look.
    fault
        Why the store cannot be read; "" where it can.
    """

    changed = Signal()
    ended = Signal(object)
    failed = Signal(str, str)
    looked = Signal()

    def __init__(self, folder: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.store = JobStore(folder or jobs_folder())
        self.jobs: tuple[JobView, ...] = ()
        self.fault = ""
        self._watchers: set[object] = set()
        self._busy = False
        self._again = False
        self._n_started = 0
        self._own: set[str] = set()
        self._is_asking = False
        self._next_ask: tuple[Callable[[], Any], Callable[[Any], None]] | None = None
        self._bridge = Bridge(self)
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.look)

    # --- what may be asked -------------------------------------------------------------------

    def start(self, title: str, command: Sequence[str], place: Path | None = None) -> str:
        """Start a command as a job; returns its id.

        Raises
        ------
        NsdViewerError
            If it is no command, another job writes the same, or the store cannot be written.
        """
        record = self.store.start(title, command, place)
        # Known at once: a job that ends before the next look must be heard of.
        self._n_started += 1
        self._own.add(record.id)
        self._adopt((JobView(record, JobStage.RUNNING), *self.jobs), "")
        self.look()
        return record.id

    def cancel(self, job_id: str, at_once: bool = False) -> None:
        self._act(lambda: self.store.cancel(job_id, at_once))

    def stop(self, jobs: Sequence[JobView]) -> None:
        """Ask jobs to stop before this process ends; what cannot be asked goes on."""
        for job in jobs:
            with suppress(NsdViewerError):
                self.store.cancel(job.id)

    def resume(self, job_id: str) -> None:
        self._own.add(job_id)
        self._act(lambda: self.store.resume(job_id))

    def remove(self, *job_ids: str) -> None:
        def remove() -> None:
            for job_id in job_ids:
                self.store.remove(job_id)

        self._act(remove)

    def watch(self, watcher: object, in_sight: bool) -> None:
        """Note whether somebody looks; what nobody looks at is asked for only while it runs."""
        (self._watchers.add if in_sight else self._watchers.discard)(watcher)
        if in_sight:
            self.look()
        self._keep_time()

    def look(self) -> None:
        """Read the store, off this thread."""
        if self._busy:
            self._again = True
            return
        self._busy = True
        n_started = self._n_started

        def read() -> Callable[[], None]:
            try:
                found, fault = self.store.jobs(), ""
            except Exception as error:
                found, fault = self.jobs, describe("jobs", error)[0]
            return lambda: self._see(found, fault, n_started)

        self._off_thread(read)

    def ask(self, read: Callable[[], Any], on_result: Callable[[Any], None]) -> None:
        """Read something of a job off this thread; of several that wait the last one is read.

        What cannot be read is left as it was.
        """
        if self._is_asking:
            self._next_ask = (read, on_result)
            return
        self._is_asking = True

        def finish(call: Callable[[], object]) -> None:
            self._is_asking = False
            following, self._next_ask = self._next_ask, None
            call()
            if following is not None:
                self.ask(*following)

        def run() -> Callable[[], None]:
            try:
                found = read()
            except NsdViewerError:
                return lambda: finish(lambda: None)
            except Exception as error:
                told = describe("jobs", error)
                return lambda: finish(lambda: self.failed.emit(*told))
            return lambda: finish(lambda: on_result(found))

        self._off_thread(run)

    def find(self, job_id: str) -> JobView | None:
        return next((view for view in self.jobs if view.id == job_id), None)

    @property
    def running(self) -> tuple[JobView, ...]:
        return tuple(view for view in self.jobs if view.stage is JobStage.RUNNING)

    @property
    def running_own(self) -> tuple[JobView, ...]:
        """Those that were started or resumed here."""
        return tuple(view for view in self.running if view.id in self._own)

    @property
    def interrupted(self) -> tuple[JobView, ...]:
        return tuple(view for view in self.jobs if view.stage is JobStage.INTERRUPTED)

    @property
    def is_polling(self) -> bool:
        return self._timer.isActive()

    def close(self) -> None:
        """Look no more; the jobs go on."""
        self._timer.stop()
        self._bridge.close()

    # --- the other thread --------------------------------------------------------------------

    def _act(self, do: Callable[[], object]) -> None:
        def act() -> Callable[[], None]:
            try:
                do()
            except Exception as error:
                told = describe("jobs", error)
                return lambda: self.failed.emit(*told)
            return self.look

        self._off_thread(act)

    def _off_thread(self, work: Callable[[], Callable[[], None]]) -> None:
        # Seldom, short, and nothing to be kept: a thread for each.
        threading.Thread(
            target=lambda: self._bridge.deliver(work()), name="jobs", daemon=True
        ).start()

    def _see(self, found: tuple[JobView, ...], fault: str, n_started: int) -> None:
        self._busy = False
        if n_started == self._n_started:
            self._adopt(found, fault)
        else:  # read before the last one was there
            self._again = True
        self.looked.emit()
        if self._again:
            self._again = False
            self.look()

    def _adopt(self, found: tuple[JobView, ...], fault: str) -> None:
        ran = {view.id for view in self.running}
        before, self.jobs = self.jobs, found
        is_news = before != found or fault != self.fault
        self.fault = fault
        self._keep_time()
        if is_news:
            self.changed.emit()
        for view in found:
            if view.id in ran and view.stage is not JobStage.RUNNING:
                self.ended.emit(view)

    def _keep_time(self) -> None:
        if self.running or self._watchers:
            if not self._timer.isActive():
                self._timer.start()
        else:
            self._timer.stop()
