"""What went wrong: sentences for it, a log of it, and nothing of it silent."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QMessageLogContext,
    QObject,
    Qt,
    QtMsgType,
    Signal,
    qInstallMessageHandler,
)

from nsdviewer.diagnosis.fault_log import log_fault
from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from app.application import Application

# A fault in a paint event comes again with every paint.
_QUIET_S = 10.0
_MOST_QT_LINES = 50


def describe(kind: str, error: BaseException) -> tuple[str, str]:
    """Return (sentence, details) of an error; details hold the traceback of a defect of ours.

    Such a defect goes into the log of faults too.
    """
    if isinstance(error, NsdViewerError):
        return str(error), str(error.__cause__ or "")
    details = "".join(traceback.format_exception(error))
    name = type(error).__name__
    log_fault(f"{kind}: {name}", details)
    return f"Internal error while running '{kind}' ({name}); your view is unharmed.", details


class Faults(QObject):
    """Catches what nobody caught, on any thread, and what Qt complains of.

    A fault reaches the window that is in front, with its traceback, and the log; the window goes on.
    """

    caught = Signal(str, str)

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        self._application = application
        self._last: dict[str, float] = {}
        self._n_qt_lines = 0
        self._before: tuple[Any, Any, Any] | None = None
        self.caught.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def watch(self) -> None:
        """Take over the process's hooks until `stop`."""
        if self._before is None:
            previous = qInstallMessageHandler(self._hear_qt)
            self._before = sys.excepthook, threading.excepthook, previous
            sys.excepthook = self._take
            threading.excepthook = lambda a: self._take(
                a.exc_type, a.exc_value or a.exc_type(), a.exc_traceback, a.thread
            )

    def stop(self) -> None:
        """Give the hooks back."""
        if self._before is not None:
            sys.excepthook, threading.excepthook, previous = self._before
            qInstallMessageHandler(previous)
            self._before = None

    def _take(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        thread: threading.Thread | None = None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, error, trace)
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        where = f" on the thread {thread.name}" if thread is not None else ""
        if isinstance(error, NsdViewerError):
            sentence, logged = str(error), ""
        else:
            sentence = f"Internal error{where} ({kind.__name__}); your view is unharmed."
            logged = details
        if self._is_repeated(details):
            return
        print(details, file=sys.stderr, end="")
        if logged:
            log_fault(f"unexpected{where}: {kind.__name__}", logged)
        self.caught.emit(sentence, details if logged else "")

    def _is_repeated(self, details: str) -> bool:
        now = time.monotonic()
        repeated = now - self._last.get(details, -_QUIET_S) < _QUIET_S
        self._last = {d: t for d, t in self._last.items() if now - t < _QUIET_S}
        if not repeated:
            self._last[details] = now
        return repeated

    def _show(self, sentence: str, details: str) -> None:
        windows = self._application.windows
        if windows:
            front = next((w for w in windows if w.isActiveWindow()), windows[-1])
            front.show_error(sentence, details)

    def _hear_qt(self, kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
        said = message or ""
        print(said, file=sys.stderr)
        serious = kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg, QtMsgType.QtWarningMsg)
        if serious and self._n_qt_lines < _MOST_QT_LINES:
            self._n_qt_lines += 1
            log_fault(f"Qt: {said.splitlines()[0][:120] if said else kind.name}", said)


def copy_report(window: Any, details: str, done: Callable[[], object] | None = None) -> None:
    """Put a report with `details` into the clipboard, collected off the GUI thread."""
    from PySide6.QtGui import QGuiApplication

    from app.tasks import Lane

    def collect(_: object) -> str:
        from nsdviewer.diagnosis.privacy import without_names
        from nsdviewer.diagnosis.report import as_text, diagnose

        fault = f"\n\nfault\n{without_names(details)}" if details else ""
        return as_text(diagnose()) + fault

    def copy(text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        window.status.say("report copied: paste it where you tell of the fault")
        if done is not None:
            done()

    window.status.say("collecting the report…")
    window.controller.tasks.submit(Lane.DROPS, "report", collect, copy)
