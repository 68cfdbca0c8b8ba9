"""What all windows of one process share: the settings, and the windows themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt

from app.documents.recovery import RecoveryFolder
from app.export.drawing_process import DrawingProcess
from app.jobs.job_list import JobList
from app.memory import close_fonts

if TYPE_CHECKING:
    from app.data_warnings import DataWarnings
    from app.settings import Settings
    from app.tasks import Tasks
    from app.window import MainWindow

# From one window to the next.
_BESIDE_PX = 32


class Application(QObject):
    """Knows the open windows.

    Attributes
    ----------
    windows
        Those that are open, the oldest first.
    drawing
        The process that draws figures for all of them.
    jobs
        What runs in processes of its own and outlives the windows.
    recovery
        Where windows keep what they show; None where nothing is kept.
    warnings
        What is odd on disk; None where nobody listens.

    Parameters
    ----------
    state_folder
        The user's folder for what is kept between two starts; None keeps nothing.
    """

    def __init__(
        self,
        settings: Settings,
        parent: QObject | None = None,
        state_folder: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.recovery = RecoveryFolder(state_folder / "recovery") if state_folder else None
        self.warnings: DataWarnings | None = None
        self._leaving: list[Tasks] = []
        self.windows: list[MainWindow] = []
        # Those that close in one go, and come back together.
        self._quitting: list[MainWindow] = []
        self.drawing = DrawingProcess()
        self.jobs = JobList(parent=self)

    def add(self, window: MainWindow) -> None:
        """Note a window that opened."""
        self.windows.append(window)
        if self.warnings is not None:
            window.heed(self.warnings)

    def remove(self, window: MainWindow) -> None:
        """Note that a window closes, and end its work."""
        if window in self.windows:
            self.windows.remove(window)
        # Another window must not stand still until the work of this one has noticed.
        window.controller.tasks.close(waits=False)
        still_busy = [tasks for tasks in self._leaving if not tasks.has_ended]
        self._leaving = [*still_busy, window.controller.tasks]
        close_fonts()
        if not self.windows:
            if not self._quitting:
                self.settings.forget_beside_last()
            for tasks in self._leaving:
                tasks.close()
            self._leaving.clear()
            self.drawing.close()
            self.jobs.close()

    def new_window(self) -> MainWindow:
        """Open another window, on its first page; it shares everything but what it shows."""
        # The window's module knows this one.
        from app.window import MainWindow

        window = MainWindow(None, self.settings, application=self)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.windows[:-1]:
            beside = self.windows[-2]
            window.resize(beside.size())
            window.move(beside.pos() + QPoint(_BESIDE_PX, _BESIDE_PX))
        window.show()
        return window

    def quit(self) -> bool:
        """Close all windows, which come back together; returns False where one is to stay."""
        self.settings.forget_beside_last()
        self._quitting = [each for each in self.windows if each.controller.session is not None]
        done = all(window.close() for window in (*self.windows[1:], *self.windows[:1]))
        self._quitting = []
        if not done:
            self.settings.forget_beside_last()
        return done

    def place_among(self, window: MainWindow) -> int:
        """Return which of the windows that close in one go this is; 0 where it closes alone."""
        return self._quitting.index(window) if window in self._quitting else 0

    def is_meant(self, window: MainWindow, thread_id: int) -> bool:
        """Whether a window is to hear of what a thread noticed: its own, or anybody's in front."""
        for each in self.windows:
            if each.controller.tasks.owns(thread_id):
                return each is window
        front = next((each for each in self.windows if each.isActiveWindow()), None)
        return window is (front or next(iter(self.windows), None))
