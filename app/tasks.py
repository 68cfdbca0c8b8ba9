"""The workers, and how work is handed to them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.bridge import Bridge
from app.faults import describe
from nsdviewer.errors import Cancelled
from nsdviewer.jobs import Job, Ticket, Worker

Run = Callable[[Ticket], Any]
OnResult = Callable[[Any], None]
OnError = Callable[[BaseException], None]


class Lane(Enum):
    """Each lane has a thread of its own, so that a search never delays a click on a slice."""

    OPENING = "opening"
    QUICK = "quick"
    DATA = "data"
    DETAIL = "detail"
    STATISTICS = "statistics"
    LONG = "long"
    FILES = "files"
    DOCUMENTS = "documents"
    DROPS = "drops"


class Tasks(QObject):
    """Runs work off the GUI thread; signals and results arrive on it."""

    begun = Signal(str)
    progressed = Signal(str, float, str)
    finished = Signal(str)
    failed = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = Bridge(self)
        self._workers = {lane: Worker(self._bridge.deliver, lane.value) for lane in Lane}

    def submit(
        self,
        lane: Lane,
        kind: str,
        run: Run,
        on_result: OnResult,
        on_error: OnError | None = None,
        on_cancelled: Callable[[], None] | None = None,
    ) -> None:
        """Queue work; an older request of its kind is dropped without a word."""

        def done(result: Any) -> None:
            self.finished.emit(kind)
            on_result(result)

        def failed(error: BaseException) -> None:
            self.finished.emit(kind)
            if isinstance(error, Cancelled):
                if on_cancelled is not None:
                    on_cancelled()
                return
            (on_error or (lambda e: self.fail(kind, e)))(error)

        def progressed(fraction: float, text: str) -> None:
            self.progressed.emit(kind, fraction, text)

        self.begun.emit(kind)
        self._workers[lane].submit(Job(kind, run, done, failed, on_progress=progressed))

    def fail(self, kind: str, error: BaseException) -> None:
        self.failed.emit(*describe(kind, error))

    def deliver(self, call: Callable[[], None]) -> None:
        """Run `call` on the GUI thread; for what work shows before it ends. Any thread may ask."""
        self._bridge.deliver(call)

    def cancel(self, kind: str) -> None:
        for worker in self._workers.values():
            worker.cancel(kind)

    @property
    def idle(self) -> bool:
        return all(worker.idle for worker in self._workers.values())

    @property
    def has_ended(self) -> bool:
        """Whether all threads have ended, some time after `close`."""
        return all(worker.has_ended for worker in self._workers.values())

    def owns(self, thread_id: int) -> bool:
        """Whether a thread works for these tasks."""
        return any(worker.thread_id == thread_id for worker in self._workers.values())

    def close(self, waits: bool = True) -> None:
        """Cancel everything; `waits` until the threads have ended, as the end of a process must."""
        self._bridge.close()
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values() if waits else ():
            worker.close()
