"""Keeps what a window shows where the next start finds it, should the process end at any time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.recovery import RecoveryFolder, write_document
from app.tasks import Lane

if TYPE_CHECKING:
    from app.tasks import Tasks
    from nsdviewer.session.session_file import SessionDocument

# With the time that writing takes, a change is kept within a second.
_PAUSE_MS = 600
_LOOK_MS = 400


class Autosave(QObject):
    """Writes a window's document off the GUI thread soon after each change.

    Parameters
    ----------
    folder
        None keeps nothing.
    document
        Returns what is to be kept; None where nothing is open.
    look
        Returns what changes without anybody saying so, as splitters and lists do; it is compared
        a few times a second.
    """

    # Why nothing is kept; said once.
    failed = Signal(str)

    def __init__(
        self,
        tasks: Tasks,
        folder: RecoveryFolder | None,
        document: Callable[[], SessionDocument | None],
        look: Callable[[], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._tasks, self._document, self._folder = tasks, document, folder
        self.path: Path | None = None
        # Whether the person knows that nothing is kept.
        self.is_said = False
        self._is_closed = False
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._write)
        self._look = look
        self._seen: object = None
        self._watch = QTimer(self, interval=_LOOK_MS)
        self._watch.timeout.connect(self._compare)
        if folder is not None:
            self._watch.start()

    def note(self) -> None:
        """Note a change; many in a row are written together, and none waits for the last."""
        if self._folder is not None and not self._is_closed and not self._timer.isActive():
            self._timer.start()

    def _compare(self) -> None:
        seen = self._look()
        if self._seen is not None and seen != self._seen:
            self.note()
        self._seen = seen

    def write_now(self, done: Callable[[], None] | None = None) -> None:
        """Write at once; `done` is called when the document is on disk."""
        self._timer.stop()
        self._write(done)

    def close(self) -> None:
        """Forget what is kept: the window closes as it should."""
        self._is_closed = True
        self._timer.stop()
        self._watch.stop()
        self._forget()

    def _write(self, done: Callable[[], None] | None = None) -> None:
        document = self._document()
        if document is None or self._folder is None or self._is_closed:
            return
        folder = self._folder

        def write(_: object) -> None:
            # One lane writes all, so that a window has one file.
            self.path = self.path or folder.new_path()
            write_document(self.path, document)
            if self._is_closed:
                self._forget()

        def written(_: object) -> None:
            self.is_said = False
            if done is not None:
                done()

        self._tasks.submit(Lane.DOCUMENTS, "autosave", write, written, self._fail)

    def _forget(self) -> None:
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _fail(self, error: BaseException) -> None:
        if not self.is_said:
            self.is_said = True
            folder = self._folder.folder if self._folder is not None else ""
            why = getattr(error, "strerror", None) or str(error)
            self.failed.emit(
                f"What you do is not kept for a recovery, because {folder} cannot be written "
                f"({why}); save the session yourself."
            )
